"""Limits of readers, and `.spacy` corpora in place of files."""

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_bert_suite.data.corpora import read_corpus, take
from spacy_bert_suite.errors import Errors


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


def examples_of(nlp, *texts):
    for text in texts:
        yield Example(nlp.make_doc(text), nlp.make_doc(text))


@pytest.mark.parametrize("limit, expected", [(0, "abc"), (2, "ab"), (3, "abc"), (9, "abc")])
def test_limits(nlp, limit, expected):
    found = take(examples_of(nlp, *"abc"), limit, Errors.B065.format(path="a.tsv"))
    assert "".join(eg.text for eg in found) == expected


def test_no_more_is_read_than_the_limit(nlp):
    examples = examples_of(nlp, "a", "b")
    next(take(examples, 1, Errors.B065))
    assert next(examples).text == "b"


def test_without_any_it_is_an_error(nlp):
    with pytest.raises(ValueError, match="B065.*a.tsv"):
        list(take([], 0, Errors.B065.format(path="a.tsv")))


def test_spacy_corpora_are_read_by_spacy(nlp, tmp_path):
    for path in (tmp_path / "corpus" / "a.spacy", tmp_path / "corpus"):
        path.parent.mkdir(exist_ok=True)
        if path.suffix:
            DocBin(docs=[nlp.make_doc("From a corpus.")]).to_disk(path)
        (eg,) = read_corpus(path, nlp, lambda nlp: examples_of(nlp, "Read."))
        assert eg.text == "From a corpus."
    (eg,) = read_corpus(tmp_path / "a.tsv", nlp, lambda nlp: examples_of(nlp, "Read."))
    assert eg.text == "Read."
