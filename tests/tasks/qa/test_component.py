"""bert_qa: answering, saving."""

import json
import warnings

import numpy
import pytest
import spacy
import torch
from conftest import make_examples
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from tasks.qa.pipelines import LONG, TABLE, build, joined, plain, questions, train
from transformers import AutoModel, AutoTokenizer

from spacy_bert_suite.tasks.qa import reading
from spacy_bert_suite.tasks.qa.answers import Answer
from spacy_bert_suite.tasks.qa.open_domain import make_doc as open_domain_doc


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
    return train(still_bert)


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


def test_without_a_backbone_the_component_is_named(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    alone = spacy.load(tmp_path, exclude=["bert"])
    with pytest.raises(ValueError, match="B032.*'bert_qa' listens"):
        alone.get_pipe("bert_qa").answer(alone.make_doc("Anna"), "who")


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
