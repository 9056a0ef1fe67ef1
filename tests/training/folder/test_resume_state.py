"""What a checkpoint gives back."""

import pytest
import torch
from conftest import make_examples
from spacy.training.initialize import init_nlp
from thinc.api import Adam
from training.runs import make_config

from spacy_bert_suite.backbone.encoder import encoder
from spacy_bert_suite.training.folder.resume_state import load_weights, torch_shims, write_snapshot


@pytest.fixture
def config(tiny_bert, corpus):
    return make_config(tiny_bert, corpus, others={})


def test_state_of_the_optimizers_is_where_the_weights_are(config, tmp_path, monkeypatch):
    """Heads are loaded on the CPU, and the backbone where its config says."""
    nlp, optimizer = init_nlp(config), Adam(1e-3, use_averages=True)
    nlp.update(make_examples(nlp), sgd=optimizer)
    write_snapshot(tmp_path, nlp, optimizer, {})
    loaded = init_nlp(config)
    monkeypatch.setattr(encoder, "resolve_device", lambda name: torch.device("meta"))
    load_weights(tmp_path, loaded, Adam(1e-3, use_averages=True))
    for name, shim in torch_shims(loaded):
        states = shim._optimizer.state.values()
        assert states and shim.averages.tensors, name
        found = [*shim.module.parameters(), *shim.averages.tensors.values()]
        found += [state[key] for state in states for key in ("exp_avg", "exp_avg_sq")]
        assert {tensor.device.type for tensor in found} == {"meta"}
