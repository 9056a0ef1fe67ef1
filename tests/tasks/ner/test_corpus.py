"""CoNLL files: words, tags and the spaces between words."""

import pytest
import spacy

from spacy_bert_suite.tasks.ner.corpus import begin_or_inside, guess_spaces, ner_docs, read_token


def test_sentences_with_entities(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("Anna\tB-PER\nPetrov\tI-PER\n\nRome NNP I-LOC\n")
    docs = list(ner_docs(path, spacy.blank("en"), {"LOC": "PLACE"}))
    found = [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs]
    assert found == [[("Anna Petrov", "PER")], [("Rome", "PLACE")]]


@pytest.mark.parametrize(
    "line", ["word", "word\t", "word\tB", "word\tB-", "\tB-PER", "word\tX-PER"]
)
def test_lines_without_a_word_and_a_tag(tmp_path, line):
    with pytest.raises(ValueError, match="B202.*7"):
        read_token(tmp_path, 7, line)


@pytest.mark.parametrize(
    "tag, before, expected",
    [
        ("O", [], "O"),
        ("I-X", [], "B-X"),
        ("I-X", ["B-X"], "I-X"),
        ("E-X", ["B-X", "I-X"], "I-X"),
        ("B-X", ["I-X"], "B-X"),
        ("I-X", ["B-Y"], "B-X"),
        ("I-OLD", ["B-NEW"], "I-NEW"),
    ],
)
def test_tags_as_bio(tag, before, expected):
    assert begin_or_inside(tag, before, {"OLD": "NEW"}) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ('He said : " It is 5 % " .', 'He said: "It is 5%".'),
        ("I do n't ( yet ) know , it 's $ 5 !", "I don't (yet) know, it's $5!"),
    ],
)
def test_guessed_spaces_read_like_print(text, expected):
    words = text.split()
    spaces = guess_spaces(words)
    assert "".join(w + " " * s for w, s in zip(words, spaces, strict=True)) == expected
