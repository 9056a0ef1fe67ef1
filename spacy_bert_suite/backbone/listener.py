"""How heads reach the backbone."""

from typing import Any, Callable, List, Optional, Sequence, Tuple

import torch
from spacy.tokens import Doc
from thinc.api import Model

from ..errors import Errors
from .states import MOST_PENDING_BATCHES, BertStates, StateStore

Accumulate = Callable[[torch.Tensor], None]


class BertListener(Model):
    """A layer without weights that hands on what the backbone has computed for the docs.

    In training the backbone gives the batch to every listener with the same callback, which
    adds up dRows; in prediction the states are taken from the backbone's store.

    upstream_name (str): Name of the backbone in the pipeline, or "*" for any.
    """

    def __init__(self, upstream_name: str):
        super().__init__("bert-listener", forward, dims={"nO": None})
        self.upstream_name = upstream_name
        self.component_name = "the component"
        self.store: Optional[StateStore] = None
        self._docs: List[Doc] = []
        self._states: Optional[BertStates] = None
        self._accumulate: Accumulate = no_gradient

    def bind(self, store: StateStore, component_name: str) -> None:
        self.store = store
        self.component_name = component_name

    def receive(self, docs: Sequence[Doc], states: BertStates, accumulate: Accumulate) -> None:
        self._docs = list(docs)
        self._states = states
        self._accumulate = accumulate

    def clear(self) -> None:
        self._docs = []
        self._states = None
        self._accumulate = no_gradient

    def received(self, docs: Sequence[Doc]) -> bool:
        """RETURNS (bool): Whether these very docs are the training batch."""
        mine = self._docs
        return len(docs) == len(mine) and all(a is b for a, b in zip(docs, mine))

    def take(self, docs: Sequence[Doc]) -> BertStates:
        """RETURNS (BertStates): States that the backbone has stored for these docs.
        RAISES (ValueError): If there are none: nothing is ever predicted from zeros.
        """
        if self.store is None:
            raise ValueError(self._error("B032"))
        try:
            states = self.store.take(docs, self.id)
        except LookupError:
            raise ValueError(self._error("B031")) from None
        if states is None:
            raise ValueError(self._error("B030"))
        return states

    def _error(self, code: str) -> str:
        upstream = "bert" if self.upstream_name == "*" else self.upstream_name
        return getattr(Errors, code).format(
            name=self.component_name, upstream=upstream, limit=MOST_PENDING_BATCHES
        )


def make_listener(upstream: str = "bert") -> Model[List[Doc], BertStates]:
    """Registered as "spacy-bert-suite.BertListener.v1".

    upstream (str): Name of the backbone component, or "*" for any.
    RETURNS (Model): The listener.
    """
    return BertListener(upstream)


def forward(
    model: BertListener, docs: Sequence[Doc], is_train: bool
) -> Tuple[BertStates, Accumulate]:
    if model._states is not None and model.received(docs):
        return model._states, model._accumulate if is_train else no_gradient
    return model.take(docs), no_gradient


def no_gradient(dRows: Any) -> None:
    """The backbone is frozen, or this is a prediction."""
