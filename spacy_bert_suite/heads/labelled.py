"""LabelledPipe: a component with labels and a torch module behind a `BertListener`."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Model

from ..backbone.listener import BertListener
from ..core.attributes import Registered
from ..core.torch_shim import get_shim
from ..core.validation import check_config
from ..data.multitask import examples_for
from ..errors import CodedTypeError, CodedValueError, Errors, Warnings
from .pipe import HeadPipe

N_LOOKED_AT = 1000  # examples, to see whether given labels occur


class LabelledPipe(HeadPipe):
    """A component with labels and a torch module behind a `BertListener`.

    A subclass says what gold it learns from (`has_annotation`, `find_labels`), its loss and
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
        scorer: Callable | None = None,
        **cfg: Any,
    ):
        super().__init__(vocab, model, name, scorer=scorer, labels=[], **cfg)
        self._added: list[str] = []  # by `add_label`, since this object was made
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
            raise CodedValueError(Errors.B053.format(name=self.name, n=n, label=label))

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
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Find the labels and build the model, also where it is built already: nothing that was
        learnt stays.

        get_examples (Callable): Gives examples with gold annotation.
        labels (Iterable[str] | None): The labels. Without these, and without any from
            `add_label`, they are looked for in the examples; where there are none, those that it
            had are kept.
        RAISES (ValueError, TypeError): If there are too few labels, `get_examples` is no function,
            or the gold of its first examples is wrong; then the component is as before.
        """
        check_get_examples(get_examples, self.name)
        all_labels = self._all_labels(get_examples, labels)
        self.check_gold(examples_for(get_examples, self.name, N_LOOKED_AT), all_labels)
        bias = self.first_bias(get_examples, all_labels)
        self._build(all_labels)
        if bias is not None:
            with torch.no_grad():
                get_shim(self.model).module.output.bias.copy_(torch.from_numpy(bias))

    def check_gold(self, examples: Sequence[Example], labels: Sequence[str]) -> None:
        """RAISES (ValueError): If the gold of an example is not what is learnt from."""

    def first_bias(
        self, get_examples: Callable[[], Iterable[Example]], labels: Sequence[str]
    ) -> numpy.ndarray | None:
        """RETURNS (ndarray | None): What the output layer begins with, (n_labels,); None for
        zeros, as by default.
        """
        return None

    def _all_labels(
        self, get_examples: Callable[[], Iterable[Example]], labels: Iterable[str] | None
    ) -> list[str]:
        """RETURNS (list[str]): The labels that were added and those that are given or found."""
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
            raise CodedValueError(Errors.B051.format(name=self.name, gold=self.gold))
        if len(all_labels) < self.n_labels_min:
            found = ", ".join(all_labels)
            raise CodedValueError(
                Errors.B052.format(name=self.name, n=self.n_labels_min, found=found)
            )
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
                raise CodedValueError(message)

    def check_outputs(self, path: Path) -> None:
        """RAISES (ValueError): If there is not one label for each output of the weights."""
        labels = self.cfg.get("labels")
        if not self._is_built or not self.model.has_dim("nO"):
            return
        fits = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
        if fits:
            is_once = len(set(self.labels)) == len(self.labels)
            n_outputs = self.model.get_dim("nO")
            fits = is_once and self.count_outputs(len(self.labels)) == n_outputs
        if not fits:
            raise CodedValueError(Errors.B351.format(name=self.name, path=path / "cfg"))

    def count_outputs(self, n_labels: int) -> int:
        return n_labels

    def predict(self, docs: Iterable[Doc]) -> Any:
        """RETURNS: The model's scores for the docs, without changing them; None for no docs."""
        docs = list(docs)
        return self.model.predict(docs) if docs else None

    def score_gold(self, scorer: Callable, gold: Sequence[Any], **kwargs: Any) -> dict[str, Any]:
        return scorer(gold, **{**self.cfg, "labels": self.labels, **kwargs})

    def find_labels(self, examples: Sequence[Example]) -> list[str]:
        raise NotImplementedError

    def occurring_labels(self, examples: Sequence[Example]) -> list[str]:
        """RETURNS (list[str]): All that could be labels, asked for or not."""
        return self.find_labels(examples)


def check_get_examples(get_examples: Any, name: str) -> None:
    """RAISES (TypeError): As spaCy's own components, if it is no function that gives examples."""
    if not callable(get_examples) or get_examples() is None:
        raise CodedTypeError(Errors.B381.format(name=name))


def check_label(label: Any, name: str) -> None:
    if not isinstance(label, str) or not label:
        raise CodedValueError(Errors.B054.format(name=name, label=label))


def check_list(labels: Any, name: str) -> None:
    """A string is a sequence of strings too, and never meant as one."""
    check_config(name, "labels", labels, not isinstance(labels, str), "a list of strings")
