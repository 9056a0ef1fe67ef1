"""Links: which layers of which components use a backbone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spacy.tokens import Doc
from thinc.api import Model

from .deferred_step import TrainingBatch
from .hidden_states import BertStates
from .listener import BertListener
from .model import find_backbone
from .passes.shared import ComponentRef, SharedEncoder
from .state_store import StateStore
from .trf_compat import is_stock_listener

if TYPE_CHECKING:
    from .component import Bert


class Links:
    """The listeners and the shared encoders of a backbone, by component.

    store (StateStore): Where listeners of this package read states.
    """

    def __init__(self, store: StateStore):
        self.store = store
        self.reset({})

    def reset(self, listeners: dict[str, list[Any]]) -> None:
        """Forget all; spaCy does so before it links a pipeline again."""
        self.listeners = listeners
        self.encoders: dict[str, list[SharedEncoder]] = {}

    @property
    def nodes(self) -> list[Any]:
        return [node for nodes in self.listeners.values() for node in nodes]

    @property
    def stock(self) -> list[Any]:
        """RETURNS (list[TransformerListener]): Listeners of spacy-transformers."""
        return [node for node in self.nodes if is_stock_listener(node)]

    @property
    def has_readers(self) -> bool:
        """RETURNS (bool): Whether anything reads states of the docs."""
        return bool(self.store.readers or self.stock)

    def hand_over(self, docs: Sequence[Doc], states: BertStates) -> None:
        """Let listeners read the states of docs that are annotated."""
        self.store.put(docs, states)
        if self.stock:
            from . import trf_listener

            trf_listener.annotate(docs, states, self.stock)

    def give(self, batch: TrainingBatch) -> None:
        """Offer a training batch to all listeners."""
        batch.give_to(self.store.readers)
        if self.stock and batch.docs:
            from . import trf_listener

            trf_listener.give_batch(batch, self.stock)

    @property
    def component_names(self) -> list[str]:
        """RETURNS (list[str]): Components that use the weights, also by passes of their own."""
        return list(dict.fromkeys([*self.listeners, *self.encoders]))

    def add(self, listener: Any, component_name: str) -> None:
        nodes = self.listeners.setdefault(component_name, [])
        if listener not in nodes:
            nodes.append(listener)

    def remove(self, listener: Any, component_name: str) -> bool:
        """RETURNS (bool): Whether it was there."""
        if isinstance(listener, BertListener):
            listener.unbind(self.store)
        nodes = self.listeners.get(component_name, [])
        if listener not in nodes:
            return False
        nodes.remove(listener)
        if not nodes:
            del self.listeners[component_name]
        return True

    def find(self, component: Any, bert: "Bert") -> None:
        """Bind all layers of a component that use this backbone."""
        for node in component.model.walk():
            if isinstance(node, (BertListener, SharedEncoder)):
                node.component_name = component.name  # for errors, also where it is not bound
            if getattr(node, "upstream_name", None) not in ("*", bert.name):
                continue
            if isinstance(node, SharedEncoder):
                self._bind(node, component, bert)
            elif isinstance(node, BertListener):
                node.bind(self.store, component.name)
                bert.add_listener(node, component.name)
            elif is_stock_listener(node):
                from . import trf_listener

                trf_listener.install_extensions()  # before it looks for doc._.trf_data
                bert.add_listener(node, component.name)

    def _bind(self, node: SharedEncoder, component: Any, bert: "Bert") -> None:
        own = find_backbone(component.model)  # the component's own copy, which then serves it
        if own is not None:
            node.bind(own, component.name, is_learning(own))
        else:
            self.encoders.setdefault(component.name, []).append(node)
            node.bind(bert.model, component.name, bert.is_trainable, ComponentRef(bert))

    def give_copy(self, model: Model, component_name: str) -> None:
        """Let a component that gets a copy of the backbone use it for all of its passes.

        model (Model): The copy.
        """
        for node in self.encoders.pop(component_name, []):
            node.bind(model, component_name, is_learning(model))


def is_learning(model: Model) -> bool:
    """RETURNS (bool): Whether a copy of the backbone learns with its component."""
    return not model.attrs.get("frozen", False)
