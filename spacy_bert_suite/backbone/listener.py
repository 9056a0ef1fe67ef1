"""BertListener.v1: the layer through which heads read hidden states."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch
from spacy.tokens import Doc
from thinc.api import Model

from ..core.validation import check_config
from ..errors import CodedValueError, Errors
from .hidden_states import BertStates
from .input.windows import token_extents
from .state_store import MOST_PENDING_BATCHES, StateStore

Accumulate = Callable[[torch.Tensor], None]


class BertListener(Model):
    """A layer without weights that hands on what the backbone has computed for the docs.

    In training the backbone gives the batch to every listener with the same callback, which
    adds up dHidden; in prediction the states are taken from the backbone's store. A component
    that is sourced into a second pipeline listens to the backbones of both.

    upstream_name (str): Name of the backbone in the pipeline, or "*" for any.
    grad_factor (float): Weight of the component's gradient in the backbone.
    """

    def __init__(self, upstream_name: str, grad_factor: float = 1.0):
        super().__init__("bert-listener", forward, dims={"nO": None})
        self.upstream_name = upstream_name
        self.grad_factor = check_grad_factor(grad_factor)
        self.component_name = "a component of this pipeline"
        self.stores: list[StateStore] = []
        self._docs: list[Doc] = []
        self._get_states: Callable[[], BertStates] | None = None
        self._accumulate: Accumulate = no_gradient

    @property
    def store(self) -> StateStore | None:
        """RETURNS (StateStore | None): The store of the backbone that was bound last."""
        return self.stores[-1] if self.stores else None

    def bind(self, store: StateStore, component_name: str) -> None:
        self.stores = [other for other in self.stores if other is not store] + [store]
        self.component_name = component_name
        store.add_reader(self)

    def unbind(self, store: StateStore) -> None:
        self.stores = [other for other in self.stores if other is not store]
        store.remove_reader(self)

    def receive(
        self, docs: Sequence[Doc], get_states: Callable[[], BertStates], accumulate: Accumulate
    ) -> None:
        """Keep a training batch, whose states are computed when they are asked for."""
        self._docs = list(docs)
        self._get_states = get_states
        self._accumulate = accumulate

    def clear(self) -> None:
        self._docs = []
        self._get_states = None
        self._accumulate = no_gradient

    def received(self, docs: Sequence[Doc]) -> bool:
        """RETURNS (bool): Whether these very docs are the training batch."""
        mine = self._docs
        return len(docs) == len(mine) and all(a is b for a, b in zip(docs, mine))

    def take(self, docs: Sequence[Doc], *, is_last: bool) -> BertStates:
        """Read states from the store of the backbone that has run on these docs.

        is_last (bool): Whether this component will not read them again.
        RETURNS (BertStates): The states.
        RAISES (ValueError): If there are none: nothing is ever predicted from zeros.
        """
        if not self.stores:
            raise CodedValueError(self._error("B032"))
        code = "B030"
        for store in reversed(self.stores):
            try:
                states = store.take(docs, self, is_last=is_last)
            except LookupError:
                code = "B031"
                continue
            if states is not None:
                return states
        raise CodedValueError(self._error(code))

    def check_tokens(self, docs: Sequence[Doc], states: BertStates) -> BertStates:
        """RAISES (ValueError): If the docs have other tokens now than those the states are of, or
        tokens that begin or end elsewhere.
        """
        layout = states.layout
        same_number = [len(doc) for doc in docs] == numpy.diff(layout.token_offsets).tolist()
        if not same_number or not numpy.array_equal(token_extents(docs), layout.token_extents):
            raise CodedValueError(self._error("B037"))
        return states

    def _error(self, code: str) -> str:
        upstream = "bert" if self.upstream_name == "*" else self.upstream_name
        return getattr(Errors, code).format(
            name=self.component_name, upstream=upstream, limit=MOST_PENDING_BATCHES
        )


def make_listener(upstream: str = "bert", grad_factor: float = 1.0) -> Model[list[Doc], BertStates]:
    """Registered as "spacy-bert-suite.BertListener.v1".

    upstream (str): Name of the backbone component, or "*" for any.
    grad_factor (float): Factor on the gradient that the component sends to the backbone: its
        weight among the tasks. 0 keeps the backbone from learning from it.
    RETURNS (Model): The listener.
    """
    return BertListener(upstream, grad_factor)


def forward(
    model: BertListener, docs: Sequence[Doc], is_train: bool
) -> tuple[BertStates, Accumulate]:
    if model._get_states is not None and model.received(docs):
        states, accumulate = model._get_states(), model._accumulate if is_train else no_gradient
    else:  # in training: a frozen backbone that annotates; the component may annotate later
        states, accumulate = model.take(docs, is_last=not is_train), no_gradient
    return model.check_tokens(docs, states), weighted(accumulate, model.grad_factor)


def weighted(backprop: Accumulate, factor: float) -> Accumulate:
    """RETURNS (Callable): The callback, for a gradient times the factor; 0 is no gradient."""
    if factor == 1.0:
        return backprop
    return no_gradient if factor == 0.0 else lambda dHidden: backprop(dHidden * factor)


def check_grad_factor(value: float) -> float:
    owner = "a listener or an encoder of texts"
    check_config(owner, "grad_factor", value, 0 <= value < float("inf"), "0 or more")
    return value


def no_gradient(dHidden: Any) -> None:
    """The backbone is frozen, or this is a prediction."""
