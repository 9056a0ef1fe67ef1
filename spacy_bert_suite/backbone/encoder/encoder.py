"""BertEncoder: windows of wordpieces in, packed hidden states out; pure torch."""

import copy
import warnings
from contextlib import AbstractContextManager, nullcontext

import numpy
import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from ...core.device import autocast, resolve_device, resolve_precision
from ...errors import CodedMemoryError, CodedValueError, Errors, Warnings
from .adapters import add_adapters, merged
from .batching import CPU_PREDICT, CPU_TRAIN, GPU, Costs, make_batches
from .cpu_kernels import CpuOperations
from .inputs import EncoderInput, padded, places_of
from .layers import check_frozen, enable_activation_checkpointing, layers_above, open_layers
from .oom import is_out_of_memory
from .settings import EncoderSettings


class BertEncoder(torch.nn.Module):
    """A Hugging Face encoder, and the choice or mixture of its layers.

    Scalar mixture: Peters et al. 2018 (ELMo), `gamma * sum(softmax(w)[i] * layer[i])`.
    """

    def __init__(self, transformer: PreTrainedModel, settings: EncoderSettings):
        super().__init__()
        self.transformer = transformer
        self.settings = settings
        self.max_pieces = settings.max_batch_pieces
        self.device = resolve_device(settings.device)
        self.dtype = resolve_precision(settings.precision, self.device)
        n_layers = transformer.config.num_hidden_layers
        if settings.layers in ("last4_concat", "last4_sum") and n_layers < 4:
            expected = f"last or scalar_mix for a model of {n_layers} layers"
            message = Errors.B020.format(key="layers", value=settings.layers, expected=expected)
            raise CodedValueError(message)
        if settings.layers == "scalar_mix":
            self.mix_weights = torch.nn.Parameter(torch.zeros(n_layers + 1))
            self.mix_gamma = torch.nn.Parameter(torch.ones(1))
        if settings.activation_checkpointing:
            # The forward pass is in the context already, its repetition in `backward` is not.
            enable_activation_checkpointing(
                transformer, lambda: (nullcontext(), self._operations())
            )
        self.is_adapted = False
        self.n_open: int | None = None  # all layers
        if settings.freeze_layers:
            check_frozen(transformer, settings.freeze_layers)
            self.open_layers(n_layers + 1)
        self._fast_copy: list[PreTrainedModel] = []  # a list keeps it out of state_dict()
        self.to(self.device)

    @property
    def _pad_id(self) -> int:
        return self.transformer.config.pad_token_id or 0

    @property
    def width(self) -> int:
        width = self.transformer.config.hidden_size
        return 4 * width if self.settings.layers == "last4_concat" else width

    def encode(self, rows: EncoderInput, *, is_train: bool) -> torch.Tensor:
        """Run all windows in length-sorted batches.

        RETURNS (Tensor): The kept states, in float32 for training, else in the run's precision.
            *Shape:* ``(n_kept, width)``
        """
        self.train(is_train)
        if not rows.ids:
            return torch.zeros((0, self.width), device=self.device)
        precision = autocast(self.device, self.dtype)
        with torch.set_grad_enabled(is_train), precision, self._operations():
            return self._encode(rows, is_train)

    def _encode(self, rows: EncoderInput, is_train: bool) -> torch.Tensor:
        lengths = numpy.asarray([len(ids) for ids in rows.ids], dtype="int64")
        place = numpy.empty(int(lengths.sum()) + 1, dtype="int64")  # in outputs; last: padding
        embedded = self._embed(rows) if is_train else None
        outputs = []
        n_done = 0
        costs = self._costs(is_train)
        room = self.max_pieces * costs.kept
        batches = make_batches(lengths, self.max_pieces, costs)
        while batches:
            batch = batches.pop(0)
            output: torch.Tensor | None = None
            try:
                if embedded is None or room > 0:
                    output = self._forward(rows, batch, lengths, embedded)
                else:
                    output = self._forward_twice(rows, batch, lengths, embedded)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            if output is None:  # here nothing holds what the pass has left behind any more
                batches = self._halve(batch, lengths, is_train) + batches
                continue
            outputs.append(output.flatten(0, 1))
            n_done += len(outputs[-1])
            room -= len(outputs[-1])
            place[places_of(batch, lengths).ravel()] = numpy.arange(
                n_done - len(outputs[-1]), n_done
            )
        flat = torch.cat(outputs)
        packed = flat[torch.from_numpy(place[rows.kept]).to(self.device)]
        return packed.float() if is_train else packed

    def _operations(self) -> AbstractContextManager:
        return CpuOperations() if self.device.type == "cpu" else nullcontext()

    def _costs(self, is_train: bool) -> Costs:
        if self.device.type != "cpu":
            return GPU
        return CPU_TRAIN if is_train else CPU_PREDICT

    def _embed(self, rows: EncoderInput) -> torch.Tensor:
        """Look up the embeddings of all batches at once: the gradient of the table, as large as
        the table, is then made once for an update and not once for each batch.

        RETURNS (Tensor): The windows end to end, and an embedding for padding behind them.
            *Shape:* ``(n_pieces + 1, width)``
        """
        ids = numpy.concatenate([*rows.ids, [self._pad_id]])
        return self.transformer.get_input_embeddings()(self._to_device(ids))

    def _forward(
        self,
        rows: EncoderInput,
        batch: numpy.ndarray,
        lengths: numpy.ndarray,
        embedded: torch.Tensor | None,
    ) -> torch.Tensor:
        """RETURNS (Tensor): (n_windows, longest, width)"""
        inputs = self._pad(rows, batch, lengths)
        transformer = self.transformer
        if embedded is None:
            transformer = self._inference_model()
        else:
            del inputs["input_ids"]
            inputs["inputs_embeds"] = embedded[self._to_device(places_of(batch, lengths))]
        needs_layers = self.settings.layers != "last"
        output = transformer(**inputs, output_hidden_states=needs_layers)
        return self._mix(output.hidden_states) if needs_layers else output.last_hidden_state

    def _forward_twice(
        self,
        rows: EncoderInput,
        batch: numpy.ndarray,
        lengths: numpy.ndarray,
        embedded: torch.Tensor,
    ) -> torch.Tensor:
        """As `_forward`, but what the backward pass needs is not kept: it is computed again when
        its turn comes, batch by batch, with the same dropout (Chen et al. 2016).
        """
        return checkpoint(
            lambda pieces: self._forward(rows, batch, lengths, pieces),
            embedded,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), self._operations()),
        )

    def _pad(self, rows: EncoderInput, batch: numpy.ndarray, lengths: numpy.ndarray):
        inputs = padded(rows, batch, lengths, self._pad_id, self._has_token_types())
        return {key: self._to_device(array) for key, array in inputs.items()}

    def _to_device(self, array: numpy.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def _has_token_types(self) -> bool:
        return getattr(self.transformer.config, "type_vocab_size", 0) > 1

    def _mix(self, hidden: tuple[torch.Tensor, ...]) -> torch.Tensor:
        if self.settings.layers == "last4_concat":
            return torch.cat(hidden[-4:], dim=-1)
        if self.settings.layers == "last4_sum":
            return torch.stack(hidden[-4:]).sum(dim=0)
        weights = torch.softmax(self.mix_weights.float(), dim=0)
        mixed = sum(weight * layer for weight, layer in zip(weights, hidden))
        return self.mix_gamma * mixed

    def _inference_model(self) -> PreTrainedModel:
        """Weights in half precision, made once after each change: autocast would cast the
        float32 weights again for every call.
        """
        if self.dtype == torch.float32:
            return self.transformer
        if not self._fast_copy:
            model = self.plain_transformer() if self.is_adapted else copy.deepcopy(self.transformer)
            model = model.eval().to(dtype=self.dtype)  # type: ignore[call-arg]
            self._fast_copy.append(model.requires_grad_(False))
        return self._fast_copy[0]

    def weights_changed(self) -> None:
        """Forget what was derived from the weights."""
        self._fast_copy.clear()

    def _halve(
        self, batch: numpy.ndarray, lengths: numpy.ndarray, is_train: bool
    ) -> list[numpy.ndarray]:
        n_pieces = int(lengths[batch].max()) * len(batch)
        if len(batch) == 1 and is_train:  # the windows before it are kept for the backward pass
            raise CodedMemoryError(Errors.B178.format(device=self.device))
        if len(batch) == 1:
            raise CodedMemoryError(Errors.B035.format(n_pieces=n_pieces, device=self.device))
        if self.max_pieces == self.settings.max_batch_pieces:
            half = n_pieces // 2
            message = Warnings.B900.format(device=self.device, n_pieces=n_pieces, half=half)
            warnings.warn(message, stacklevel=2)
        self.max_pieces = min(self.max_pieces, n_pieces // 2)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]

    def open_layers(self, n_open: int) -> None:
        """Let only the highest layers learn. Those that are closed keep their weights and cost no
        backward pass.

        n_open (int): How many. The embeddings are the lowest of them. Those that `freeze_layers`
            keeps stay closed.
        """
        self.n_open = n_open
        open_layers(self.transformer, n_open, self.settings.freeze_layers, self.is_adapted)

    def adapt(self) -> None:
        """Begin to learn with adapters, where the config asks for these."""
        if self.settings.adapter is not None and not self.is_adapted:
            add_adapters(self.transformer, self.settings.adapter)
            self.is_adapted = True
            self.weights_changed()
            if self.n_open is not None:
                self.open_layers(self.n_open)

    def plain_transformer(self) -> PreTrainedModel:
        """RETURNS (PreTrainedModel): The encoder with its adapters taken up into the weights."""
        return merged(self.transformer) if self.is_adapted else self.transformer

    def learn_rate_scale(self, name: str) -> float:
        """RETURNS (float): Factor on the learning rate of a parameter. Layer-wise decay: the top
        layer learns at the full rate, each layer below at `layerwise_lr_decay` times the rate of
        the one above (Sun et al. 2019). What mixes layers begins anew and learns as heads do.
        """
        if not name.startswith("transformer."):
            return 1.0
        decay = self.settings.layerwise_lr_decay
        if decay == 1.0 or "pooler" in name:
            return self.settings.lr_scale
        return self.settings.lr_scale * decay ** layers_above(self.transformer, name)
