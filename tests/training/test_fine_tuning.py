"""What `spacy train` itself makes of schedules, averages, unfreezing and patience."""

import importlib.util
import io
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from spacy.training import loop
from spacy.training.initialize import init_nlp
from spacy.util import fix_random_seed

from spacy_bert_suite.backbone.model import get_backbone

SCRIPT = Path(__file__).parent / "parallel" / "parallel_cases.py"
spec = importlib.util.spec_from_file_location("fine_tuning_config", SCRIPT)
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)


@pytest.fixture
def config(still_bert, tmp_path):
    return cases.make_config(still_bert, tmp_path, 0.0)


def train(config, output):
    fix_random_seed(0)
    nlp = init_nlp(config)
    lines = io.StringIO()
    output.mkdir()
    loop.train(nlp, output, stdout=lines, stderr=io.StringIO())
    rows = [line.split() for line in lines.getvalue().splitlines()]
    return nlp, [int(row[1]) for row in rows if len(row) > 3 and row[0].isdecimal()]


def saved(output, model):
    return load_file(output / model / "bert" / "model" / "model.safetensors")


def test_models_have_the_averages(config, tmp_path):
    nlp, evaluated = train(config, tmp_path / "out")
    assert evaluated == [0, 3, 6, 9]
    backbone = get_backbone(nlp.get_pipe("bert").model)
    found = saved(tmp_path / "out", "model-last")
    raw = dict(backbone.module.transformer.named_parameters())
    for name, average in backbone.averages.tensors.items():
        name = name.removeprefix("transformer.")
        assert torch.equal(found[name], average)
    changed = [name for name, weight in raw.items() if not torch.equal(found[name], weight)]
    assert changed and set(changed) <= {
        n.removeprefix("transformer.") for n in backbone.averages.tensors
    }


def test_without_averages(config, tmp_path):
    """What a run saves with averages is not what it saves without."""
    train(config, tmp_path / "with")
    config["training"]["optimizer"]["use_averages"] = False
    train(config, tmp_path / "without")
    one, other = (saved(tmp_path / name, "model-last") for name in ("with", "without"))
    assert any(not torch.equal(one[name], weight) for name, weight in other.items())


def test_early_stopping(config, tmp_path):
    """With a score that stays as it is, the run ends after `patience` updates."""
    config["training"]["optimizer"]["learn_rate"] = 0.0
    config["training"]["patience"] = 4
    _, evaluated = train(config, tmp_path / "out")
    assert evaluated == [0, 3]
