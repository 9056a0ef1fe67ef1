"""Two processes take the very steps that one takes on the same batches."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spacy_bert_suite.training.parallel.launch import launch

SCRIPT = Path(__file__).with_name("parallel_cases.py")
spec = importlib.util.spec_from_file_location("parallel_cases", SCRIPT)
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)


# On these the loss does not depend: softmax does not see a shift of all positions, or of all keys.
NO_EFFECT = {
    "qa": ("layer.3.output.LayerNorm.bias", "1 output.bias"),
    "summarizer": ("in_proj_bias",),
}


@pytest.fixture(scope="module")
def folder(tiny_bert, still_bert, tmp_path_factory):
    """What two processes have learnt."""
    folder = tmp_path_factory.mktemp("parallel")
    launch(2, [str(SCRIPT), tiny_bert, still_bert, str(folder)])
    return folder


@pytest.mark.parametrize("case", cases.CASES)
def test_two_processes_equal_one(folder, still_bert, tmp_path, case):
    first, second = (load_file(folder / f"{case}-{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    alone = cases.train(case, still_bert, 0, tmp_path)
    assert alone.keys() == first.keys()
    for key, value in alone.items():
        if not key.endswith(NO_EFFECT.get(case, ("nothing",))):
            torch.testing.assert_close(first[key], value, rtol=1e-4, atol=1e-6, msg=key)


def test_a_whole_run_equals_that_of_one_process(folder, still_bert, tmp_path):
    """With schedule, averages, unfreezing, evaluation: what is saved is the same."""
    cases.run(cases.make_config(still_bert, tmp_path, 0.0), tmp_path / "one")
    for model in ("model-last", "model-best"):
        expected, found = (weights(path / model) for path in (tmp_path / "one", folder / "two"))
        for key, value in expected.items():
            if not key.endswith("key.bias"):
                torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-6, msg=key)
    one, two = (performance(path) for path in (tmp_path / "one", folder / "two"))
    assert two == pytest.approx(one, rel=1e-4)


def test_a_resumed_run_equals_the_whole(folder):
    """Bit for bit, with dropout: each process draws the random numbers that it would have drawn."""
    assert (folder / "resumed" / "checkpoints" / "step-4").is_dir()
    expected, found = (weights(folder / run / "model-last") for run in ("whole", "resumed"))
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_one_process_goes_on_where_two_have_stopped(folder, still_bert):
    config = cases.make_config(still_bert, folder / "data-0", 0.0)
    cases.run(config, folder / "handed on", resume=True)
    expected, found = (weights(folder / run / "model-last") for run in ("two", "handed on"))
    for key, value in expected.items():
        if not key.endswith("key.bias"):
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-6, msg=key)


def weights(pipeline):
    return load_file(pipeline / "bert" / "model" / "model.safetensors")


def performance(output):
    meta = json.loads((output / "model-best" / "meta.json").read_text())
    values = meta["performance"]
    return {key: value for key, value in values.items() if isinstance(value, float)}
