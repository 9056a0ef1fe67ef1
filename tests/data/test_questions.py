"""Questions with answers: examples, SQuAD files, official scores."""

import gzip
import json
import pickle

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_bert_suite.data.multitask import stamped
from spacy_bert_suite.data.questions import (
    AnswerError,
    get_question,
    make_question_example,
    read_answers,
)
from spacy_bert_suite.tasks.convert import convert
from spacy_bert_suite.tasks.qa.corpus import make_question_corpus, read_examples
from spacy_bert_suite.tasks.qa.scorer import (
    exact_match,
    f1_score,
    normalize_answer,
    squad_scores,
)
from spacy_bert_suite.tasks.qa.threshold import best_null_threshold

CONTEXT = "Anna works in Paris. Ben lives near Oslo."


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


# Examples


def test_example_holds_the_question(nlp):
    eg = make_question_example(nlp, CONTEXT, "Where?", [("Paris", 14), ("Oslo", 36)], id="q7")
    assert eg.predicted.text == CONTEXT and not eg.predicted.user_data
    (again,) = DocBin(docs=[eg.reference], store_user_data=True).get_docs(nlp.vocab)
    for copy in (eg, stamped(eg, "bert_qa"), spacy.training.Example(eg.predicted, again)):
        question = get_question(copy)
        assert question.text == "Where?" and question.id == "q7"
        assert question.answers == [("Paris", 14), ("Oslo", 36)]
        assert question.target == (14, 19) and question.is_answerable


def test_most_frequent_answer_is_the_target(nlp):
    answers = [("in Paris", 11), ("Paris", 14), ("Paris", 14)]
    assert get_question(make_question_example(nlp, CONTEXT, "Where?", answers)).target == (14, 19)
    unanswerable = get_question(make_question_example(nlp, CONTEXT, "When?"))
    assert unanswerable.target is None and not unanswerable.is_answerable


def test_no_question_no_gold(nlp):
    assert get_question(spacy.training.Example(nlp.make_doc("a"), nlp.make_doc("a"))) is None


@pytest.mark.parametrize("question", ["", "  \n", "\u200b", None, 7])
def test_empty_question(nlp, question):
    with pytest.raises(ValueError, match="B240"):
        make_question_example(nlp, CONTEXT, question)


@pytest.mark.parametrize(
    "answer", [("Paris", 13), ("Paris", -27), ("", 3), (" ", 4), ("Oslo", 999)]
)
def test_answer_elsewhere(nlp, answer):
    with pytest.raises(ValueError, match="B241"):
        make_question_example(nlp, CONTEXT, "Where?", [answer])


@pytest.mark.parametrize(
    "answers",
    [
        [("Paris", 14)],
        {"text": ["Paris"], "answer_start": [14]},
        [{"text": "Paris", "answer_start": 14}],
        ([text, start] for text, start in [("Paris", 14)]),
    ],
)
def test_layouts_of_answers(nlp, answers):
    eg = make_question_example(nlp, CONTEXT, "Where?", answers)
    assert get_question(eg).answers == [("Paris", 14)]


@pytest.mark.parametrize(
    "answers",
    [None, "Paris", 3, ["Paris"], [("Paris", "14")], [("Paris", 14.0)], [("Paris", None)],
     [(None, 14)], {"text": ["Paris"]}, {"text": ["Paris"], "answer_start": []}, [{}]],
)  # fmt: skip
def test_what_is_no_answer(nlp, answers):
    with pytest.raises(ValueError, match="B253"):
        make_question_example(nlp, CONTEXT, "Where?", answers)


def test_errors_about_answers_can_be_pickled():
    with pytest.raises(AnswerError) as caught:
        read_answers(CONTEXT, [("Oslo", 14)])
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.code, again.field, again.found) == ("B241", "answers", "Oslo")
    assert again.expected == "what the context has at character 14"


def test_the_context_is_a_text(nlp):
    for context in (None, nlp.make_doc(CONTEXT)):
        with pytest.raises(ValueError, match="B254"):
            make_question_example(nlp, context, "Where?")


# Files

QAS = [
    {
        "id": "1",
        "question": "Where does Anna work?",
        "answers": [{"text": "Paris", "answer_start": 14},
                    {"text": "in Paris", "answer_start": 11}],
    },
    {"id": "2", "question": "Who is Carla?", "answers": [], "is_impossible": True,
     "plausible_answers": [{"text": "Anna", "answer_start": 0}]},
]  # fmt: skip
SQUAD = {
    "version": "v2.0",
    "data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": QAS}]}],
}
ROWS = [
    {"context": CONTEXT, "id": "1", "question": "Where does Anna work?",
     "answers": {"text": ["Paris", "in Paris"], "answer_start": [14, 11]}},
    {"context": CONTEXT, "id": "2", "question": "Who is Carla?",
     "answers": {"text": [], "answer_start": []}, "is_impossible": True},
]  # fmt: skip


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


FILES = {
    "nested.json": json.dumps(SQUAD, indent=1),
    "rows.jsonl": lines(ROWS),
    "paragraphs.jsonl": lines([{"context": CONTEXT, "qas": QAS}]),
}


def write(path, text):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf8") as file_:
        file_.write(text)
    return path


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("gz", ["", ".gz"])
def test_layouts(nlp, tmp_path, name, gz):
    path = write(tmp_path / (name + gz), FILES[name])
    first, second = (get_question(eg) for eg in make_question_corpus(path)(nlp))
    assert first.text == "Where does Anna work?" and first.id == "1"
    assert first.answers == [("Paris", 14), ("in Paris", 11)]
    assert second.text == "Who is Carla?" and second.answers == []
    assert len(list(make_question_corpus(path, limit=1)(nlp))) == 1


@pytest.mark.parametrize("name", FILES)
def test_convert(nlp, tmp_path, name):
    path = write(tmp_path / name, FILES[name])
    assert convert("qa", path, tmp_path / "out" / "dev.spacy") == 2
    expected = [get_question(eg) for eg in read_examples(path, nlp)]
    found = read_examples(tmp_path / "out" / "dev.spacy", nlp)
    assert [get_question(eg) for eg in found] == expected
    assert [eg.predicted.text for eg in found] == [CONTEXT, CONTEXT]


def broken(**changes):
    return lines([{**ROWS[0], **changes}])


BAD = {
    "context": (broken(context=""), "B242.*line 1.*id 1.*'context'"),
    "no context": (broken(context=None), "B242.*'context'"),
    "question": (broken(question=" "), "B242.*'question'"),
    "answers": (broken(answers="Paris"), "B242.*'answers'"),
    "lengths": (broken(answers={"text": ["Paris"], "answer_start": []}), "B242.*as many"),
    "no starts": (broken(answers={"text": ["Paris"]}), "B242.*'answers'"),
    "start": (broken(answers={"text": ["Paris"], "answer_start": ["14"]}), "B242.*answer_start"),
    "negative": (broken(answers={"text": ["Paris"], "answer_start": [-1]}), "B242.*answer_start"),
    "elsewhere": (broken(answers={"text": ["Paris"], "answer_start": [3]}), "B242.*character 3"),
    "blank": (broken(answers={"text": [""], "answer_start": [3]}), "B242.*not empty"),
    "impossible": (broken(is_impossible="true"), "B242.*'is_impossible'"),
    "unseen": (broken(question="\u200b"), "B242.*'question'"),
    "qas": (lines([{"context": CONTEXT, "qas": ["Where?"]}]), "B242.*'qas'"),
    "no qas": (lines([{"context": CONTEXT, "qas": None}]), "B242.*line 1.*'qas' is None"),
    "qas a number": (lines([{"context": CONTEXT, "qas": 5}]), "B242.*line 1.*'qas' is 5"),
    "not JSON": ("{", "B203"),
    "empty": ("", "B243.*no question"),
}


@pytest.mark.parametrize("kind", BAD)
def test_malformed_lines(nlp, tmp_path, kind):
    text, message = BAD[kind]
    path = write(tmp_path / "bad.jsonl", text)
    with pytest.raises(ValueError, match=message):
        list(make_question_corpus(path)(nlp))


@pytest.mark.parametrize(
    "content", ["", "[1, 2", "[]", "{}", '{"data": [{"paragraphs": 7}]}', '{"data": [[]]}', "7"]
)
def test_malformed_json(nlp, tmp_path, content):
    path = write(tmp_path / "bad.json", content)
    with pytest.raises(ValueError, match="B243"):
        list(make_question_corpus(path)(nlp))


def test_place_in_nested_json(nlp, tmp_path):
    bad = {"data": [{"paragraphs": [{"context": CONTEXT, "qas": [QAS[0], {"question": ""}]}]}]}
    path = write(tmp_path / "bad.json", json.dumps(bad))
    with pytest.raises(ValueError, match="B242.*question 2.*'question'"):
        list(make_question_corpus(path)(nlp))


def test_other_files(nlp, tmp_path):
    with pytest.raises(ValueError, match="B209"):
        list(make_question_corpus(tmp_path / "squad.txt")(nlp))
    with pytest.raises(ValueError, match="B200"):
        list(make_question_corpus(tmp_path / "squad.json")(nlp))


# Scores, with values worked out by the official evaluate-v2.0.py


def test_normalization():
    assert normalize_answer("The  Cat's, an  apple-tree!") == "cats appletree"
    assert normalize_answer("The") == ""


@pytest.mark.parametrize(
    "answer, gold, em, f1",
    [
        ("the Paris!", ["Paris"], 1, 1),
        ("in Paris", ["Paris"], 0, 2 / 3),
        ("in Paris", ["Oslo", "Paris, France"], 0, 0.5),
        ("London", ["Paris"], 0, 0),
        ("", ["Paris"], 0, 0),
        ("", [], 1, 1),
        ("Paris", [], 0, 0),
        ("a", ["the", "Paris"], 0, 0),  # a right answer of articles only does not count
        ("a a b b c", ["b b b c"], 0, 2 * 3 / 7),
    ],
)
def test_official_scores(answer, gold, em, f1):
    assert exact_match(answer, gold) == em
    assert f1_score(answer, gold) == pytest.approx(f1)


def test_scores_are_split():
    scores = squad_scores(["Paris", "in Oslo", "", "x"], [["Paris"], ["Oslo"], [], []])
    assert scores == {
        "qa_em": 0.5,
        "qa_f1": pytest.approx((1 + 2 / 3 + 1) / 4),
        "qa_has_answer_em": 0.5,
        "qa_has_answer_f1": pytest.approx(5 / 6),
        "qa_no_answer_acc": 0.5,
    }
    assert squad_scores(["x"], [["x"]])["qa_no_answer_acc"] is None
    assert set(squad_scores([], []).values()) == {None}


def test_best_null_threshold():
    # Answering helps the first two, hurts the third.
    assert best_null_threshold([-3.0, 1.0, 2.0], [1, 0.5, 0], [0, 0, 1]) == 1.5
    assert best_null_threshold([1.0, 2.0], [1, 1], [0, 0]) > 2.0
    assert best_null_threshold([1.0, 2.0], [0, 0], [1, 1]) < 1.0
    # Equal null scores cannot be told apart.
    assert best_null_threshold([1.0, 1.0, 2.0], [1, 0, 0], [0, 1, 1]) < 1.0
