"""Categories from records with labels."""

import pytest
import spacy

from spacy_bert_suite.data.categories import category_docs


def cats_of(path, content, **rename):
    path.write_text(content)
    return [doc.cats for doc in category_docs(path, spacy.blank("en"), rename)]


def test_every_label_of_the_file_has_a_value(tmp_path):
    content = '{"text": "a", "labels": ["x", "y"]}\n{"text": "b", "labels": []}\n'
    found = cats_of(tmp_path / "a.jsonl", content, y="z")
    assert found == [{"x": 1.0, "z": 1.0}, {"x": 0.0, "z": 0.0}]


def test_stars_are_labels(tmp_path):
    content = '{"text": "a", "stars": 5}\n{"text": "b", "stars": 1}\n'
    assert cats_of(tmp_path / "a.jsonl", content) == [{"1": 0.0, "5": 1.0}, {"1": 1.0, "5": 0.0}]
    with pytest.raises(ValueError, match="B204.*'stars' is 6"):
        cats_of(tmp_path / "a.jsonl", '{"text": "a", "stars": 6}\n')
