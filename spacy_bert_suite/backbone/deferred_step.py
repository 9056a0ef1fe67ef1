"""What the backbone offers to its listeners in training."""

from collections.abc import Callable, Sequence

import torch
from spacy.tokens import Doc

from .hidden_states import BertStates
from .listener import no_gradient


class TrainingBatch:
    """A batch to which listeners add gradients. The forward pass waits for the first of them:
    heads that find no gold, or make passes of their own, cost none.
    """

    def __init__(self, encode: Callable, docs: list[Doc], is_train: bool):
        self.encode = encode
        self.docs = docs
        self.is_train = is_train
        self.states: BertStates | None = None
        self.backprop: Callable[[torch.Tensor], None] = no_gradient
        self.dRows: torch.Tensor | None = None

    def holds(self, docs: Sequence[Doc]) -> bool:
        mine = {id(doc) for doc in self.docs}
        return all(id(doc) in mine for doc in docs)

    def get_states(self) -> BertStates:
        if self.states is None:
            self.states, self.backprop = self.encode(self.docs, is_train=self.is_train)
        return self.states

    def add(self, dRows: torch.Tensor) -> None:
        self.dRows = dRows.clone() if self.dRows is None else self.dRows.add_(dRows)

    def backward(self) -> None:
        if self.dRows is not None:
            self.backprop(self.dRows)
