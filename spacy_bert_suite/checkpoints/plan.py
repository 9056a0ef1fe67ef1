"""Plan: a component to be made from a checkpoint, its settings and its weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

# The layers by which heads reach the backbone, by their key in the head's config.
CONNECTIONS = {
    "bert": "spacy-bert-suite.BertListener.v1",
    "pairs": "spacy-bert-suite.PairEncoder.v1",
    "rows": "spacy-bert-suite.RowEncoder.v1",
    "texts": "spacy-bert-suite.TextEncoder.v1",
}


@dataclass
class Plan:
    """A head to be added to a pipeline.

    factory (str | None): The component; None for the backbone alone.
    model (Dict): Settings of its model, "@architectures" among them.
    connections (list[str]): Keys of `CONNECTIONS`.
    settings (Dict): Further settings of the component.
    initialize (Dict): What its `initialize` takes: labels.
    weights (Dict | None): All tensors of its torch module; None to leave it as it begins.
    cfg (Dict): What else is saved with the component, such as thresholds.
    by_pooler (bool): Whether it uses the backbone's own pooler.
    window (int | None): Wordpieces that the backbone is to read at once; None for all that it
        can.
    sources (Sequence[str]): Names of which the backbone must have one, since the head reads its
        folder too; none for any.
    is_squashed (bool): Whether a probability is given where the checkpoint gives a bare number.
    """

    factory: str | None = None
    model: dict[str, Any] = field(default_factory=dict)
    connections: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    initialize: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, torch.Tensor] | None = None
    cfg: dict[str, Any] = field(default_factory=dict)
    by_pooler: bool = False
    window: int | None = None
    sources: Sequence[str] = ()
    is_squashed: bool = False

    def config(self, upstream: str) -> dict[str, Any]:
        """RETURNS (Dict): The config of the component.

        upstream (str): Name of the backbone.
        """
        layers = {
            key: {"@architectures": CONNECTIONS[key], "upstream": upstream}
            for key in self.connections
        }
        return {**self.settings, "model": {**self.model, **layers}}


@dataclass
class ImportOptions:
    """What the user says about a checkpoint beyond what it says itself.

    task (str): That of an `Importer` in `tasks/registry.py`.
    labels (list[str] | None): Names of the outputs, in their order.
    scheme (str | None): How a token classifier writes entities.
    """

    task: str
    labels: list[str] | None = None
    scheme: str | None = None


def dropout_of(config: Any) -> float:
    """RETURNS (float): The dropout before a checkpoint's classifier, for further training."""
    for key in ("classifier_dropout", "seq_classif_dropout", "hidden_dropout_prob", "dropout"):
        value = getattr(config, key, None)
        if isinstance(value, float) and 0 <= value < 1:
            return value
    return 0.1


def known(extra: dict[str, Any], *keys: str) -> dict[str, Any]:
    """RETURNS (Dict): Those of the keys that there are."""
    return {key: extra[key] for key in keys if key in extra}


def pooled_weights(
    dense: dict[str, torch.Tensor], output: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """RETURNS (Dict): Tensors of a head with a dense layer over [CLS] and a classifier above."""
    layers = {"pooler.0": dense, "output": output}
    return {
        f"{name}.{key}": value for name, layer in layers.items() for key, value in layer.items()
    }
