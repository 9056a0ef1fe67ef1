"""bert_qa learns, and tunes its threshold."""

import numpy
import pytest
import spacy
import torch
from conftest import make_examples
from spacy.training import Example
from tasks.qa.pipelines import LONG, TABLE, build, joined, questions
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.data.multitask import stamped


@pytest.fixture
def nlp(tiny_bert):
    nlp = build(tiny_bert)
    nlp.initialize(lambda: questions(nlp))
    return nlp


LONG_QUESTION = (TABLE[0][0], "where is anna " * 20, "Paris")


@pytest.fixture
def with_long_question(nlp):
    return questions(nlp, [*TABLE, LONG_QUESTION])


LEFT_OUT = r"B913.*bert_qa.*1 of 6 questions.*48 wordpieces .*: 'where is anna where.*\.\.\.'"


def test_training_leaves_out_a_long_question(nlp, with_long_question, optimizer):
    with pytest.warns(UserWarning, match=LEFT_OUT):
        losses = nlp.update(with_long_question, sgd=False)
    assert losses["bert_qa"] > 0
    with pytest.warns(UserWarning, match="B913.*1 of 1"):
        assert nlp.update(with_long_question[-1:], sgd=optimizer)["bert_qa"] == 0.0


def test_scoring_leaves_out_a_long_question(nlp, with_long_question):
    expected = nlp.evaluate(questions(nlp))
    with pytest.warns(UserWarning, match=LEFT_OUT):
        found = nlp.evaluate(with_long_question)
    assert found["qa_f1"] == expected["qa_f1"] and found["qa_em"] == expected["qa_em"]


def test_tuning_leaves_out_a_long_question(nlp, with_long_question):
    pipe = nlp.get_pipe("bert_qa")
    expected = pipe.tune_null_threshold(questions(nlp))
    with pytest.warns(UserWarning, match=LEFT_OUT):
        assert pipe.tune_null_threshold(with_long_question) == expected
    with pytest.warns(UserWarning, match="B913"), pytest.raises(ValueError, match="B245"):
        pipe.tune_null_threshold(with_long_question[-1:])


def test_learns_as_plain_torch(still_bert):
    """Loss and gradients of the backbone and the head, over several windows each."""
    nlp = build(still_bert)
    examples = questions(nlp, [*TABLE, (LONG, "where is anna", "Paris")])
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("bert_qa")
    backbone = nlp.get_pipe("bert").model.shims[0].module
    head = pipe.model.shims[0].module
    loss = nlp.update(examples, sgd=False)["bert_qa"]

    model = AutoModel.from_pretrained(still_bert).train()
    tokenizer = AutoTokenizer.from_pretrained(still_bert)
    weight = head.output.weight.detach().clone().requires_grad_()
    bias = head.output.bias.detach().clone().requires_grad_()
    losses = []
    for text, question, answer in [*TABLE, (LONG, "where is anna", "Paris")]:
        states = pipe.model.layers[0].predict([(question, text)])
        second = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        first = tokenizer(question, add_special_tokens=False)["input_ids"]
        chars = numpy.asarray(second["offset_mapping"])
        for begin, end in zip(states.starts, states.ends):
            ids = joined(tokenizer, first, second["input_ids"][begin:end])
            types = [0] * (len(first) + 2) + [1] * (end - begin + 1)
            out = model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types]))
            logits = out.last_hidden_state[0] @ weight.T + bias
            allowed = torch.cat([logits[:1], logits[len(first) + 2 : -1]])
            gold = [0, 0]
            if answer:
                at = text.index(answer)
                inside = [
                    i for i in range(begin, end)
                    if chars[i][1] > at and chars[i][0] < at + len(answer)
                ]  # fmt: skip
                whole = inside and chars[inside[0]][0] == at
                if whole and chars[inside[-1]][1] == at + len(answer):
                    gold = [inside[0] - begin + 1, inside[-1] - begin + 1]
            losses += [-allowed[:, k].log_softmax(0)[gold[k]] for k in (0, 1)]
    expected = torch.stack(losses).mean()
    expected.backward()
    assert len(losses) == 2 * (len(TABLE) + 4)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-4)
    assert torch.allclose(head.output.weight.grad, weight.grad, rtol=1e-3, atol=1e-6)
    assert torch.allclose(head.output.bias.grad, bias.grad, rtol=1e-3, atol=1e-6)
    ours = dict(backbone.transformer.named_parameters())
    compared = 0
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(ours[name].grad, parameter.grad, rtol=1e-3, atol=1e-5), name
            compared += 1
    assert compared > 60


def test_backbone_learns_only_if_it_may(tiny_bert, optimizer):
    for trainable in (True, False):
        nlp = build(tiny_bert, bert={"trainable": trainable})
        examples = questions(nlp)
        nlp.initialize(lambda examples=examples: examples)
        before = nlp.get_pipe("bert").model.shims[0].to_bytes()
        head = nlp.get_pipe("bert_qa").to_bytes()
        for _ in range(2):
            nlp.update(examples, sgd=optimizer)
        assert nlp.get_pipe("bert_qa").to_bytes() != head
        nlp.get_pipe("bert").to_bytes()  # takes the step that waits
        assert (nlp.get_pipe("bert").model.shims[0].to_bytes() != before) == trainable


def test_the_last_step_is_taken_before_answers(tiny_bert, optimizer):
    nlp = build(tiny_bert)
    examples = questions(nlp)
    nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=optimizer)
    pairs = [(eg.predicted, "where is anna") for eg in examples]
    at_once = nlp.get_pipe("bert_qa").score_candidates(pairs)
    nlp.get_pipe("bert").to_bytes()
    assert [r.null_score for r in nlp.get_pipe("bert_qa").score_candidates(pairs)] == pytest.approx(
        [r.null_score for r in at_once], abs=1e-6
    )


def test_missing_gold_is_skipped(nlp, optimizer):
    bare = [Example.from_dict(nlp.make_doc(text), {}) for text in ("Anna", "", " ")]
    others = [stamped(eg, "bert_ner") for eg in questions(nlp)]
    before = nlp.get_pipe("bert_qa").to_bytes()  # once the vocabulary has all words
    assert nlp.update(bare + others, sgd=optimizer)["bert_qa"] == 0.0
    assert nlp.get_pipe("bert_qa").to_bytes() == before
    assert "qa_f1" not in nlp.evaluate(bare + others)
    assert nlp.update(bare + questions(nlp), sgd=optimizer)["bert_qa"] > 0
    assert nlp.get_pipe("bert_qa").to_bytes() != before
    only_answerable = nlp.evaluate(questions(nlp, TABLE[:2]))
    assert only_answerable["qa_no_answer_acc"] is None and only_answerable["qa_f1"] is not None


def test_beside_other_heads(tiny_bert, optimizer):
    nlp = build(tiny_bert)
    nlp.add_pipe("bert_textcat_multilabel")
    examples = [stamped(eg, "bert_qa") for eg in questions(nlp)]
    examples += [stamped(eg, "bert_textcat_multilabel") for eg in make_examples(nlp)]
    nlp.initialize(lambda: examples)
    assert nlp.get_pipe("bert_textcat_multilabel").labels == (
        "home",
        "negative",
        "positive",
        "work",
    )
    losses = nlp.update(examples, sgd=optimizer)
    assert losses["bert_qa"] > 0 and losses["bert_textcat_multilabel"] > 0
    scores = nlp.evaluate(examples)
    assert scores["qa_f1"] is not None and scores["cats_score"] is not None


def test_initialize_needs_questions(tiny_bert):
    nlp = build(tiny_bert)
    with pytest.raises(ValueError, match="B244.*bert_qa"):
        nlp.initialize(lambda: make_examples(nlp))
    doc = nlp.make_doc("Anna")
    with pytest.raises(ValueError, match="B050.*bert_qa"):
        nlp.get_pipe("bert_qa").answer(doc, "who")
    alone = spacy.blank("en")
    alone.add_pipe("bert_qa")
    with pytest.raises(ValueError, match="B032"):
        alone.initialize(lambda: questions(alone))
    with pytest.raises(ValueError, match="B022.*dropout"):
        build(
            tiny_bert,
            model={
                "@architectures": "spacy-bert-suite.AnswerExtractor.v1",
                "pairs": {"@architectures": "spacy-bert-suite.PairEncoder.v1"},
                "dropout": 1.0,
            },
        )


def test_threshold_follows_the_data(tiny_bert):
    for table, expected in ((TABLE, 0.0), (TABLE[:3], None)):
        nlp = build(tiny_bert)
        nlp.initialize(lambda table=table, nlp=nlp: questions(nlp, table))
        assert nlp.get_pipe("bert_qa").null_threshold == expected
    fixed = build(tiny_bert, null_threshold=2.5)
    fixed.initialize(lambda: questions(fixed))
    assert fixed.get_pipe("bert_qa").null_threshold == 2.5
    fixed.get_pipe("bert_qa")._set_threshold(7.0)  # as when it is tuned
    fixed.initialize(lambda: questions(fixed))
    assert fixed.get_pipe("bert_qa").null_threshold == 2.5


def test_a_tuned_threshold_stays_beside_one_of_many_digits(tiny_bert, tmp_path):
    nlp = build(tiny_bert, null_threshold=1 / 3)
    nlp.initialize(lambda: questions(nlp))
    found = nlp.get_pipe("bert_qa").tune_null_threshold(questions(nlp))
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert again.get_pipe("bert_qa").null_threshold == pytest.approx(found)
    again.get_pipe("bert_qa").from_bytes(nlp.get_pipe("bert_qa").to_bytes())
    assert again.get_pipe("bert_qa").null_threshold == pytest.approx(found)
    other = {"components": {"bert_qa": {"null_threshold": 4.0}}}
    assert spacy.load(tmp_path, config=other).get_pipe("bert_qa").null_threshold == 4.0


def test_always_answers_without_unanswerable_questions(tiny_bert):
    nlp = build(tiny_bert)
    nlp.initialize(lambda: questions(nlp, TABLE[:3]))
    module = nlp.get_pipe("bert_qa").model.shims[0].module
    with torch.no_grad():
        module.output.weight.mul_(50)
    answers = nlp.get_pipe("bert_qa").answer([nlp.make_doc(t) for t, _, _ in TABLE], "who is it")
    assert all(answer.span is not None for answer in answers)


def test_tune_null_threshold(nlp):
    pipe = nlp.get_pipe("bert_qa")
    examples = questions(nlp)
    readings = pipe.score_candidates([(eg.predicted, q) for eg, (_, q, _) in zip(examples, TABLE)])
    found = pipe.tune_null_threshold(examples)
    assert pipe.null_threshold == found

    def f1(threshold):
        pipe.cfg["null_threshold"] = threshold
        return nlp.evaluate(questions(nlp))["qa_f1"]

    edges = sorted(reading.null_score for reading in readings)
    others = [f1(edge + step) for edge in edges for step in (-1e-3, 1e-3)]
    assert f1(found) == max(others)
    assert pipe.tune_null_threshold(questions(nlp, TABLE[:3])) is None
    with pytest.raises(ValueError, match="B245"):
        pipe.tune_null_threshold(make_examples(nlp))
