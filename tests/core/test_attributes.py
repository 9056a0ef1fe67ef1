"""Attributes are known wherever their components are."""

import pickle
import subprocess
import sys
from typing import Any

import pytest
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_bert_suite.core.attributes import PREFIX, TASK, Registered, holds_gold
from spacy_bert_suite.tasks.registry import attributes

HEADS = ("bert_ner", "bert_textcat", "bert_sentiment")
WITHOUT_LABELS = ("bert_similarity", "bert_summarizer", "bert_qa", "bert_paraphrase")
SCRIPT = """
import pickle, sys

with open(sys.argv[1], "rb") as file:
    nlp, expected = pickle.load(file)
from spacy.tokens import Doc, Span

for key in sys.argv[2:]:
    owner, name = key.split(".")
    assert {"doc": Doc, "span": Span}[owner].has_extension(name), key
nlp.select_pipes(disable=["bert_qa", "bert_paraphrase"])
doc = nlp("Anna works in Paris. The film was awful.")
found = [doc._.sentiment, doc._.summary, [ent._.score for ent in doc.ents]]
assert str(found) == expected, found
assert doc._.bert_states is not None and doc._.embedding is not None
"""


def test_a_pickled_pipeline_works_in_a_fresh_process(make_nlp, tmp_path):
    nlp = make_nlp(*HEADS, bert={"keep_states": True})
    for head in WITHOUT_LABELS:
        nlp.add_pipe(head)
    with nlp.select_pipes(disable=["bert_qa", "bert_paraphrase"]):  # not trained
        doc = nlp("Anna works in Paris. The film was awful.")
    found = [doc._.sentiment, doc._.summary, [ent._.score for ent in doc.ents]]
    (tmp_path / "nlp").write_bytes(pickle.dumps((nlp, str(found))))
    known = ["doc.bert_states", *attributes()]
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "nlp"), *known]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def no_attributes(monkeypatch):
    for owner in (Doc, Span):
        known: dict[str, Any] = {}
        monkeypatch.setattr(
            f"spacy.tokens.underscore.Underscore.{owner.__name__.lower()}_extensions", known
        )


@pytest.mark.usefixtures("no_attributes")
def test_unpickling_registers():
    pickled = pickle.dumps(Registered("tiny", ["span.score"], {"doc.paraphrase": len}))
    for owner, name in ((Span, "score"), (Doc, "paraphrase")):
        assert owner.has_extension(name)
        owner.remove_extension(name)
    pickle.loads(pickled)
    assert Span.has_extension("score") and Doc.has_extension("paraphrase")


@pytest.mark.usefixtures("no_attributes")
def test_unpickling_tells_of_a_clash():
    pickled = pickle.dumps(Registered("tiny", ["span.score"]))
    Span.set_extension("score", default="mine", force=True)
    with pytest.raises(ValueError, match="B056.*score.*tiny"):
        pickle.loads(pickled)


@pytest.mark.parametrize(
    "user_data, expected",
    [
        ({}, False),
        ({TASK: "bert_ner", "other.key": 1, ("._.", "score", 0, 1): 0.5}, False),
        ({TASK: "bert_ner", f"{PREFIX}anything": 1}, True),
    ],
)
def test_gold_in_user_data(user_data, expected):
    assert holds_gold(Doc(Vocab(), words=["a"], user_data=user_data)) is expected
