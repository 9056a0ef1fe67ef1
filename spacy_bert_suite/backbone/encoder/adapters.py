"""Low-rank adapters (Hu et al. 2022): small matrices beside the weights of some layers learn, and
the weights themselves stay. The package peft does the work; only training needs it.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from ...core.validation import check_config, check_dropout
from ...errors import CodedImportError, CodedValueError, Errors

DEFAULT_TARGETS = ("query", "value")


@dataclass(frozen=True)
class LoRA:
    """rank (int): Width of the small matrices A and B.
    alpha (float): alpha / rank is the factor on what they add to a layer's output.
    dropout (float): On what enters them, in training.
    targets (tuple[str, ...]): Ends of the names of the linear layers that get them.
    seed (int): From which A begins; B begins at zero.
    """

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]
    seed: int


def make_lora(
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.05,
    targets: Sequence[str] = DEFAULT_TARGETS,
    seed: int = 0,
) -> LoRA:
    """Registered in `misc` as "spacy-bert-suite.LoRA.v1"; see `LoRA`.

    RAISES (ValueError): If a value is out of its range.
    """
    owner = "spacy-bert-suite.LoRA.v1"
    check_config(owner, "rank", rank, rank > 0, "1 or more")
    check_config(owner, "alpha", alpha, alpha > 0, "above 0")
    check_dropout(owner, dropout)
    expected = "names of linear layers, such as query, value"
    check_config(owner, "targets", targets, len(targets) > 0, expected)
    return LoRA(rank, alpha, dropout, tuple(targets), seed)


def add_adapters(transformer: PreTrainedModel, lora: LoRA) -> None:
    """Put adapters beside the layers that they are for. Nothing else of the model learns on.

    RAISES (ImportError): Without peft.
    RAISES (ValueError): If the model has no such layers.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise CodedImportError(Errors.B183) from error
    linear = [name for name, m in transformer.named_modules() if isinstance(m, torch.nn.Linear)]
    if not any(name.endswith(f".{target}") for name in linear for target in lora.targets):
        found = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
        raise CodedValueError(Errors.B184.format(targets=", ".join(lora.targets), found=found))
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
    )
    device = transformer.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(lora.seed)
        inject_adapter_in_model(config, transformer)


def is_adapter(name: str) -> bool:
    """RETURNS (bool): Whether a parameter is one of an adapter."""
    return "lora_" in name


def merged(transformer: PreTrainedModel) -> PreTrainedModel:
    """RETURNS (PreTrainedModel): A copy without adapters, whose weights have taken them up."""
    from peft.tuners.lora import LoraLayer

    plain = copy.deepcopy(transformer)
    adapted: dict[str, Any] = {
        name: module for name, module in plain.named_modules() if isinstance(module, LoraLayer)
    }
    for name, module in adapted.items():
        module.merge()
        parent, _, child = name.rpartition(".")
        setattr(plain.get_submodule(parent), child, module.get_base_layer())
    if hasattr(plain, "peft_config"):
        del plain.peft_config
    return plain


def adapter_state(transformer: PreTrainedModel) -> dict[str, torch.Tensor]:
    """RETURNS (dict[str, Tensor]): The adapters, and the weights of the layers beside them as they
    were without: what is saved of a pipeline has only the sum.
    """
    return {
        name: tensor
        for name, tensor in transformer.state_dict().items()
        if is_adapter(name) or ".base_layer." in name
    }
