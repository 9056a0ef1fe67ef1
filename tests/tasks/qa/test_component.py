"""bert_qa: answering, training, threshold, saving; and questions to a collection."""

import json
import warnings

import numpy
import pytest
import spacy
import torch
from conftest import bert_model, make_examples
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.data.multitask import stamped
from spacy_bert_suite.data.questions import make_question_example
from spacy_bert_suite.tasks.qa import reading
from spacy_bert_suite.tasks.qa.answers import Answer
from spacy_bert_suite.tasks.qa.open_domain import ask
from spacy_bert_suite.tasks.qa.open_domain import make_doc as open_domain_doc

TABLE = [
    ("Anna works in Paris. Ben lives near Oslo.", "where is anna", "Paris"),
    ("Anna works in Paris. Ben lives near Oslo.", "where is ben", "Oslo"),
    ("The bank in London met the team.", "where is the bank", "London"),
    ("The film was awful.", "where is carla", None),
    ("Carla met Ben at the match.", "where is the law", None),
]
# Questions with the texts of others.
CROSSED = [
    (text, question, None)
    for text in dict.fromkeys(text for text, _, _ in TABLE)
    for other, question, _ in (TABLE[0], TABLE[2])
    if text != other
]
LONG = "The film was good and the music was great. " * 6 + "Anna works in Paris. " + "a b c " * 20


def questions(nlp, table=TABLE):
    return [
        make_question_example(nlp, text, asked, [(answer, text.index(answer))] if answer else [])
        for text, asked, answer in table
    ]


def build(source, bert=None, sentencizer=True, **config):
    nlp = spacy.blank("en")
    if sentencizer:
        nlp.add_pipe("sentencizer")
    options = dict(bert or {})
    trainable = options.pop("trainable", True)
    model = {**bert_model(source), "window": 48, "stride": 36, **options}
    nlp.add_pipe("bert", config={"model": model, "trainable": trainable})
    nlp.add_pipe("bert_qa", config=config)
    return nlp


@pytest.fixture
def nlp(tiny_bert):
    nlp = build(tiny_bert)
    nlp.initialize(lambda: questions(nlp))
    return nlp


def test_lone_surrogates_are_replaced(nlp):
    pipe, doc = nlp.get_pipe("bert_qa"), nlp("Anna works in Paris.")
    asked, clean = (pipe.answer(doc, f"where is {half}") for half in ("\udfff", "\ufffd"))
    assert (asked.span, asked.probability) == (clean.span, pytest.approx(clean.probability))
    assert open_domain_doc(nlp, "Anna \ud800.").text == "Anna \ufffd."


@pytest.fixture(scope="module")
def trained(still_bert):
    """Knows the table by heart."""
    from thinc.api import Adam

    torch.manual_seed(0)
    nlp = build(still_bert)
    examples = questions(nlp, TABLE + CROSSED)
    nlp.initialize(lambda: examples)
    sgd = Adam(2e-3, L2=0.01, L2_is_weight_decay=True, grad_clip=1.0, use_averages=False)
    for _ in range(250):
        losses = nlp.update(examples, sgd=sgd)
    assert losses["bert_qa"] < 0.1
    return nlp


def plain(answers):
    """Answers to compare, rounded."""
    return [{k: round(v, 4) if isinstance(v, float) else v for k, v in a.items()} for a in answers]


# Answering


def test_overfits(trained):
    for text, question, expected in TABLE:
        answer = trained.get_pipe("bert_qa").answer(trained(text), question)
        assert isinstance(answer, Answer) and answer.question == question
        assert (answer.text or None) == expected
        assert 0.7 < answer.probability <= 1
        if expected:
            assert answer.span.doc.text == text
            assert expected in answer.sentence.text and answer.null_probability < 0.3
            assert answer.null_score < 0
        else:
            assert answer.span is None and answer.sentence is None and answer.null_score > 0
    scores = trained.evaluate(questions(trained))
    for key in ("qa_em", "qa_f1", "qa_has_answer_em", "qa_has_answer_f1", "qa_no_answer_acc"):
        assert scores[key] == 1.0


def test_pipe_answers_the_questions_of_docs(trained):
    texts = [TABLE[0][0], "The film was awful.", "", "Ben"]
    docs = [trained.make_doc(text) for text in texts]
    docs[0]._.questions = ["where is anna", "where is ben"]
    docs[1]._.questions = "where is carla"
    docs[2]._.questions = []
    docs = list(trained.pipe(docs))
    assert [a["text"] for a in docs[0]._.answers] == ["Paris", "Oslo"]
    assert docs[0]._.answers[0]["question"] == "where is anna"
    assert docs[0].text[14:19] == "Paris" and docs[0]._.answers[0]["start_char"] == 14
    assert docs[0]._.answers[0]["end_char"] == 19
    bounds = [(a["sent_start_char"], a["sent_end_char"]) for a in docs[0]._.answers]
    assert [docs[0].text[slice(*b)] for b in bounds] == [sent.text for sent in docs[0].sents]
    assert docs[1]._.answers[0]["sent_start_char"] is docs[1]._.answers[0]["sent_end_char"] is None
    assert docs[1]._.answers[0]["text"] == "" and docs[1]._.answers[0]["start_char"] is None
    assert docs[2]._.answers == [] and docs[3]._.answers is None
    json.dumps([doc._.answers for doc in docs])
    (again,) = DocBin(docs=[docs[0]], store_user_data=True).get_docs(trained.vocab)
    for copy in (again, docs[0].copy(), Doc(trained.vocab).from_bytes(docs[0].to_bytes())):
        assert plain(copy._.answers) == plain(docs[0]._.answers)


def test_sentences_of_any_component(still_bert):
    """Not only those of a sentencizer: what assigns them runs, with all that stands before."""
    nlp = build(still_bert, sentencizer=False)
    nlp.add_pipe("senter", first=True)
    doc = Doc(nlp.vocab, ["Anna", "works", "."], sent_starts=[True, False, False])
    nlp.initialize(lambda: [*questions(nlp), Example(doc.copy(), doc)])
    assert open_domain_doc(nlp, "Anna works.").has_annotation("SENT_START")
    nlp.remove_pipe("senter")
    assert not open_domain_doc(nlp, "Anna works.").has_annotation("SENT_START")


def test_without_sentences_none_is_named(trained):
    doc = trained.make_doc(TABLE[0][0])
    doc._.questions = "where is anna"
    (answer,) = trained.get_pipe("bert_qa")(doc)._.answers
    assert answer["text"] == "Paris"
    assert answer["sent_start_char"] is answer["sent_end_char"] is None


def test_shapes_of_answers(nlp):
    docs = [nlp.make_doc("Anna works in Paris"), nlp.make_doc("Ben met Carla")]
    pipe = nlp.get_pipe("bert_qa")
    one, many = "who", ["who", "where", "what"]
    assert isinstance(pipe.answer(docs[0], one), Answer)
    assert [a.question for a in pipe.answer(docs[0], many)] == many
    assert [a.question for a in pipe.answer(docs, one)] == [one, one]
    table = pipe.answer(docs, many)
    assert [[a.question for a in row] for row in table] == [many, many]
    assert all(a.span is None or a.span.doc is doc for doc, row in zip(docs, table) for a in row)
    best = pipe.answer(docs[0], one, top_k=2)
    assert isinstance(best, list) and len(best) == 2
    nested = pipe.answer(docs, many, top_k=2)
    assert len(nested) == 2 and len(nested[0]) == 3 and len(nested[0][0]) == 2
    assert pipe.answer(docs, []) == [[], []] and pipe.answer([], one) == []
    assert pipe.answer_pairs([]) == [] and pipe.answer(iter(docs), iter(many))[1][2].question


def test_probabilities_are_proper(nlp):
    doc = nlp.make_doc(LONG)
    answers = nlp.get_pipe("bert_qa").answer(doc, "who", top_k=1000)
    total = sum(a.probability for a in answers if a.span is not None)
    assert 0 < total + answers[0].null_probability <= 1 + 1e-6
    assert all(0 <= a.probability <= 1 for a in answers)
    spans = [a.span for a in answers if a.span is not None]
    covered = [token.i for span in spans for token in span]
    assert len(covered) == len(set(covered)) > 20
    assert [a.text for a in answers[:3]] == [
        a.text for a in nlp.get_pipe("bert_qa").answer(doc, "who", top_k=3)
    ]


def joined(tokenizer, first, second):
    """RETURNS (list[int]): Ids of a pair, as BERT takes them."""
    return [tokenizer.cls_token_id, *first, tokenizer.sep_token_id, *second, tokenizer.sep_token_id]


def brute_force(nlp, source, text, question, longest=30):
    """Best span and null score from plain transformers, over the same windows."""
    model = AutoModel.from_pretrained(source).eval()
    tokenizer = AutoTokenizer.from_pretrained(source)
    head = nlp.get_pipe("bert_qa").model.shims[0].module.output
    states = nlp.get_pipe("bert_qa").model.layers[0].predict([(question, text)])
    first = tokenizer(question, add_special_tokens=False)["input_ids"]
    second = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    best, null = (-numpy.inf, 0, 0), numpy.inf
    for begin, end in zip(states.starts, states.ends):
        ids = joined(tokenizer, first, second["input_ids"][begin:end])
        types = [0] * (len(first) + 2) + [1] * (end - begin + 1)
        with torch.no_grad():
            rows = model(
                input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])
            ).last_hidden_state[0]
            logits = head(rows)
        null = min(null, float(logits[0].sum()))
        at = logits[len(first) + 2 : -1]
        for i in range(len(at)):
            for j in range(i, min(len(at), i + longest)):
                chars = second["offset_mapping"]
                found = float(at[i, 0] + at[j, 1]), chars[begin + i][0], chars[begin + j][1]
                best = max(best, found)
    return best, null, len(states.starts)


@pytest.mark.parametrize("text", ["Anna works in Paris.", LONG])
def test_equals_plain_transformers(nlp, tiny_bert, text):
    """Also over many windows: the null score is the least, a span counts once."""
    with torch.no_grad():
        nlp.get_pipe("bert_qa").model.shims[0].module.output.weight.mul_(20)
    (score, start, end), null, n_windows = brute_force(nlp, tiny_bert, text, "who is anna")
    assert (n_windows > 3) == (text == LONG)
    answer = nlp.get_pipe("bert_qa").answer(nlp.make_doc(text), "who is anna")
    reading = nlp.get_pipe("bert_qa").score_candidates([(nlp.make_doc(text), "who is anna")])[0]
    assert reading.null_score == pytest.approx(null - score, abs=1e-3)
    assert answer.null_score == pytest.approx(null - score, abs=1e-3)
    span = reading.candidates[0].span
    assert span == nlp.make_doc(text).char_span(start, end, alignment_mode="expand") or (
        span.start_char <= start and span.end_char >= end
    )


def test_longest_answer(tiny_bert):
    nlp = build(tiny_bert, max_answer_pieces=1, null_threshold=1000.0)
    nlp.initialize(lambda: questions(nlp))
    answers = nlp.get_pipe("bert_qa").answer(nlp.make_doc("the film was good and bad"), "?", 10)
    assert [len(a.span) for a in answers] == [1] * 6
    with pytest.raises(ValueError, match="B022.*max_answer_pieces"):
        build(tiny_bert, max_answer_pieces=0)


def test_answers_end_with_tokens(nlp):
    """Pieces are parts of words here, answers never."""
    doc = nlp.make_doc("Incomprehensibilities  notwithstanding,\n\n  Xylophonists'd disagree.")
    for question in ("who", "what", "where", "when"):
        for answer in nlp.get_pipe("bert_qa").answer(doc, question, top_k=3):
            if answer.span is not None:
                assert doc.char_span(answer.span.start_char, answer.span.end_char) is not None
                assert answer.text.strip() == answer.text != ""


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "\x07"])
def test_text_without_words(nlp, text):
    nlp.get_pipe("bert_qa").cfg["null_threshold"] = None
    answer = nlp.get_pipe("bert_qa").answer(nlp.make_doc(text), "who")
    assert answer.span is None and answer.probability == 1.0
    doc = nlp.make_doc(text)
    doc._.questions = ["who"]
    assert nlp(doc)._.answers[0]["text"] == ""


@pytest.mark.parametrize("question", ["", " \n", "\u200b\ufeff", "\x00", None, 7])
def test_empty_question(nlp, question):
    with pytest.raises(ValueError, match="B240.*bert_qa"):
        nlp.get_pipe("bert_qa").answer(nlp.make_doc("Anna"), [question])
    with pytest.raises(ValueError, match="B240.*bert_qa"):
        nlp.get_pipe("bert_qa").answer(nlp.make_doc("Anna"), question)
    doc = nlp.make_doc("Anna")
    for value in ([question], question):
        doc._.questions = value
        if value is not None:
            with pytest.raises(ValueError, match="B240"):
                nlp(doc)


def test_long_question(nlp):
    with pytest.raises(ValueError, match="B036"):
        nlp.get_pipe("bert_qa").answer(nlp.make_doc("Anna works"), "who " * 300)


def test_a_long_question_is_named(nlp):
    pairs = [(nlp.make_doc("Anna works"), "who is it")]
    pairs += [(nlp.make_doc("The film\nwas awful."), "why oh why " * 30)]
    expected = r"B036.*'why oh why .*\.\.\.' has 240 .*of 48.*'The film was awful.'.*window"
    with pytest.raises(ValueError, match=expected):
        nlp.get_pipe("bert_qa").answer_pairs(pairs)


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


@pytest.mark.parametrize("question, code", [("who " * 300, "B036"), (" ", "B240")])
def test_a_stream_goes_on_without_the_doc_that_cannot_be_asked(nlp, question, code):
    """One doc goes to the error handler, as in spaCy's own components, not its whole batch."""
    nlp.add_pipe("bert_textcat")
    examples = questions(nlp) + make_examples(nlp)
    nlp.initialize(lambda: examples)
    docs = [nlp.make_doc(text) for text, _, _ in TABLE]
    for doc in docs:
        doc._.questions = ["who"]
    docs[1]._.questions = ["who", question]
    with pytest.raises(ValueError, match=code):
        list(nlp.pipe(doc.copy() for doc in docs))
    failed = []
    nlp.set_error_handler(lambda name, pipe, docs, error: failed.append((name, docs, str(error))))
    found = list(nlp.pipe(docs))
    assert [doc.text for doc in found] == [TABLE[i][0] for i in (0, 2, 3, 4)]
    assert all(len(doc._.answers) == 1 and doc.cats for doc in found)
    ((name, failing, message),) = failed
    assert (name, failing) == ("bert_qa", [docs[1]]) and code in message


@pytest.mark.parametrize("top_k", [0, 1.5, "2", None])
def test_top_k_is_at_least_one(nlp, top_k):
    with pytest.raises(ValueError, match="B022.*top_k"):
        nlp.get_pipe("bert_qa").answer(nlp.make_doc("Anna"), "who", top_k=top_k)


@pytest.mark.parametrize("pairs", ["a doc", ["Anna"], [("who",)], [(None, "who", 1)], [None]])
def test_what_is_no_pair(nlp, pairs):
    with pytest.raises(ValueError, match="B252.*bert_qa"):
        nlp.get_pipe("bert_qa").answer_pairs(pairs)


@pytest.mark.parametrize("text", ["Anna works", ["Anna works"], [None], None])
def test_a_text_is_no_doc(nlp, text):
    with pytest.raises(ValueError, match="B248.*bert_qa.*nlp.make_doc"):
        nlp.get_pipe("bert_qa").answer(text, "who")


def test_a_span_is_no_doc(nlp):
    with pytest.raises(ValueError, match="B248.*a Span.*nlp.make_doc"):
        nlp.get_pipe("bert_qa").answer(nlp.make_doc("Anna works")[:1], "who")


def passes(nlp, monkeypatch):
    """A list that fills with the pairs of every pass."""
    calls = []
    model = nlp.get_pipe("bert_qa").model
    forward = model._func
    monkeypatch.setattr(
        model, "_func", lambda m, X, is_train: calls.append(X) or forward(m, X, is_train)
    )
    return calls


@pytest.mark.parametrize("size", [1, 40, 10**6])
def test_batches_do_not_matter(nlp, monkeypatch, size):
    docs = [nlp.make_doc(text) for text in (LONG, "Anna works in Paris.", "", "Ben " * 50)]
    expected = [nlp.get_pipe("bert_qa").answer(doc, "who is it") for doc in docs]
    monkeypatch.setattr(reading, "READ_AT_ONCE", size)
    calls = passes(nlp, monkeypatch)
    found = nlp.get_pipe("bert_qa").answer(docs, "who is it")
    assert plain([a.to_dict() for a in found]) == plain([a.to_dict() for a in expected])
    assert sum(map(len, calls)) == 4 and len(calls) == {1: 4, 40: 3, 10**6: 1}[size]


def test_what_comes_twice_is_read_once(nlp, monkeypatch):
    pipe = nlp.get_pipe("bert_qa")
    calls = passes(nlp, monkeypatch)
    docs = [nlp.make_doc("Anna works in Paris") for _ in range(3)]
    answers = pipe.answer(docs, ["who", "who", "where"])
    assert calls == [[("where", docs[0].text), ("who", docs[0].text)]]  # the longest first
    for doc, row in zip(docs, answers):
        assert row[0].to_dict() == answers[0][0].to_dict() == row[1].to_dict()
        assert row[0].span is None or row[0].span.doc is doc


# Training


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


# The threshold


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


def test_without_a_backbone_the_component_is_named(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    alone = spacy.load(tmp_path, exclude=["bert"])
    with pytest.raises(ValueError, match="B032.*'bert_qa' listens"):
        alone.get_pipe("bert_qa").answer(alone.make_doc("Anna"), "who")


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


@pytest.mark.parametrize("suffix", ["spacy", "jsonl"])
def test_tune_before_saving(trained, tmp_path, suffix):
    path = tmp_path / f"dev.{suffix}"
    if suffix == "spacy":
        docs = [eg.reference for eg in questions(trained)]
        DocBin(docs=docs, store_user_data=True).to_disk(path)
    else:
        rows = [
            {"context": text, "question": asked,
             "answers": [{"text": a, "answer_start": text.index(a)}] if a else []}
            for text, asked, a in TABLE
        ]  # fmt: skip
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    callback = spacy.registry.callbacks.get("spacy-bert-suite.tune_null_threshold.v1")(str(path))
    pipe = trained.get_pipe("bert_qa")
    before = pipe.cfg["null_threshold"]
    pipe.cfg["null_threshold"] = 77.0
    assert callback(trained) is trained
    tuned = pipe.null_threshold
    assert tuned is not None and tuned < 77
    assert trained.evaluate(questions(trained))["qa_f1"] == 1.0
    trained.to_disk(tmp_path / "nlp")
    assert spacy.load(tmp_path / "nlp").get_pipe("bert_qa").null_threshold == pytest.approx(tuned)
    config = {"components": {"bert_qa": {"null_threshold": 5.0, "max_answer_pieces": 3}}}
    other = spacy.load(tmp_path / "nlp", config=config).get_pipe("bert_qa")
    assert (other.null_threshold, other.max_answer_pieces) == (5.0, 3)
    pipe.cfg["null_threshold"] = before
    empty = spacy.blank("en")
    assert callback(empty) is empty


# Saving


def test_saved_and_loaded(trained, tmp_path):
    trained.to_disk(tmp_path / "nlp")
    pairs = [(text, question) for text, question, _ in TABLE]

    def answers(nlp):
        pipe = nlp.get_pipe("bert_qa")
        return plain([pipe.answer(nlp.make_doc(t), q).to_dict() for t, q in pairs])

    expected = answers(trained)
    assert answers(spacy.load(tmp_path / "nlp")) == expected
    from_bytes = spacy.blank("en").from_config(trained.config).from_bytes(trained.to_bytes())
    assert answers(from_bytes) == expected
    other = spacy.blank("en", vocab=trained.vocab)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # vocabularies are compared by spaCy
        other.add_pipe("bert", source=trained)
        other.add_pipe("bert_qa", source=trained)
    assert answers(other) == expected


def test_no_second_copy_of_the_weights(trained, tmp_path):
    trained.to_disk(tmp_path)
    size = sum(f.stat().st_size for f in (tmp_path / "bert_qa").rglob("*") if f.is_file())
    assert size < 20_000 + sum(
        f.stat().st_size for f in (tmp_path / "bert_qa" / "vocab").rglob("*") if f.is_file()
    )


def test_two_processes(trained):
    docs = [trained.make_doc(text) for text, _, _ in TABLE[:2]]
    for doc, (_, question, _) in zip(docs, TABLE):
        doc._.questions = [question]
    found = list(trained.pipe(docs, n_process=2, batch_size=1))
    assert [doc._.answers[0]["text"] for doc in found] == ["Paris", "Oslo"]


# Questions to a collection


class Hit:
    def __init__(self, text, place):
        self.text, self.id = text, str(place)


class Index:
    """Finds its first k texts, whatever is asked."""

    def __init__(self, texts):
        self.hits = [Hit(text, place) for place, text in enumerate(texts)]

    def search(self, query, k, **options):
        self.options = options
        return self.hits[:k]


def test_ask(trained):
    index = Index(["Carla met Ben at the match.", TABLE[0][0], TABLE[2][0]])
    (found,) = ask(index, "where is anna", nlp=trained, mode="bm25")
    assert found.answer.text == "Paris" and found.hit.id == "1"
    assert index.options == {"mode": "bm25"}
    assert found.answer.sentence.text == "Anna works in Paris."
    assert found.answer.span.doc.text == TABLE[0][0]
    several = ask(index, "where is anna", nlp=trained, top_k=4)
    assert several[0].answer.text == "Paris" and len(several) == 4
    total = sum(f.answer.probability for f in several if f.hit)
    assert total + found.answer.null_probability <= 1 + 1e-6
    (none,) = ask(index, "where is the law", nlp=trained, k=1)
    assert none.answer.span is None and none.hit is None


def test_ask_goes_wrong(trained):
    (nothing,) = ask(Index([]), "where", nlp=trained)
    assert nothing.answer.span is None and nothing.hit is None
    with pytest.raises(ValueError, match="B240"):
        ask(Index(["Anna"]), " ", nlp=trained)
    with pytest.raises(ValueError, match="B246.*reader"):
        ask(Index(["Anna"]), "who", nlp=trained, name="reader")
    with pytest.raises(ValueError, match="B246"):
        ask(Index(["Anna"]), "who", nlp=spacy.blank("en"))


def test_ask_a_semantic_index(trained):
    from spacy_bert_suite.search import SemanticIndex

    index = SemanticIndex()
    texts = [TABLE[0][0], TABLE[2][0], "The film was awful."]
    index.add(texts, ids=["a", "b", "c"], vectors=numpy.eye(3, dtype="float32"))
    (found,) = ask(index, "where is the bank", nlp=trained, k=3, mode="bm25")
    assert found.hit.id == "b" and found.answer.text == "London"
