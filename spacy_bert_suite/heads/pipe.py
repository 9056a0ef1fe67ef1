"""HeadPipe: construction, update, scoring and loading of every component that learns."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer

from ..backbone.fit import Home, check_fit
from ..backbone.listener import BertListener
from ..backbone.model import find_backbone
from ..backbone.passes.shared import SharedEncoder
from ..core.collectives import totals_of
from ..core.integrity import coded_damage
from ..data.multitask import is_for
from .tie import check_backbone, check_cfg, take_tie, tied

Gradients = tuple[torch.Tensor | None, ...]


class HeadPipe(TrainablePipe):
    """What all components that learn have in common. A subclass says which of the examples have
    gold for it (`has_annotation`) and what their loss is (`get_loss`), or, where it makes passes
    of its own, what it learns from (`select_examples`) and how (`update_batch`).
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str,
        *,
        scorer: Callable | None = None,
        **cfg: Any,
    ):
        """vocab (Vocab): Of the pipeline.
        model (Model): The head.
        name (str): Of the component.
        scorer (Callable | None): The scoring method.
        cfg: Settings and what is learnt besides weights, saved as JSON.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: dict[str, Any] = cfg
        self.home = Home()
        self._link_layers()

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save settings and weights, and a tie between them and the backbone."""
        with tied(self.model, self.cfg, self.home, Path(path)):
            super().to_disk(path, exclude=exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "HeadPipe":
        """Load what `to_disk` has saved. It warns if the pipeline's backbone is another one than
        that with which the component was saved.

        RAISES (ValueError, FileNotFoundError): With a code, if a file is damaged or missing, or
            files of one folder are of several saves.
        """
        exclude, path = list(exclude), Path(path)
        with coded_damage(f"data of '{self.name}'", path):
            super().from_disk(path, exclude=exclude)
        tie = take_tie(self.model)
        if not {"cfg", "model"} & {*exclude}:
            check_cfg(tie, path, self.name)
            self.check_outputs(path)
        self._link_layers()
        check_backbone(tie, path, self.home, self.name)
        self.home.saved = tie.get("backbone")
        if self.home.bert is not None:
            check_fit(self, self.home.bert)
        return self

    def check_outputs(self, path: Path) -> None:
        """RAISES (ValueError): If the settings do not go with the weights; by default they do."""

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "HeadPipe":
        """Load what `to_bytes` gave.

        RAISES (ValueError): With a code, if it is damaged.
        """
        with coded_damage(f"data of '{self.name}'", "bytes"):
            super().from_bytes(bytes_data, exclude=exclude)
        self._link_layers()
        return self

    def _link_layers(self) -> None:
        """Give the layers the name of the component, for errors, and the encoders its own backbone,
        if it has one: it needs none in the pipeline.
        """
        own = find_backbone(self.model)
        for node in self.model.walk():
            if isinstance(node, (BertListener, SharedEncoder)):
                node.component_name = self.name
            if own is not None and isinstance(node, SharedEncoder):
                node.bind(own, self.name, not own.attrs.get("frozen", False))

    def build_untrained(self, nlp: Language, **settings: Any) -> None:
        """Build the model for weights that come from elsewhere: there is nothing to look at.

        nlp (Language): The pipeline.
        settings: Of `initialize`, such as labels.
        """
        nothing = Example(nlp.make_doc(""), nlp.make_doc(""))
        self.initialize(lambda: [nothing], nlp=nlp, **settings)

    @property
    def labels(self) -> tuple[str, ...]:
        """RETURNS (tuple[str, ...]): The labels, in the order of the model's outputs; none where
        nothing is told apart by labels.
        """
        return tuple(self.cfg.get("labels", ()))

    @property
    def label_data(self) -> list[str] | None:
        """RETURNS (list[str] | None): What `spacy init labels` saves and `initialize` takes."""
        return list(self.labels) if "labels" in self.cfg else None

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from the examples that have gold for this component, if there are any.

        examples (Iterable[Example]): A batch.
        drop (float): Not used: dropout is set in the model's config.
        sgd (Optimizer): Take a step at once, if given.
        losses (dict[str, float]): The mean loss of the batch is added under the name.
        RETURNS (dict[str, float]): The losses.
        """
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        for node in self.model.walk():
            if isinstance(node, SharedEncoder):
                node.enter_batch([eg.predicted for eg in examples])
        gold = self.select_examples(examples)
        if gold:
            losses[self.name] += self.update_batch(gold)
        else:
            self.update_empty()
        auxiliary = self.update_auxiliary(examples)
        losses[self.name] += auxiliary or 0.0
        if (gold or auxiliary is not None) and sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def select_examples(self, examples: Sequence[Example]) -> Sequence[Any]:
        """RETURNS (Sequence): What `update_batch` takes: all if any is of use, else none."""
        is_any = any(is_for(eg, self.name) and self.has_annotation(eg) for eg in examples)
        return examples if is_any else []

    def has_annotation(self, eg: Example) -> bool:
        """RETURNS (bool): Whether the example has gold for this component."""
        raise NotImplementedError

    def update_batch(self, gold: Sequence[Any]) -> float:
        """Forward and backward pass. RETURNS (float): The loss."""
        scores, backprop = self.model.begin_update([eg.predicted for eg in gold])
        loss, gradients = self.get_loss(gold, scores)
        if any(gradient is not None for gradient in gradients):
            backprop(gradients)
        return loss

    def update_auxiliary(self, examples: Sequence[Example]) -> float | None:
        """What is learnt from all examples, with gold for this component or not.
        RETURNS (float | None): The loss; None where nothing is learnt, as by default.
        """
        return None

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the examples that are for this component and have gold; none: no scores."""
        if self.scorer is None:
            return {}
        gold = self.select_scored(list(examples))
        return self.score_gold(self.scorer, gold, **kwargs) if gold else {}

    def select_scored(self, examples: Sequence[Example]) -> Sequence[Any]:
        """RETURNS (Sequence): What is scored: by default the examples with gold."""
        return [eg for eg in examples if is_for(eg, self.name) and self.has_annotation(eg)]

    def score_gold(self, scorer: Callable, gold: Sequence[Any], **kwargs: Any) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): What the scorer says of `select_scored`, with what it needs."""
        return scorer(gold, **{**self.cfg, **kwargs})

    def update_empty(self) -> None:
        """Take part in what the losses of several processes share: others may have gold."""
        totals_of(0)


def loss_and_gradients(
    loss: torch.Tensor, inputs: Sequence[torch.Tensor]
) -> tuple[float, Gradients]:
    """RETURNS (tuple[float, Gradients]): The loss, and its gradient for each of the inputs."""
    used = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(loss, used, allow_unused=True))
    return float(loss.detach()), tuple(next(found) if x.requires_grad else None for x in inputs)
