""" "bert": the component that owns the weights and runs them once over each text."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import parent_process
from pathlib import Path
from typing import (
    Any,
    cast,
)

import srsly
import torch
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.pipeline.pipe import deserialize_config
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from spacy_transformers.layers import TransformerListener
from spacy_transformers.pipeline_component import Transformer, install_extensions
from thinc.api import Config, Model, Optimizer

from ..core.attributes import Registered
from ..core.integrity import coded_damage
from ..core.torch_shim import AdamWSettings
from ..errors import Warnings
from .cache.features import FeatureCache, make_feature_cache
from .deferred_step import TrainingBatch
from .hidden_states import BertStates
from .listener import BertListener, no_gradient
from .model import find_backbone, get_backbone
from .passes.shared import ComponentRef, SharedEncoder
from .state_store import StateStore
from .trf_listener import from_gradients, to_transformer_data

DEFAULT_CONFIG = Config().from_str("""
[bert]
trainable = true
keep_states = false
feature_cache = null
feature_cache_gb = 20.0

[bert.model]
@architectures = "spacy-bert-suite.BertModel.v1"
name = "embedded"
window = 256
stride = 192
max_batch_pieces = 8192
precision = "auto"
device = "auto"
layers = "last"
activation_checkpointing = false
freeze_layers = 0
layerwise_lr_decay = 1.0
lr_scale = 1.0
adapter = null
""")

RUINOUS_LEARN_RATE = 1e-3


@Language.factory("bert", default_config=DEFAULT_CONFIG["bert"])
def make_bert(
    nlp: Language,
    name: str,
    model: Model[list[Doc], BertStates],
    trainable: bool,
    keep_states: bool,
    feature_cache: str | None,
    feature_cache_gb: float,
) -> "Bert":
    """Construct the backbone component.

    model (Model): The backbone; weights load in `initialize`, `from_disk` or at first use.
    trainable (bool): Whether training changes the weights. If not, the forward pass keeps
        nothing for a backward pass: BERT as a source of features.
    keep_states (bool): Whether `doc._.bert_states` keeps the states on the host.
    feature_cache (str | None): A folder in which training keeps the states, so that later
        epochs read them. Only with `trainable = false`.
    feature_cache_gb (float): Most that the folder may take, in gigabytes.
    """
    cache = make_feature_cache(name, trainable, feature_cache, feature_cache_gb)
    return Bert(
        nlp.vocab, model, name, trainable=trainable, keep_states=keep_states, feature_cache=cache
    )


class Bert(Transformer):
    """One BERT for the whole pipeline. Components of this package and of spaCy listen to it.

    The backward pass is deferred: every listener of a batch adds its gradient by the same
    callback, and `finish_update`, or the next `update`, runs the one backward pass. No
    listener is special, so any of them may skip a batch or be frozen.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], BertStates],
        name: str = "bert",
        *,
        trainable: bool = True,
        keep_states: bool = False,
        feature_cache: FeatureCache | None = None,
    ):
        super().__init__(vocab, cast(Any, model), name=name)
        self.model: Any = model
        self.cfg: dict[str, Any] = {}
        self.trainable = trainable
        self.keep_states = keep_states
        self.feature_cache = feature_cache
        self.store = StateStore()
        self._pending: TrainingBatch | None = None
        self._late_step: AdamWSettings | None = None
        self._has_warned = False
        if keep_states:
            self._registered = Registered(name, ["doc.bert_states"])

    @property
    def is_trainable(self) -> bool:
        return self.trainable

    @property
    def listener_map(self) -> dict[str, list[Any]]:
        """RETURNS (dict[str, list[Model]]): Listeners by component."""
        return self._listener_map

    @listener_map.setter
    def listener_map(self, listeners: dict[str, list[Any]]) -> None:
        """spaCy empties it before it links the pipeline anew."""
        self._listener_map = listeners
        self._bound: dict[str, list[SharedEncoder]] = {}

    @property
    def listeners(self) -> list[Any]:
        return [node for nodes in self.listener_map.values() for node in nodes]

    @property
    def listening_components(self) -> list[str]:
        """RETURNS (list[str]): All that use the weights, also by passes of their own: spaCy warns
        where one of them is frozen and the backbone is not.
        """
        return list(dict.fromkeys([*self.listener_map, *self._bound]))

    @property
    def own_listeners(self) -> list[BertListener]:
        return self.store.readers

    @property
    def stock_listeners(self) -> list[TransformerListener]:
        return [node for node in self.listeners if isinstance(node, TransformerListener)]

    def find_listeners(self, component: Any) -> None:
        """Bind the listeners and pair encoders of a component. spaCy calls this whenever the
        pipeline changes.
        """
        if not isinstance(getattr(component, "model", None), Model):
            return
        for node in component.model.walk():
            if isinstance(node, (BertListener, SharedEncoder)):
                node.component_name = component.name  # for errors, also where it is not bound
            if getattr(node, "upstream_name", None) not in ("*", self.name):
                continue
            if isinstance(node, SharedEncoder):
                self._bind(node, component.name, find_backbone(component.model))
            elif isinstance(node, BertListener):
                node.bind(self.store, component.name)
                self.add_listener(cast(Any, node), component.name)
                if self.model.has_dim("nO"):
                    node.set_dim("nO", self.model.get_dim("nO"), force=True)
            elif isinstance(node, TransformerListener):
                self.add_listener(node, component.name)

    def _bind(self, node: SharedEncoder, name: str, own: Model | None) -> None:
        """own (Model | None): The component's own copy of the backbone, which then serves it."""
        if own is not None:
            node.bind(own, name, not own.attrs.get("frozen", False))
        else:
            self._bound.setdefault(name, []).append(node)
            node.bind(self.model, name, self.is_trainable, ComponentRef(self))

    def give_copy(self, model: Model, name: str) -> None:
        """Let a component that gets a copy of the backbone use it for all of its passes.

        model (Model): The copy.
        name (str): The component.
        """
        for node in self._bound.pop(name, []):
            self._bind(node, name, model)

    def remove_listener(self, listener: Any, component_name: str) -> bool:
        if isinstance(listener, BertListener):
            listener.unbind(self.store)
        return super().remove_listener(listener, component_name)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Run the backbone over a stream of docs, `batch_size` docs at a time. Where nothing reads
        its states (all heads make passes of their own), it does not run.

        YIELDS (Doc): The docs in order.
        """
        if parent_process() is not None:
            torch.set_num_threads(1)  # workers share the cores
        if self._has_readers:
            yield from TrainablePipe.pipe(self, stream, batch_size=batch_size)
        else:
            self.flush_pending_step()
            yield from stream

    def __call__(self, doc: Doc) -> Doc:
        """Run the backbone over one doc. RETURNS (Doc): The doc."""
        if self._has_readers:
            return TrainablePipe.__call__(self, doc)
        self.flush_pending_step()
        return doc

    @property
    def _has_readers(self) -> bool:
        return bool(self.own_listeners or self.stock_listeners or self.keep_states)

    def predict(self, docs: Iterable[Doc]) -> BertStates:  # type: ignore[override]
        """RETURNS (BertStates): The states of the docs."""
        docs = list(docs)
        if not self._is_annotating(docs):
            self.flush_pending_step()
        return self._encode(docs, is_train=False)[0]

    def _encode(
        self, docs: Sequence[Doc], is_train: bool
    ) -> tuple[BertStates, Callable[[torch.Tensor], None]]:
        """RETURNS (Tuple): The states and what takes their gradient, as of the model."""
        if self.feature_cache is not None and self.feature_cache.is_on:
            return self.feature_cache.encode(get_backbone(self.model), docs), no_gradient
        return self.model(docs, is_train=is_train)

    def _is_annotating(self, docs: Sequence[Doc]) -> bool:
        """Whether the open batch is being annotated before the heads learn from it."""
        return self._is_open and self._pending.holds(docs)  # type: ignore[union-attr]

    def set_annotations(self, docs: Iterable[Doc], states: BertStates) -> None:  # type: ignore[override]
        """Hand the states to the listeners."""
        docs = list(docs)
        self.store.put(docs, states)
        if self.stock_listeners:
            self._set_trf_data(docs, states)
        if self.keep_states:
            for i, doc in enumerate(docs):
                doc._.bert_states = states.to_arrays(i)

    def _set_trf_data(self, docs: Sequence[Doc], states: BertStates) -> None:
        install_extensions()
        ops = self.stock_listeners[0].ops
        for doc, data in zip(docs, to_transformer_data(states, ops)):
            doc._.trf_data = data

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Offer a training batch to all listeners. The backbone runs when the first of them
        asks for the states.

        examples (Iterable[Example]): Only their predicted docs are used.
        drop (float): Not used: the dropout of the checkpoint's own config applies.
        RETURNS (dict[str, float]): The losses; that of the backbone is 0, as it has no gold.
        """
        examples = list(examples)
        validate_examples(examples, "Bert.update")
        self.flush_pending_step()
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        docs = [eg.predicted for eg in examples]
        if self.feature_cache is not None:
            self.feature_cache.is_on = True
        batch = TrainingBatch(self._encode, docs, self.is_trainable)
        self._pending = batch if self.is_trainable else None
        accumulate = batch.add if self.is_trainable else no_gradient
        for listener in self.own_listeners:
            listener.receive(docs, batch.get_states, accumulate)
        if self.stock_listeners and docs:
            self._give_to_stock(docs, batch.get_states(), accumulate)
        if sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def _give_to_stock(self, docs: list[Doc], states: BertStates, accumulate: Callable) -> None:
        self._set_trf_data(docs, states)
        batch_id = TransformerListener.get_batch_id(docs)
        for listener in self.stock_listeners:
            listener.receive(
                batch_id,
                [doc._.trf_data for doc in docs],
                # A list, since thinc's `concatenate` adds up what its layers return.
                lambda gradients: accumulate(from_gradients(states, gradients)) or [],
            )

    def finish_update(self, sgd: Optimizer) -> None:
        """Run the backward pass of the batch and take a step.

        `nlp.update(sgd=...)` calls this before any head has run: then the step waits, and is
        taken with the same learning rate before the backbone is next used or saved.
        """
        settings = AdamWSettings.from_optimizer(sgd)
        if self._is_open:
            self._late_step = settings
        else:
            self._backward()
            self._step(settings)

    def offers(self, docs: Sequence[Doc]) -> bool:
        """RETURNS (bool): Whether these docs are of the training batch that is under way."""
        return self._pending is not None and self._pending.holds(docs)

    @property
    def _is_open(self) -> bool:
        """Whether there is a training batch of which no head has sent a gradient."""
        return self._pending is not None and self._pending.dRows is None

    @property
    def has_unfinished_step(self) -> bool:
        """RETURNS (bool): Whether `flush_pending_step` would change the weights."""
        return self._late_step is not None

    def flush_pending_step(self) -> None:
        """Do what is left of the last training batch: components call this before they use the
        weights in a pass of their own.
        """
        self._backward()
        if self._late_step is not None:
            settings, self._late_step = self._late_step, None
            self._step(settings)

    def _backward(self) -> None:
        pending, self._pending = self._pending, None
        for listener in self.own_listeners:
            listener.clear()
        if pending is not None:
            pending.backward()

    def _step(self, settings: AdamWSettings) -> None:
        if self.is_trainable:
            backbone = self.model.shims[0]
            rate = settings.learn_rate * backbone.settings.lr_scale
            if rate >= RUINOUS_LEARN_RATE and not self._has_warned:
                self._has_warned = True
                warnings.warn(Warnings.B902.format(name=self.name, learn_rate=rate), stacklevel=2)
            backbone.step(settings)

    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Inside, the weights are their averages, if the optimizer keeps some. As spaCy's own, a
        generator that `nlp.use_params` advances.
        """
        self.flush_pending_step()
        with self.model.use_params(params):
            yield

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]] | None = None,
        *,
        nlp: Language | None = None,
    ) -> None:
        """Load the weights; a hub id is downloaded here, and only here."""
        self.model.initialize()
        if not self.trainable and get_backbone(self.model).settings.adapter is not None:
            warnings.warn(Warnings.B941.format(name=self.name), stacklevel=2)
        if nlp is not None:
            for _, component in nlp.pipeline:
                self.find_listeners(component)

    def __reduce__(self):
        self.flush_pending_step()
        return super().__reduce__()

    def _end_training(self) -> None:
        """As far as is known: the next update goes on with it."""
        self.flush_pending_step()
        if self.feature_cache is not None:
            self.feature_cache.is_on = False

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        self._end_training()
        return super().to_bytes(exclude=exclude)

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save: the folder `model` holds config.json, model.safetensors and the tokenizer,
        and opens in `transformers` by itself.
        """
        self._end_training()
        backbone = get_backbone(self.model)
        serialize = {
            "cfg": lambda p: srsly.write_json(p, self.cfg),
            "vocab": lambda p: self.vocab.to_disk(p, exclude=exclude),
            "model": backbone.to_folder,
        }
        util.to_disk(path, serialize, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "Bert":
        """Load what `to_disk` has saved. No network."""

        def load_model(p: Path) -> None:
            self.model.shims[0].from_folder(Path(p))
            get_backbone(self.model)

        deserialize: dict[str, Callable] = {
            "cfg": lambda p: self.cfg.update(deserialize_config(p)),
            "vocab": lambda p: self.vocab.from_disk(p, exclude=exclude),
            "model": load_model,
        }
        with coded_damage(f"data of '{self.name}'", path):
            util.from_disk(path, deserialize, exclude)
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "Bert":
        """Load what `to_bytes` gave. No network."""
        with coded_damage(f"data of '{self.name}'", "bytes"):
            super().from_bytes(bytes_data, exclude=exclude)
        return self
