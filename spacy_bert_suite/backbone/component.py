"""The component "bert": it owns the weights and runs them once over each text."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import srsly
import torch
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.pipeline.pipe import deserialize_config
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer

from ..core.attributes import Registered
from ..core.integrity import coded_damage
from ..core.torch_shim import AdamWSettings
from ..errors import Warnings
from .cache.features import FeatureCache, make_feature_cache
from .deferred_step import DeferredStep, TrainingBatch
from .fit import check_fit
from .hidden_states import BertStates
from .links import Links
from .listener import no_gradient
from .model import get_backbone
from .state_store import StateStore

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


class Bert(TrainablePipe):
    """One BERT for the whole pipeline. Components of this package and of spaCy listen to it, as to
    spaCy's own `tok2vec` (the protocol `spacy.ty.ListenedToComponent`).
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
        self.vocab = vocab
        self.model: Any = model
        self.name = name
        self.cfg: dict[str, Any] = {}
        self.trainable = trainable
        self.keep_states = keep_states
        self.feature_cache = feature_cache
        self.store = StateStore()
        self.links = Links(self.store)
        self.deferred = DeferredStep()
        self._has_warned = False
        if keep_states:
            self._registered = Registered(name, ["doc.bert_states"])

    @property
    def is_trainable(self) -> bool:
        return self.trainable

    # Listeners

    @property
    def listener_map(self) -> dict[str, list[Any]]:
        """RETURNS (dict[str, list[Model]]): Listeners by component."""
        return self.links.listeners

    @listener_map.setter
    def listener_map(self, listeners: dict[str, list[Any]]) -> None:
        self.links.reset(listeners)

    @property
    def listeners(self) -> list[Any]:
        return self.links.nodes

    @property
    def listening_components(self) -> list[str]:
        """RETURNS (list[str]): All that use the weights; spaCy warns if one of them is frozen."""
        return self.links.component_names

    def add_listener(self, listener: Any, component_name: str) -> None:
        self.links.add(listener, component_name)
        if self.model.has_dim("nO"):
            listener.set_dim("nO", self.model.get_dim("nO"), force=True)

    def remove_listener(self, listener: Any, component_name: str) -> bool:
        return self.links.remove(listener, component_name)

    def find_listeners(self, component: Any) -> None:
        """Bind the layers of a component that use the backbone. spaCy calls this whenever the
        pipeline changes.
        """
        if isinstance(getattr(component, "model", None), Model):
            self.links.find(component, self)
            check_fit(component, self)

    # Prediction

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Run the backbone over a stream of docs, `batch_size` docs at a time. Where nothing reads
        its states (all heads make passes of their own), it does not run.

        YIELDS (Doc): The docs in order.
        """
        if parent_process() is not None:
            torch.set_num_threads(1)  # workers share the cores
        if self._has_readers:
            yield from super().pipe(stream, batch_size=batch_size)
        else:
            self.flush_pending_step()
            yield from stream

    def __call__(self, doc: Doc) -> Doc:
        """Run the backbone over one doc. RETURNS (Doc): The doc."""
        if self._has_readers:
            return super().__call__(doc)
        self.flush_pending_step()
        return doc

    @property
    def _has_readers(self) -> bool:
        return self.links.has_readers or self.keep_states

    def predict(self, docs: Iterable[Doc]) -> BertStates:
        """RETURNS (BertStates): The states of the docs."""
        docs = list(docs)
        # Docs of an open batch are annotated before the heads learn from them.
        if not (self.deferred.is_open and self.in_training_batch(docs)):
            self.flush_pending_step()
        return self._encode(docs, is_train=False)[0]

    def _encode(
        self, docs: Sequence[Doc], is_train: bool
    ) -> tuple[BertStates, Callable[[torch.Tensor], None]]:
        """RETURNS (Tuple): The states and what takes their gradient, as of the model."""
        if self.feature_cache is not None and self.feature_cache.is_on:
            return self.feature_cache.encode(get_backbone(self.model), docs), no_gradient
        return self.model(docs, is_train=is_train)

    def set_annotations(self, docs: Iterable[Doc], states: BertStates) -> None:
        """Hand the states to the listeners."""
        docs = list(docs)
        self.links.hand_over(docs, states)
        if self.keep_states:
            for i, doc in enumerate(docs):
                doc._.bert_states = states.to_arrays(i)

    # Training

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
        self.deferred.batch = batch = TrainingBatch(self._encode, docs, self.is_trainable)
        self.links.give(batch)
        if sgd not in (None, False):
            self.finish_update(sgd)
        return losses

    def in_training_batch(self, docs: Sequence[Doc]) -> bool:
        """RETURNS (bool): Whether the backbone learns from a batch with all of these docs now."""
        return self.deferred.in_training_batch(docs)

    def finish_update(self, sgd: Optimizer) -> None:
        """Run the backward pass and take a step, or let it wait: see `DeferredStep`."""
        self.deferred.finish(AdamWSettings.from_optimizer(sgd), self._step)

    @property
    def has_pending_step(self) -> bool:
        """RETURNS (bool): Whether `flush_pending_step` would change the weights."""
        return self.deferred.settings is not None

    def flush_pending_step(self) -> None:
        """Do what is left of the last training batch. Called before the weights are used outside
        of that batch.
        """
        self.deferred.flush(self._step)

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

    # Saving

    def _end_training(self) -> None:
        """As far as is known: the next update goes on with it."""
        self.flush_pending_step()
        if self.feature_cache is not None:
            self.feature_cache.is_on = False

    def __reduce__(self):
        self.flush_pending_step()
        return super().__reduce__()

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
