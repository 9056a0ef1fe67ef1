"""TrainingBatch and DeferredStep: one backward pass and one step for all heads of a batch."""

from collections.abc import Callable, Sequence
from threading import get_ident

import torch
from spacy.language import Language
from spacy.tokens import Doc

from ..core.locks import ForkedLock, is_running
from ..core.torch_shim import AdamWSettings
from .hidden_states import BertStates
from .listener import BertListener, no_gradient


class TrainingBatch:
    """A batch to which listeners add gradients. The forward pass waits for the first of them:
    heads that find no gold, or make passes of their own, cost none.

    Nothing may refer to a batch once its step is taken: it holds what the backward pass needs, and
    a reference cycle would keep that, gigabytes of it, until the garbage collector runs.
    """

    def __init__(self, encode: Callable, docs: list[Doc], is_train: bool):
        self.encode = encode
        self.docs = docs
        self.is_train = is_train
        self.thread = get_ident()
        self.states: BertStates | None = None
        self.backprop: Callable[[torch.Tensor], None] = no_gradient
        self.dHidden: torch.Tensor | None = None
        self.listeners: list[BertListener] = []

    def give_to(self, listeners: Sequence[BertListener]) -> None:
        self.listeners = list(listeners)
        for listener in self.listeners:
            listener.receive(self.docs, self.get_states, self.accumulate)

    def get_states(self) -> BertStates:
        if self.states is None:
            self.states, self.backprop = self.encode(self.docs, is_train=self.is_train)
        return self.states

    def accumulate(self, dHidden: torch.Tensor) -> None:
        if not self.is_train:
            return
        self.dHidden = dHidden.clone() if self.dHidden is None else self.dHidden.add_(dHidden)

    @property
    def is_in_use_elsewhere(self) -> bool:
        """RETURNS (bool): Whether another thread is in `nlp.update` with it."""
        return self.thread != get_ident() and is_running(Language.update, self.thread)

    def backward(self) -> None:
        """Run the backward pass, if a head has sent a gradient, and take the batch back."""
        for listener in self.listeners:
            listener.clear()
        backprop, self.backprop, self.states = self.backprop, no_gradient, None
        if self.dHidden is not None:
            backprop(self.dHidden)


class DeferredStep:
    """What is left to do of a training batch.

    All listeners add their gradients to one batch, and one backward pass takes the sum: no
    listener is special, so any of them may skip a batch or be frozen. `nlp.update(sgd=...)` asks
    the backbone for its step before any head has run; then the step waits, with the settings of
    that moment, until the weights are next used, saved or trained. Threads that predict while
    another one is in `nlp.update` leave its step to it, and see the weights of before.
    """

    def __init__(self) -> None:
        self.batch: TrainingBatch | None = None
        self.settings: AdamWSettings | None = None  # of a step that waits
        self.lock = ForkedLock()

    def in_training_batch(self, docs: Sequence[Doc]) -> bool:
        """RETURNS (bool): Whether the backbone learns from a batch with all of these docs now."""
        if self.batch is None or not self.batch.is_train:
            return False
        inside = {id(doc) for doc in self.batch.docs}
        return all(id(doc) in inside for doc in docs)

    @property
    def is_open(self) -> bool:
        """RETURNS (bool): Whether there is such a batch, and no head has sent a gradient."""
        return self.batch is not None and self.batch.is_train and self.batch.dHidden is None

    def finish(self, settings: AdamWSettings, take_step: Callable[[AdamWSettings], None]) -> None:
        """Run the backward pass and take the step, or let it wait for the heads."""
        if self.is_open:
            self.settings = settings
        else:
            self.backward()
            take_step(settings)

    def flush(self, take_step: Callable[[AdamWSettings], None]) -> None:
        """Run the backward pass, and take the step that waits, if there is one."""
        with self.lock:
            if self.batch is not None and self.batch.is_in_use_elsewhere:
                return
            self.backward()
            settings, self.settings = self.settings, None
            if settings is not None:
                take_step(settings)

    def backward(self) -> None:
        batch, self.batch = self.batch, None
        if batch is not None:
            batch.backward()
