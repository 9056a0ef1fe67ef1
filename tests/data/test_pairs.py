"""Reading pairs, and scoring cosines."""

import gzip
import json

import numpy
import pytest
import spacy
from spacy.training import Corpus

from spacy_bert_suite.data.pairs import (
    PairAnnotation,
    belongs_together,
    get_pair,
    make_pair_corpus,
    make_pair_example,
)
from spacy_bert_suite.heads.pair_metrics import rank_binary
from spacy_bert_suite.tasks.convert import convert
from spacy_bert_suite.tasks.similarity.scorer import score_pairs

RECORDS = [
    {"text1": "A", "text2": "B", "score": 2.5},
    {"premise": "A", "hypothesis": "B", "label": "neutral"},
    {"sentence1": "A", "sentence2": "B", "label": 1},
    {"anchor": "A", "positive": "B", "negative": "C"},
    {"question": "A", "answer": "B", "negatives": ["C", "D"]},
    {"question": "A", "answer_sentence": "B"},
]


@pytest.fixture
def nlp():
    return spacy.blank("en")


def write(path, records):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf8") as file_:
        file_.writelines(json.dumps(record) + "\n" for record in records)
    return path


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz"])
def test_jsonl(nlp, tmp_path, name):
    corpus = make_pair_corpus(write(tmp_path / name, RECORDS), max_score=5.0)
    examples = list(corpus(nlp))
    assert [eg.predicted.text for eg in examples] == ["A"] * 6
    found = [get_pair(eg) for eg in examples]
    assert [pair.score for pair in found] == [0.5, None, None, None, None, None]
    assert [pair.label for pair in found] == [None, "neutral", "1", None, None, None]
    assert [pair.others for pair in found] == [["B"]] * 3 + [["B", "C"], ["B", "C", "D"], ["B"]]
    assert len(list(corpus(nlp))) == 6  # once for every epoch


def test_gold_under_the_names_of_data_sets(nlp, tmp_path):
    texts = {"sentence1": "A", "sentence2": "B"}
    records = [
        {**texts, "gold_label": "entailment"},
        {**texts, "gold_label": "-"},  # left out
        {**texts, "label": -1},  # and so are these
        {**texts, "label": -1.0},
        {**texts, "is_duplicate": 0},
        {**texts, "is_duplicate": 1.0},
        {**texts, "label": True},
        {**texts, "similarity_score": 4.0},
        {**texts, "relatedness_score": 1.0, "entailment_judgment": "NEUTRAL"},
    ]
    path = write(tmp_path / "pairs.jsonl", records)
    found = [get_pair(eg) for eg in make_pair_corpus(path, max_score=5.0)(nlp)]
    labels = ["entailment", "0", "1", "True", None, "NEUTRAL"]
    assert [pair.label for pair in found] == labels
    assert [pair.score for pair in found] == [None, None, None, None, 0.8, 0.2]
    assert [belongs_together(pair) for pair in found] == [True, False, True, True, False, False]


def test_the_columns_of_mrpc(nlp, tmp_path):
    path = tmp_path / "pairs.tsv"
    header = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
    path.write_text(header + '0\t7\t8\tSo "A"\tOr B\n1\t9\t7\tC\tD\n', encoding="utf8")
    examples = list(make_pair_corpus(path)(nlp))
    assert [eg.predicted.text for eg in examples] == ['So "A"', "C"]
    assert [get_pair(eg).others for eg in examples] == [["Or B"], ["D"]]
    assert [get_pair(eg).label for eg in examples] == ["0", "1"]


def test_an_empty_label_beside_a_score(nlp, tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("text1,text2,score,label\nA,B,0.5,\nC,D,,yes\n", encoding="utf8")
    found = [get_pair(eg) for eg in make_pair_corpus(path)(nlp)]
    assert [(pair.score, pair.label) for pair in found] == [(0.5, None), (None, "yes")]


@pytest.mark.parametrize("max_score", [0, -5, float("nan")])
def test_max_score_is_above_zero(tmp_path, max_score):
    with pytest.raises(ValueError, match="B072"):
        make_pair_corpus(tmp_path / "pairs.jsonl", max_score=max_score)


def test_convert_keeps_labels(nlp, tmp_path):
    records = [{"text1": "A", "text2": "B", "label": label} for label in (0, 1, 1)]
    path = write(tmp_path / "pairs.jsonl", records)
    assert convert("pairs", path, tmp_path / "pairs.spacy", keep_labels=["1"]) == 2


@pytest.mark.parametrize("suffix, mark", [(".csv", ","), (".tsv", "\t")])
def test_tables(nlp, tmp_path, suffix, mark):
    path = tmp_path / f"pairs{suffix}"
    lines = [("text1", "text2", "score"), ("A", "B", "1"), ("C", "D", "0.25")]
    path.write_text("\n".join(mark.join(line) for line in lines), encoding="utf8")
    found = [(eg.text, get_pair(eg)) for eg in make_pair_corpus(path)(nlp)]
    assert [(text, pair.others, pair.score) for text, pair in found] == [
        ("A", ["B"], 1.0),
        ("C", ["D"], 0.25),
    ]


def test_a_table_without_names(nlp, tmp_path):
    path = tmp_path / "sts.csv"
    path.write_text('"A, too",B,5.0\nC,D,1.0\n', encoding="utf8")
    found = [(eg.text, get_pair(eg)) for eg in make_pair_corpus(path, max_score=5)(nlp)]
    assert [(text, pair.others, pair.score) for text, pair in found] == [
        ("A, too", ["B"], 1.0),
        ("C", ["D"], 0.2),
    ]


def test_labels_to_keep_and_limit(nlp, tmp_path):
    path = write(tmp_path / "x.jsonl", RECORDS)
    kept = list(make_pair_corpus(path, max_score=5, keep_labels=["1"])(nlp))
    assert [get_pair(eg).label for eg in kept] == ["1"]
    assert len(list(make_pair_corpus(path, max_score=5, limit=2)(nlp))) == 2


@pytest.mark.parametrize(
    "record, code",
    [
        ({"text1": "A"}, "B066.*text2"),
        ({"first": "A", "second": "B"}, "B066.*first, second"),
        ({"text1": "A", "text2": " "}, "B204.*text2"),
        ({"text1": "A", "text2": "B", "score": 5}, "B204.*score"),
        ({"text1": "A", "text2": "B", "score": "high"}, "B204.*score"),
        ({"text1": "A", "text2": "B", "score": -0.1}, "B204.*score"),
        ({"text1": "A", "text2": "B", "score": float("nan")}, "B204.*score"),
        ({"text1": "A", "text2": "B", "label": [1]}, "B204.*label"),
        ({"text1": "A", "text2": "B", "negative": ["C", ""]}, "B204.*negative"),
        ({"text1": "A", "text2": "B", "negatives": ["C", ""]}, "B204.*negatives"),
        ({"text1": "A", "text2": "B", "negative": 5}, "B204.*negative"),
        ({"text1": "A", "text2": "\u200b"}, "B204.*text2"),
    ],
)
def test_malformed_records(nlp, tmp_path, record, code):
    with pytest.raises(ValueError, match=f"line 2.*{code.split('.*')[1]}|{code}"):
        list(make_pair_corpus(write(tmp_path / "x.jsonl", [RECORDS[1], record]))(nlp))


def test_no_pairs_and_no_file(nlp, tmp_path):
    (tmp_path / "x.jsonl").write_text("", encoding="utf8")
    with pytest.raises(ValueError, match="B065"):
        list(make_pair_corpus(tmp_path / "x.jsonl")(nlp))
    with pytest.raises(ValueError, match="B200"):
        list(make_pair_corpus(tmp_path / "y.jsonl")(nlp))


@pytest.mark.parametrize("texts", ["Anna", ["Anna"], ["Anna", 7]])
def test_too_few_texts(nlp, texts):
    with pytest.raises(ValueError, match="B063"):
        make_pair_example(nlp, texts)


@pytest.mark.parametrize("label", ["", " ", float("nan")])
def test_labels_that_say_nothing(nlp, label):
    with pytest.raises(ValueError, match="B255"):
        make_pair_example(nlp, ["A", "B"], label=label)


def test_labels_to_keep_are_a_list(tmp_path):
    with pytest.raises(ValueError, match="B256"):
        make_pair_corpus(tmp_path / "x.jsonl", keep_labels="1")


def test_the_columns_of_sick(nlp, tmp_path):
    path = tmp_path / "sick.tsv"
    path.write_text(
        "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
        "1\tA man sings\tA man hums\t4.0\tNEUTRAL\n"
    )
    (eg,) = make_pair_corpus(path, max_score=5)(nlp)
    assert eg.reference.text == "A man sings"
    assert get_pair(eg) == PairAnnotation(["A man hums"], 0.8, "NEUTRAL")


def test_a_header_of_other_names(nlp, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("s1,s2,target\nA,B,1\n")
    with pytest.raises(ValueError, match="B066.*s1, s2, target"):
        list(make_pair_corpus(path)(nlp))


def test_scores_out_of_range(nlp):
    with pytest.raises(ValueError, match="B064"):
        make_pair_example(nlp, ["A", "B"], score=5)


def test_examples_survive_bytes(nlp):
    eg = make_pair_example(nlp, ["A", "B"], score=0.5)
    again = spacy.tokens.Doc(nlp.vocab).from_bytes(eg.reference.to_bytes())
    assert again.user_data == eg.reference.user_data


# Scores

VECTORS = {"x": [1.0, 0.0], "y": [0.0, 1.0], "near x": [0.8, 0.6], "nearer x": [0.96, 0.28]}


def encode(texts):
    return numpy.asarray([VECTORS[text] for text in texts], dtype="float32")


def score(nlp, *pairs):
    if not spacy.tokens.Doc.has_extension("embedding"):
        spacy.tokens.Doc.set_extension("embedding", default=None)
    return score_pairs([make_pair_example(nlp, *p[:1], **p[1]) for p in pairs], encode=encode)


def test_graded_pairs(nlp):
    found = score(
        nlp,
        (["x", "y"], {"score": 0.1}),
        (["x", "near x"], {"score": 0.5}),
        (["x", "nearer x"], {"score": 0.4}),
    )
    assert found["similarity_spearman"] == pytest.approx(0.5)
    expected = numpy.corrcoef([0.0, 0.8, 0.96], [0.1, 0.5, 0.4])[0, 1]
    assert found["similarity_pearson"] == pytest.approx(expected, abs=1e-6)
    assert found["similarity_score"] == found["similarity_spearman"]
    assert found["similarity_ap"] is found["similarity_acc"] is None


def test_binary_pairs(nlp):
    found = score(
        nlp,
        (["x", "y"], {"label": 0}),
        (["x", "near x"], {"label": 0}),
        (["x", "nearer x"], {"label": 1}),
    )
    assert found["similarity_ap"] == found["similarity_f"] == found["similarity_score"] == 1.0
    assert found["similarity_threshold"] == pytest.approx((0.8 + 0.96) / 2)


def test_rank_binary_by_hand():
    gold = numpy.asarray([True, False, True, False])
    average_precision, f1, threshold = rank_binary(gold, numpy.asarray([0.9, 0.8, 0.7, 0.1]))
    assert average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert f1 == pytest.approx(2 * (2 / 3) / (2 / 3 + 1))
    assert threshold == pytest.approx((0.7 + 0.1) / 2)


def test_positives_and_negatives(nlp):
    found = score(nlp, (["x", "nearer x"], {}), (["y", "near x"], {}))
    assert found["similarity_acc"] == 1.0
    found = score(nlp, (["x", "near x", "nearer x"], {}), (["y", "y"], {}))
    assert found["similarity_acc"] == 0.5  # the first has a negative that is nearer


@pytest.mark.parametrize("gold", [{"score": 0.5}, {"label": "1"}])
def test_nothing_to_compare(nlp, gold):
    found = score(nlp, (["x", "y"], gold), (["x", "near x"], gold))
    assert found["similarity_score"] is None


def test_converted_pairs_train_with_spacys_own_reader(nlp, tmp_path):
    source = write(tmp_path / "x.jsonl", RECORDS)
    assert convert("pairs", source, tmp_path / "x.spacy", max_score=5, rename={"1": "same"}) == 6
    found = [get_pair(eg) for eg in Corpus(tmp_path / "x.spacy")(nlp)]
    assert [pair.score for pair in found] == [0.5, None, None, None, None, None]
    assert [pair.label for pair in found] == [None, "neutral", "same", None, None, None]
    assert found[4].others == ["B", "C", "D"]
