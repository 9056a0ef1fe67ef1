"""Labels of token classifiers: which scheme they follow."""

import pytest

from spacy_bert_suite.checkpoints.tagset import read_tagging

BIO = ["I-LOC", "B-PER", "O", "I-PER", "B-LOC"]
IOB1 = ["I-LOC", "O", "I-PER", "B-LOC"]


@pytest.mark.parametrize(
    "names, scheme, labels",
    [
        (BIO, "bio", ["LOC", "PER"]),
        (IOB1, "iob1", ["LOC", "PER"]),
        (["O", "I-A", "I-B"], "io", ["A", "B"]),
        (["O", "E-MAIL", "NAME"], "io", ["E-MAIL", "NAME"]),
        (["O", "B_A", "M_A", "E_A", "S_A"], "biluo", ["A"]),
        (["O", "b-per", "i-per", "B-loc", "i_loc"], "bio", ["per", "loc"]),
        (["B-corporate-group", "I-corporate-group", "O"], "bio", ["corporate-group"]),
        (["O", "PER-B", "PER-I"], "bio", ["PER"]),
        (["O", "B.PER", "I.PER"], "bio", ["PER"]),
        (["O", "VITAMIN-B", "GROUP-I"], "io", ["VITAMIN-B", "GROUP-I"]),
        (["O", "B_CELL", "PROTEIN"], "io", ["B_CELL", "PROTEIN"]),
    ],
)
def test_schemes_are_recognised(names, scheme, labels):
    tagging = read_tagging(names, None, "original")
    assert (tagging.scheme, tagging.labels) == (scheme, labels)
    assert names[tagging.rows[0]] == "O"


def test_outside_may_be_a_small_letter():
    tagging = read_tagging(["b-per", "o", "i-per"], None, "original")
    assert (tagging.scheme, tagging.rows) == ("bio", [1, 0, 2])
