"""Answers and cross-encoders from checkpoints, and as such."""

import numpy
import pytest
import spacy
import torch
from conftest import bert_model

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint
from spacy_bert_suite.data.pairs import make_pair_example

from .originals import change_config, logits_of, roberta_tokenizer

PAIRS = [("anna works in paris", "ben lives near oslo"), ("a goal", ""), ("the film", "the film")]
KIND = "BertForSequenceClassification"
AUTO = "AutoModelForSequenceClassification"
NLI = ["contradiction", "entailment", "neutral"]


def pair_logits(path):
    return torch.cat([logits_of(path, AUTO, [list(pair)]).logits for pair in PAIRS])


@pytest.mark.parametrize(
    "names, options, mode, expected",
    [
        (["score"], {}, "binary", lambda x: x.sigmoid()[:, 0]),
        (
            ["not_equivalent", "equivalent"],
            {"task": "pair"},
            "binary",
            lambda x: x.softmax(1)[:, 1],
        ),
        (["yes", "no"], {"task": "pair"}, "binary", lambda x: x.softmax(1)[:, 0]),
        (None, {"task": "pair"}, "binary", lambda x: x.softmax(1)[:, 1]),
        (NLI, {}, "classes", lambda x: x.softmax(1)),
        (["a", "b"], {"task": "pair"}, "classes", lambda x: x.softmax(1)),
    ],
)
def test_pairs_equal_the_original(make_original, tmp_path, names, options, mode, expected):
    path = make_original(KIND, names=names)
    nlp = import_checkpoint(path, **options)
    pipe = nlp.get_pipe("bert_paraphrase")
    assert pipe.mode == mode
    wanted = expected(pair_logits(path)).numpy()
    assert numpy.allclose(pipe.predict_pairs(PAIRS), wanted, atol=1e-5)
    pipe.cfg["temperature"] = 2.0
    exported = export_checkpoint(nlp, "bert_paraphrase", tmp_path / "exported")
    again = import_checkpoint(exported).get_pipe("bert_paraphrase")
    assert (again.mode, again.labels, again.cfg) == (pipe.mode, pipe.labels, pipe.cfg)
    assert numpy.allclose(again.predict_pairs(PAIRS), pipe.predict_pairs(PAIRS), atol=1e-5)
    assert torch.allclose(pair_logits(exported), pipe._logits(PAIRS), atol=1e-5)


@pytest.mark.parametrize("kind", ["DistilBert", "Electra", "MPNet", "DebertaV2"])
def test_other_encoders_of_pairs(make_original, tmp_path, kind):
    sizes = OTHERS.get(f"{kind}ForQuestionAnswering", {})
    path = make_original(f"{kind}ForSequenceClassification", names=NLI, **sizes)
    nlp = import_checkpoint(path)
    found = nlp.get_pipe("bert_paraphrase").predict_pairs(PAIRS)
    assert numpy.allclose(found, pair_logits(path).softmax(1), atol=1e-5)
    exported = export_checkpoint(nlp, "bert_paraphrase", tmp_path / "exported")
    assert torch.allclose(pair_logits(exported), pair_logits(path), atol=1e-5)
    activation = "GELU" if kind == "DistilBert" else "ReLU"
    nlp.get_pipe("bert_paraphrase").model.shims[0].cfg["activation"] = activation
    with pytest.raises(ValueError, match="B229.*activation"):
        export_checkpoint(nlp, "bert_paraphrase", tmp_path / "other")


@pytest.mark.parametrize("names", [{"0": "no", "2": "yes"}, {"1": "yes", "2": "no"}])
def test_two_outputs_without_a_name_for_each(make_original, names):
    path = make_original(KIND, names=["no", "yes"])
    change_config(path, id2label=names)
    with pytest.raises(ValueError, match="B225"):
        import_checkpoint(path, task="pair")
    with pytest.raises(ValueError, match="B225"):
        import_checkpoint(path, task="pair", labels=["no", "perhaps", "yes"])
    assert import_checkpoint(path, task="pair", labels=["yes", "no"])


def test_a_regression_says_that_its_scale_differs(make_original):
    path = make_original(KIND, names=["score"], problem_type="regression")
    with pytest.warns(UserWarning, match="B938"):
        nlp = import_checkpoint(path)
    pipe = nlp.get_pipe("bert_paraphrase")
    assert pipe.mode == "graded"
    assert torch.allclose(pipe._logits(PAIRS), pair_logits(path), atol=1e-5)


def test_cross_encoders_of_sentence_transformers(make_original, tmp_path):
    library = pytest.importorskip("sentence_transformers")
    path = make_original(KIND, names=["score"])
    theirs = library.CrossEncoder(str(path), device="cpu")
    theirs.save_pretrained(str(tmp_path / "saved"))
    nlp = import_checkpoint(tmp_path / "saved")
    pipe = nlp.get_pipe("bert_paraphrase")
    expected = theirs.predict(PAIRS, show_progress_bar=False)
    assert numpy.allclose(pipe.predict_pairs(PAIRS), expected, atol=1e-5)
    exported = export_checkpoint(nlp, "bert_paraphrase", tmp_path / "exported")
    opened = library.CrossEncoder(str(exported), device="cpu")
    assert numpy.allclose(opened.predict(PAIRS, show_progress_bar=False), expected, atol=1e-5)


OTHERS = {
    "DistilBertForQuestionAnswering": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 8},
    "MPNetForQuestionAnswering": {"max_position_embeddings": 66, "pad_token_id": 0},
    "DebertaV2ForQuestionAnswering": {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
        "type_vocab_size": 0,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", ["BertForQuestionAnswering", *OTHERS])
def test_answers_equal_the_original(make_original, tmp_path, kind):
    path = make_original(kind, **OTHERS.get(kind, {}))
    nlp = import_checkpoint(path, config={"max_answer_pieces": 7})
    pipe = nlp.get_pipe("bert_qa")
    question, text = "who works", "anna works in paris. " + "x" * 200 + " ben"
    found = pipe.model.predict([(question, text)]).logits
    exported = export_checkpoint(nlp, "bert_qa", tmp_path / "exported")
    for folder in (path, exported):
        output = logits_of(folder, "AutoModelForQuestionAnswering", question, text)
        expected = torch.stack([output.start_logits[0], output.end_logits[0]], dim=1)
        assert torch.allclose(found, expected, atol=1e-5)
    again = import_checkpoint(exported).get_pipe("bert_qa")
    assert (again.null_threshold, again.max_answer_pieces) == (None, 7)
    doc = nlp.make_doc(text)
    assert again.answer(doc, question).text == pipe.answer(doc, question).text != ""


ROBERTA = {"max_position_embeddings": 66, "type_vocab_size": 1, "pad_token_id": 1}


def test_pairs_as_roberta_writes_them(make_original, tmp_path):
    """Two marks stand between the texts."""
    path = make_original(
        "RobertaForSequenceClassification", names=NLI, tokenizer=roberta_tokenizer(), **ROBERTA
    )
    nlp = import_checkpoint(path)
    found = nlp.get_pipe("bert_paraphrase").predict_pairs(PAIRS)
    assert numpy.allclose(found, pair_logits(path).softmax(1), atol=1e-5)
    exported = export_checkpoint(nlp, "bert_paraphrase", tmp_path / "exported")
    assert torch.allclose(pair_logits(exported), pair_logits(path), atol=1e-5)


def test_answers_of_roberta(make_original, tmp_path):
    path = make_original("RobertaForQuestionAnswering", tokenizer=roberta_tokenizer(), **ROBERTA)
    nlp = import_checkpoint(path)
    pipe = nlp.get_pipe("bert_qa")
    question, text = "who works?", "Anna works in Paris, Ben near Oslo."
    found = pipe.model.predict([(question, text)]).logits
    exported = export_checkpoint(nlp, "bert_qa", tmp_path / "exported")
    for folder in (path, exported):
        output = logits_of(folder, "AutoModelForQuestionAnswering", question, text)
        expected = torch.stack([output.start_logits[0], output.end_logits[0]], dim=1)
        assert torch.allclose(found, expected, atol=1e-5)
    doc = nlp.make_doc(text)
    starts, ends = found.numpy()[-1 - len(text) : -1].T  # a piece for each character
    sums = {(i, j): starts[i] + ends[j] for i in range(len(text)) for j in range(i, len(text))}
    i, j = max((pair for pair in sums if pair[1] - pair[0] < pipe.max_answer_pieces), key=sums.get)
    assert pipe.answer(doc, question).text == doc.char_span(i, j + 1, alignment_mode="expand").text


def test_long_texts_leave_room_for_both_marks(make_original):
    path = make_original("RobertaForQuestionAnswering", tokenizer=roberta_tokenizer(), **ROBERTA)
    pipe = import_checkpoint(path).get_pipe("bert_qa")
    states = pipe.model.layers[0].predict([("who?", "Anna works in Paris. " * 20)])
    lengths = numpy.diff(states.row_offsets)
    assert lengths.max() == 64 and (states.ends - states.starts == lengths - 4 - 4).all()


def test_pooling_that_has_no_form_is_refused(tiny_bert, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(tiny_bert)})
    model = {"@architectures": "spacy-bert-suite.PairClassifier.v1", "pooling": "mean"}
    nlp.add_pipe("bert_paraphrase", config={"model": model})
    with pytest.raises(ValueError, match="B050"):
        export_checkpoint(nlp, "bert_paraphrase", tmp_path / "exported")
    examples = [make_pair_example(nlp, ["a", "b"], label=label) for label in ("0", "1")]
    nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match='B229.*pooling = "pooler"'):
        export_checkpoint(nlp, "bert_paraphrase", tmp_path / "exported")
