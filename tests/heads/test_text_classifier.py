"""TextClassifier.v1: settings, and the nodes that saved pipelines have."""

import pytest
import torch

from spacy_bert_suite.backbone.listener import make_listener
from spacy_bert_suite.heads.layers import PoolerSource
from spacy_bert_suite.heads.text_classifier import TextClassifier, WindowClassifier


@pytest.mark.parametrize(
    "setting",
    [{"pooling": "sum"}, {"long_documents": "last"}, {"dropout": 1.5}, {"activation": "tanh"}],
)
def test_settings(setting):
    (key,) = setting
    with pytest.raises(ValueError, match=f"TextClassifier.*{key}|{key}.*TextClassifier"):
        TextClassifier(make_listener(), **setting)


def test_nodes_of_a_saved_model():
    """Their number and order: thinc loads by these."""
    names = [node.name for node in TextClassifier(make_listener()).walk()]
    assert names == ["text_classifier", "bert-listener"]
    model = TextClassifier(make_listener("encoder"), pooling="pooler")
    assert [node.name for node in model.walk()] == [*names, "pooler-source"]
    source = model.layers[1]
    assert isinstance(source, PoolerSource) and source.upstream_name == "encoder"


@pytest.mark.parametrize("pooling, extra", [("mean", 0), ("attention", 1), ("pooler", 2)])
def test_parameters(pooling, extra):
    cfg = {"pooling": pooling, "long_documents": "mean", "dropout": 0.0, "sentences": False}
    torch.manual_seed(0)
    module = WindowClassifier({**cfg, "activation": "Tanh", "width": 8, "n_out": 3})
    assert len(list(module.parameters())) == 2 + extra
    assert module.output.weight.shape == (3, 8)
