"""The CPU's own dropout and attention do what torch's do."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from spacy_bert_suite.backbone.encoder import cpu_kernels as cpu
from spacy_bert_suite.backbone.encoder.cpu_kernels import KERNEL_CACHES, CpuOperations


@pytest.fixture(params=["no mask", "bool", "float", "one for all", "plain"])
def mask(request):
    """A mask that hides the last key, in the forms that transformers uses."""
    seen = torch.ones(5, 1, 7, 7, dtype=torch.bool)
    seen[..., -1] = False
    return {
        "no mask": None,
        "bool": seen,
        "float": torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min),
        "one for all": seen[:1],
        "plain": seen[0, 0],
    }[request.param]


def make_qkv():
    torch.manual_seed(0)
    return [torch.randn(5, 7, 2, 8).transpose(1, 2).requires_grad_() for _ in range(3)]


@pytest.mark.parametrize("most_scores", [1 << 20, 2 * 98, 98])
def test_attention_equals_torch(monkeypatch, mask, most_scores):
    monkeypatch.setattr(cpu, "MOST_SCORES", most_scores)
    results = []
    for attend in (F.scaled_dot_product_attention, cpu.attention):
        qkv = make_qkv()
        output = attend(*qkv, attn_mask=mask)
        output.square().sum().backward()
        results.append([output, *(x.grad for x in qkv)])
    torch.testing.assert_close(results[1], results[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("options", [{"is_causal": True}, {"scale": 0.5}, {"enable_gqa": True}])
def test_attention_takes_all_options(options):
    qkv = make_qkv()
    expected = F.scaled_dot_product_attention(*qkv, **options)
    torch.testing.assert_close(cpu.attention(*qkv, **options), expected, atol=1e-5, rtol=1e-5)


def test_attention_too_large_for_the_cache_is_torchs(monkeypatch):
    monkeypatch.setattr(cpu, "MOST_SCORES", 97)
    qkv = make_qkv()
    assert torch.equal(cpu.attention(*qkv), F.scaled_dot_product_attention(*qkv))


def test_attention_dropout_keeps_the_mean():
    torch.manual_seed(0)
    qkv = make_qkv()
    exact = cpu.attention(*qkv)
    rough = torch.stack([cpu.attention(*qkv, dropout_p=0.1) for _ in range(2000)])
    assert not torch.equal(rough[0], rough[1])
    torch.testing.assert_close(rough.mean(dim=0), exact, atol=0.05, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share(p, dtype):
    torch.manual_seed(0)
    x = torch.full((999, 101), 2.0, dtype=dtype, requires_grad=True)
    y = cpu.dropout(x, p)
    kept = y != 0
    assert abs(1 - kept.float().mean().item() - p) < 0.006  # four standard deviations
    expected = torch.where(kept, 2.0 / (1 - p), 0.0)
    torch.testing.assert_close(y.float(), expected, rtol=1e-2, atol=0)
    y.sum().backward()
    torch.testing.assert_close(x.grad.float(), expected / 2, rtol=1e-2, atol=0)


@pytest.mark.parametrize("options", [{"training": False}, {"p": 0.0}, {"p": 1.0}])
def test_dropout_at_its_limits(options):
    x = torch.randn(3, 5)
    assert torch.equal(cpu.dropout(x, **options), F.dropout(x, **options))


def test_dropout_of_nearly_all():
    y = cpu.dropout(torch.ones(100), 0.999999)
    assert torch.isfinite(y).all()


def test_dropout_gives_its_mask_to_hooks():
    """What activation checkpointing does not see, it cannot free."""
    seen = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: seen.append(t) or t, lambda t: t):
        cpu.dropout(torch.ones(100, requires_grad=True), 0.5)
    assert len(seen) == 1 and seen[0].shape == (100,)


def test_dropout_follows_the_seed_and_leaves_no_pattern():
    x = torch.ones(64, 1024)
    torch.manual_seed(1)
    first, second = cpu.dropout(x, 0.5), cpu.dropout(x, 0.5)
    torch.manual_seed(1)
    assert torch.equal(cpu.dropout(x, 0.5), first)
    assert not torch.equal(first, second)
    rows = (first > 0).float()
    together = (rows @ rows.T / 1024).fill_diagonal_(0.25)  # how often two rows keep a column
    assert (together - 0.25).abs().max() < 0.08  # six standard deviations


def test_only_inside_the_context(monkeypatch):
    calls = []
    monkeypatch.setattr(cpu, "dropout", lambda *args, **kwargs: calls.append(args) or args[0])
    layer = torch.nn.Dropout(0.1)
    layer(torch.ones(2))
    assert not calls
    with CpuOperations():
        layer(torch.ones(2))
    assert len(calls) == 1


def test_the_caches_of_onednn_are_bounded():
    """Read when the first kernel is made: `import` of the backbone must be early enough."""
    code = (
        "import os, sys; from spacy_bert_suite.backbone.encoder import encoder;"
        "print(os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'], os.environ['LRU_CACHE_CAPACITY'])"
    )
    env = {k: v for k, v in os.environ.items() if k not in KERNEL_CACHES}
    for given, expected in (({}, "128 128"), ({"LRU_CACHE_CAPACITY": "9"}, "128 9")):
        found = subprocess.run(
            [sys.executable, "-c", code],
            env=env | given,
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.split() == expected.split()
