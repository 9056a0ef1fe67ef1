"""Examples with a question, and the layouts of answers."""

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

CONTEXT = "Anna works in Paris. Ben lives near Oslo."


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


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
