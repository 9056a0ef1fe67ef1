"""`grad_factor`: how much each component's gradient counts in the backbone."""

import pytest
import spacy
import torch
from conftest import bert_model, make_examples
from thinc.api import Config

from spacy_bert_suite.backbone.listener import make_listener
from spacy_bert_suite.backbone.passes.pairs import make_pair_encoder
from spacy_bert_suite.backbone.passes.texts import make_text_encoder
from spacy_bert_suite.core.torch_shim import get_shim
from spacy_bert_suite.data.pairs import make_pair_example
from spacy_bert_suite.data.questions import make_question_example

LAYERS = {
    "bert_textcat": ("bert", "BertListener"),
    "bert_paraphrase": ("pairs", "PairEncoder"),
    "bert_qa": ("pairs", "PairEncoder"),
    "bert_similarity": ("texts", "TextEncoder"),
}


def examples_for(name, nlp):
    if name == "bert_textcat":
        return make_examples(nlp)
    if name == "bert_qa":
        return [make_question_example(nlp, "Anna works in Paris.", "Who works?", [("Anna", 0)])]
    texts = [("Anna works.", "She works."), ("Ben met Anna.", "The film was bad.")]
    labels = (1, 1) if name == "bert_similarity" else (0, 1)
    return [make_pair_example(nlp, pair, label=label) for pair, label in zip(texts, labels)]


def gradients(name, source, factor):
    """RETURNS: Gradients of the backbone, and of the head."""
    key, architecture = LAYERS[name]
    layer = {"@architectures": f"spacy-bert-suite.{architecture}.v1", "grad_factor": factor}
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(source)})
    model = {"dropout": 0.0, key: layer} if name != "bert_similarity" else {key: layer}
    pipe = nlp.add_pipe(name, config={"model": model})
    if name == "bert_textcat":
        for label in ("home", "work"):
            pipe.add_label(label)
    spacy.util.fix_random_seed(0)
    examples = examples_for(name, nlp)
    nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=False)
    nlp.get_pipe("bert").flush_pending_step()
    return [
        {n: p.grad.clone() for n, p in get_shim(part.model).module.named_parameters()
         if p.grad is not None}
        for part in (nlp.get_pipe("bert"), pipe)
    ]  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_gradient_of_the_backbone_is_weighted(name, still_bert):
    backbone, head = gradients(name, still_bert, 1.0)
    half, same_head = gradients(name, still_bert, 0.5)
    assert backbone and backbone.keys() == half.keys()
    for key, value in backbone.items():
        torch.testing.assert_close(half[key], value / 2, atol=1e-6, rtol=1e-4)
    for key, value in head.items():
        torch.testing.assert_close(same_head[key], value, atol=1e-6, rtol=1e-4)
    nothing, same_head = gradients(name, still_bert, 0.0)
    assert not nothing and same_head.keys() == head.keys()


@pytest.mark.parametrize("make", [make_listener, make_pair_encoder, make_text_encoder])
@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_bad_values(make, factor):
    with pytest.raises(ValueError, match="B022.*grad_factor"):
        make("bert", grad_factor=factor)


def test_it_is_in_the_config_of_a_saved_pipeline(still_bert, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("bert", config={"model": bert_model(still_bert)})
    layer = {"@architectures": "spacy-bert-suite.BertListener.v1", "grad_factor": 0.3}
    nlp.add_pipe("bert_ner", config={"model": {"bert": layer}}).add_label("PER")
    nlp.initialize()
    nlp.to_disk(tmp_path)
    config = Config().from_disk(tmp_path / "config.cfg")
    assert config["components"]["bert_ner"]["model"]["bert"]["grad_factor"] == 0.3
    assert spacy.load(tmp_path).get_pipe("bert_ner").model.layers[0].grad_factor == 0.3
