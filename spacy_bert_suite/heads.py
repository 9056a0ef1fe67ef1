"""What all trainable components that listen to the backbone have in common."""

import math
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy
import torch
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer

from .attributes import Registered
from .backbone.bound import BoundEncoder
from .backbone.damage import coded_damage
from .backbone.listener import BertListener
from .backbone.shim import get_shim
from .errors import Errors, Warnings
from .parallel import part_of_mean, totals_of
from .readers import examples_for, is_for
from .settings import check_config

N_LOOKED_AT = 1000  # examples, to see whether given labels occur
Gradients = Tuple[Optional[torch.Tensor], ...]


class BertPipe(TrainablePipe):
    """What `update` is for all components that learn. A subclass says which of the examples have
    gold for it (`has_gold`) and what their loss is (`get_loss`), or, where it makes passes of its
    own, what it learns from (`find_gold`) and how (`learn`).
    """

    cfg: Dict[str, Any]

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "BertPipe":
        """Load what `to_disk` has saved.

        RAISES (ValueError, FileNotFoundError): With a code, if a file is damaged or missing.
        """
        self._name_layers()
        with coded_damage(f"data of '{self.name}'", path):
            return super().from_disk(path, exclude=exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "BertPipe":
        """Load what `to_bytes` gave.

        RAISES (ValueError): With a code, if it is damaged.
        """
        self._name_layers()
        with coded_damage(f"data of '{self.name}'", "bytes"):
            return super().from_bytes(bytes_data, exclude=exclude)

    def _name_layers(self) -> None:
        """For errors, where no backbone binds them."""
        for node in self.model.walk():
            if isinstance(node, (BertListener, BoundEncoder)):
                node.component_name = self.name

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The labels, in the order of the model's outputs; none where
        nothing is told apart by labels.
        """
        return tuple(self.cfg.get("labels", ()))

    @property
    def label_data(self) -> Optional[List[str]]:
        """RETURNS (Optional[List[str]]): What `spacy init labels` saves and `initialize` takes."""
        return list(self.labels) if "labels" in self.cfg else None

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from the examples that have gold for this component, if there are any.

        examples (Iterable[Example]): A batch.
        drop (float): Not used: dropout is set in the model's config.
        sgd (Optimizer): Take a step at once, if given.
        losses (Dict[str, float]): The mean loss of the batch is added under the name.
        RETURNS (Dict[str, float]): The losses.
        """
        examples = list(examples)
        validate_examples(examples, f"{type(self).__name__}.update")
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        for node in self.model.walk():
            if isinstance(node, BoundEncoder):
                node.attend([eg.predicted for eg in examples])
        gold = self.find_gold(examples)
        if gold:
            losses[self.name] += self.learn(gold)
        else:
            self.learn_nothing()
        besides = self.learn_besides(examples)
        losses[self.name] += besides or 0.0
        if (gold or besides is not None) and sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def find_gold(self, examples: Sequence[Example]) -> Sequence[Any]:
        """RETURNS (Sequence): What `learn` takes; all examples if any is of use, else none."""
        is_any = any(is_for(eg, self.name) and self.has_gold(eg) for eg in examples)
        return examples if is_any else []

    def has_gold(self, eg: Example) -> bool:
        raise NotImplementedError

    def learn(self, gold: Sequence[Any]) -> float:
        """Forward and backward pass. RETURNS (float): The loss."""
        scores, backprop = self.model.begin_update([eg.predicted for eg in gold])
        loss, gradients = self.get_loss(gold, scores)
        if any(gradient is not None for gradient in gradients):
            backprop(gradients)
        return loss

    def learn_besides(self, examples: Sequence[Example]) -> Optional[float]:
        """What is learnt from all examples, with gold for this component or not.
        RETURNS (Optional[float]): The loss; None where nothing is learnt, as by default.
        """
        return None

    def learn_nothing(self) -> None:
        """Take part in what the losses of several processes share: others may have gold."""
        totals_of(0)


class BertHead(BertPipe):
    """A component with labels and a torch module behind a `BertListener`.

    A subclass says what gold it learns from (`has_gold`, `find_labels`), its loss and
    gradient (`get_loss`), and what it writes (`set_annotations`).
    """

    gold = "gold annotation"  # for error messages
    attributes: Sequence[str] = ()
    n_labels_min = 1

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str,
        *,
        scorer: Optional[Callable] = None,
        **cfg: Any,
    ):
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: Dict[str, Any] = {"labels": [], **cfg}
        self._added: List[str] = []  # by `add_label`, since this object was made
        self._registered = Registered(name, self.attributes)

    def add_label(self, label: str) -> int:
        """Add a label before initialization.

        RETURNS (int): 0 if it is known already, else 1.
        RAISES (ValueError): If it is not a string, or the model is initialized already.
        """
        self._check_label(label)
        if label in self.labels:
            return 0
        self._set_labels([*self.labels, label])
        self._added.append(label)
        return 1

    def _check_label(self, label: str) -> None:
        check_label(label, self.name)
        if label not in self.labels and self._is_built:
            n = len(self.labels)
            raise ValueError(Errors.B053.format(name=self.name, n=n, label=label))

    def _set_labels(self, labels: Sequence[str]) -> None:
        self.cfg["labels"] = list(labels)
        for label in labels:
            self.vocab.strings.add(label)

    @property
    def _is_built(self) -> bool:
        return get_shim(self.model).module is not None

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
    ) -> None:
        """Find the labels and build the model, also where it is built already: nothing that was
        learnt stays.

        get_examples (Callable): Gives examples with gold annotation.
        labels (Optional[Iterable[str]]): The labels. Without these, and without any from
            `add_label`, they are looked for in the examples; where there are none, those that it
            had are kept.
        RAISES (ValueError): If there are too few labels; then the component is as before.
        """
        all_labels = self._all_labels(get_examples, labels)
        bias = self.first_bias(get_examples, all_labels)
        self._build(all_labels)
        if bias is not None:
            with torch.no_grad():
                get_shim(self.model).module.output.bias.copy_(torch.from_numpy(bias))

    def first_bias(
        self, get_examples: Callable[[], Iterable[Example]], labels: Sequence[str]
    ) -> Optional[numpy.ndarray]:
        """RETURNS (Optional[ndarray]): What the output layer begins with, (n_labels,); None for
        zeros, as by default.
        """
        return None

    def _all_labels(
        self, get_examples: Callable[[], Iterable[Example]], labels: Optional[Iterable[str]]
    ) -> List[str]:
        """RETURNS (List[str]): The labels that were added and those that are given or found."""
        check_list(labels, self.name)
        added = self._added if self._is_built else self.labels
        if labels is None and not added:
            new = self.find_labels(examples_for(get_examples, self.name)) or list(self.labels)
        else:
            new = list(labels or ())
        for label in new:
            check_label(label, self.name)
        if labels is not None:
            self._warn_of_strange_labels(get_examples, new)
        all_labels = list(dict.fromkeys([*added, *new]))
        if not all_labels:
            raise ValueError(Errors.B051.format(name=self.name, gold=self.gold))
        if len(all_labels) < self.n_labels_min:
            found = ", ".join(all_labels)
            raise ValueError(Errors.B052.format(name=self.name, n=self.n_labels_min, found=found))
        return all_labels

    def _warn_of_strange_labels(
        self, get_examples: Callable[[], Iterable[Example]], labels: Sequence[str]
    ) -> None:
        """Labels of which none occurs would train on nothing, without a word."""
        found = self.occurring_labels(examples_for(get_examples, self.name, N_LOOKED_AT))
        if found and labels and not set(found) & set(labels):
            given, found_names = ", ".join(labels), ", ".join(found)
            message = Warnings.B903.format(name=self.name, given=given, found=found_names)
            warnings.warn(message, stacklevel=2)

    def _build(self, labels: Sequence[str]) -> None:
        self._check_upstream()
        self.model.set_dim("nO", self.count_outputs(len(labels)), force=True)
        self.model.initialize()
        self._set_labels(labels)

    def _check_upstream(self) -> None:
        for node in self.model.walk():
            if isinstance(node, BertListener) and node.store is None:
                message = Errors.B032.format(name=self.name, upstream=node.upstream_name)
                raise ValueError(message)

    def count_outputs(self, n_labels: int) -> int:
        return n_labels

    def predict(self, docs: Iterable[Doc]) -> Any:
        """RETURNS: The model's scores for the docs, without changing them; None for no docs."""
        docs = list(docs)
        return self.model.predict(docs) if docs else None

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score the examples that are for this component and have gold; none: no scores."""
        mine = [eg for eg in examples if is_for(eg, self.name) and self.has_gold(eg)]
        if not mine or self.scorer is None:
            return {}
        return self.scorer(mine, **{**self.cfg, "labels": self.labels, **kwargs})

    def find_labels(self, examples: Sequence[Example]) -> List[str]:
        raise NotImplementedError

    def occurring_labels(self, examples: Sequence[Example]) -> List[str]:
        """RETURNS (List[str]): All that could be labels, asked for or not."""
        return self.find_labels(examples)


def loss_and_gradients(
    loss: torch.Tensor, inputs: Sequence[torch.Tensor]
) -> Tuple[float, Gradients]:
    """RETURNS (Tuple[float, Gradients]): The loss, and its gradient for each of the inputs."""
    used = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(loss, used, allow_unused=True))
    return float(loss.detach()), tuple(next(found) if x.requires_grad else None for x in inputs)


def category_gold(
    examples: Sequence[Example], labels: Sequence[str], name: str
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (Tuple[ndarray, ndarray]): Gold values of `doc.cats`, (n_docs, n_labels), and
    whether each is given; nothing is given in examples for other components.
    RAISES (ValueError): If one is no number from 0 to 1.
    """
    values = numpy.zeros((len(examples), len(labels)), dtype="float32")
    given = numpy.zeros(values.shape, dtype=bool)
    for i, eg in enumerate(examples):
        cats = eg.reference.cats if is_for(eg, name) else {}
        for j, label in enumerate(labels):
            if label in cats:
                values[i, j] = number_of(cats[label], label, name)
                given[i, j] = True
    return values, given


def number_of(value: Any, label: str, name: str) -> float:
    """RAISES (ValueError): If the value of a category is no number from 0 to 1."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise ValueError(Errors.B058.format(label=label, name=name, value=value))
    return number


def exclusive_gold(
    examples: Sequence[Example], labels: Sequence[str], name: str
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """As `category_gold`, of categories that exclude one another.

    RAISES (ValueError): If several of a doc are 1. Soft values are no contradiction.
    """
    values, given = category_gold(examples, labels, name)
    for i in numpy.flatnonzero((values == 1).sum(axis=1) > 1).tolist():
        found = ", ".join(label for label, value in zip(labels, values[i]) if value == 1)
        text = repr(examples[i].text)[:60]
        raise ValueError(Errors.B059.format(name=name, text=text, found=found))
    return values, given


def cross_entropy(
    logits: torch.Tensor, values: numpy.ndarray, given: numpy.ndarray
) -> torch.Tensor:
    """Mean cross-entropy of exclusive categories over the docs that have a gold one. Gold
    values may be soft: they are scaled to sum to one.
    """
    totals = (values * given).sum(axis=1)
    docs = numpy.flatnonzero(totals > 0)
    gold = torch.from_numpy(values[docs] / totals[docs, None]).to(logits.device)
    rows = torch.from_numpy(docs).to(logits.device)
    loss = -(gold * logits[rows].log_softmax(dim=1)).sum() / max(1, len(docs))
    return part_of_mean(loss, len(docs))


def gold_labels(examples: Sequence[Example], name: str) -> List[str]:
    """RETURNS (List[str]): Keys of `doc.cats`, in alphabetical order.

    name (str): The component, for the error message.
    RAISES (ValueError): If one is not a string, or empty.
    """
    labels = {label for eg in examples for label in eg.reference.cats}
    for label in labels:
        check_label(label, name)
    return sorted(labels)


def check_label(label: Any, name: str) -> None:
    if not isinstance(label, str) or not label:
        raise ValueError(Errors.B054.format(name=name, label=label))


def check_list(labels: Any, name: str) -> None:
    """A string is a sequence of strings too, and never meant as one."""
    check_config(name, "labels", labels, not isinstance(labels, str), "a list of strings")
