"""Layers of `bert_similarity`, built once the backbone is known ("auto" settings)."""

import warnings
from typing import Any

from thinc.api import Model

from ...backbone.shim import BackboneShim
from ...core.torch_shim import get_shim
from ...errors import Warnings
from .model import load_dense
from .sentence_bert import (
    DenseLayer,
    SentenceModules,
    check_case,
    is_normalised,
    read_sentence_modules,
)


def build_embedder(
    model: Model, backbone: BackboneShim, n_labels: int, *, download: bool = False
) -> None:
    """Build the torch module of a sentence encoder, dense layers of the backbone's folder included.
    Those that it has already stay as they are.

    model (Model): What `SentenceEncoder` returned.
    backbone (BackboneShim): The weights, loaded.
    n_labels (int): Classes of pairs.
    download (bool): Whether files of a hub id may be fetched.
    RAISES (ValueError): If the folder has a part that is not known.
    """
    shim, width = get_shim(model), backbone.module.width
    kept = shim.module if shim.cfg.get("width") == width else None
    taken_over = resolve_auto(shim.cfg, backbone, download)
    shim.cfg.update(width=width, n_labels=n_labels)
    shim.build_module()
    if kept is not None:
        shim.module.dense.load_state_dict(kept.dense.state_dict())
    load_dense(shim.module, taken_over)
    model.set_dim("nO", shim.module.n_out, force=True)


def resolve_auto(cfg: dict[str, Any], backbone: BackboneShim, download: bool) -> list[DenseLayer]:
    """Replace each "auto" by what the backbone's folder says.

    RETURNS (list[DenseLayer]): The dense layers that are taken over from it.
    """
    if cfg["normalize"] == "auto":
        cfg["normalize"] = is_normalised(backbone.name, download=download)
    if cfg["pooling"] != "auto":
        return []
    modules = read_sentence_modules(backbone.name, download=download) or SentenceModules("mean")
    check_case(modules, backbone.tokenizer, backbone.name)
    if modules.prompt:
        message = Warnings.B909.format(name=backbone.name, prompt=modules.prompt)
        warnings.warn(message, stacklevel=2)
    cfg["pooling"] = modules.pooling
    cfg["dense"] = [[d.width, d.bias, d.activation] for d in modules.dense] + cfg["dense"]
    return modules.dense
