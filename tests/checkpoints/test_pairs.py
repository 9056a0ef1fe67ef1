"""Answers and cross-encoders from checkpoints, and as such."""

import numpy
import pytest
import spacy
import torch
from conftest import bert_model

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint
from spacy_bert_suite.pairs import make_pair_example

from .originals import change_config, logits_of

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


@pytest.mark.parametrize("kind", ["DistilBert", "Electra"])
def test_other_encoders_of_pairs(make_original, tmp_path, kind):
    sizes = OTHERS["DistilBertForQuestionAnswering"] if kind == "DistilBert" else {}
    path = make_original(f"{kind}ForSequenceClassification", names=NLI, **sizes)
    nlp = import_checkpoint(path)
    found = nlp.get_pipe("bert_paraphrase").predict_pairs(PAIRS)
    assert numpy.allclose(found, pair_logits(path).softmax(1), atol=1e-5)
    exported = export_checkpoint(nlp, "bert_paraphrase", tmp_path / "exported")
    assert torch.allclose(pair_logits(exported), pair_logits(path), atol=1e-5)
    activation = {"DistilBert": "GELU", "Electra": "Tanh"}[kind]
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
    "DistilBertForQuestionAnswering": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 8}
}


@pytest.mark.parametrize("kind", ["BertForQuestionAnswering", *OTHERS])
def test_answers_equal_the_original(make_original, tmp_path, kind):
    path = make_original(kind, **OTHERS.get(kind, {}))
    nlp = import_checkpoint(path, config={"max_answer_pieces": 7})
    pipe = nlp.get_pipe("bert_qa")
    question, text = "who works", "anna works in paris. " + "x" * 200 + " ben"
    found = pipe.model.predict([(question, text)]).rows
    exported = export_checkpoint(nlp, "bert_qa", tmp_path / "exported")
    for folder in (path, exported):
        output = logits_of(folder, "AutoModelForQuestionAnswering", question, text)
        expected = torch.stack([output.start_logits[0], output.end_logits[0]], dim=1)
        assert torch.allclose(found, expected, atol=1e-5)
    again = import_checkpoint(exported).get_pipe("bert_qa")
    assert (again.null_threshold, again.max_answer_pieces) == (None, 7)
    doc = nlp.make_doc(text)
    assert again.answer(doc, question).text == pipe.answer(doc, question).text != ""


def test_encoders_that_read_pairs_otherwise_are_refused(make_original):
    sizes = {"max_position_embeddings": 66}
    path = make_original("RobertaForQuestionAnswering", **sizes)
    with pytest.raises(ValueError, match="B223"):
        import_checkpoint(path)
    path = make_original("RobertaForSequenceClassification", names=NLI, folder="b", **sizes)
    with pytest.raises(ValueError, match="B223"):
        import_checkpoint(path)


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
