"""`bert_paraphrase` from a classifier of pairs, and as one."""

import numpy
import pytest
import spacy
import torch
from conftest import bert_model

from spacy_bert_suite.checkpoints import export_checkpoint, import_checkpoint
from spacy_bert_suite.data.pairs import make_pair_example

from .originals import OTHERS, ROBERTA, change_config, logits_of, roberta_tokenizer

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
