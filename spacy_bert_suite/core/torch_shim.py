"""TorchShim: a torch module inside a thinc model; AdamW steps, safetensors, no pickle."""

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import safetensors.torch
import srsly
import torch
from thinc.api import Model, Optimizer
from thinc.shims import Shim

from ..errors import CodedValueError, Errors, Warnings
from .ema import MARK, MARKER, WeightAverages
from .finite import check_finite
from .locks import LOADING, SharedLock
from .optimizer_state import (
    below_prefix,
    get_moments,
    get_scale,
    set_moments,
    set_scale,
    with_prefix,
)

NO_DECAY = ("bias", "LayerNorm", "layer_norm", "transitions")
COUNTS = ("n_steps", "n_skipped")


@dataclass(frozen=True)
class AdamWSettings:
    """What a step takes from the spaCy optimizer object, at the time that it is asked for.

    betas, eps, weight_decay: as in decoupled AdamW (Loshchilov and Hutter 2019).
    max_norm (float): Largest norm of the gradients of a shim together: of the backbone, or of one
        head; 0 does not clip. (thinc clips those of each of its own parameters by themselves.)
    averages (Dict | None): The optimizer's own averages of weights; None if it keeps none.
    """

    learn_rate: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    max_norm: float
    averages: dict[Any, Any] | None = None

    @classmethod
    def from_optimizer(cls, optimizer: Optimizer) -> "AdamWSettings":
        return cls(
            float(optimizer.learn_rate),
            float(optimizer.b1),
            float(optimizer.b2),
            float(optimizer.eps),
            float(optimizer.L2) if optimizer.L2_is_weight_decay else 0.0,
            float(optimizer.grad_clip or 0.0),
            optimizer.averages,
        )


@dataclass(frozen=True)
class StepReport:
    """What the last step of a shim was.

    learn_rate (float): As the optimizer gave it, before any scale by layer.
    gradient_norm (float): Of the shim's gradients together, before clipping; may be inf or nan.
    n_steps (int): Steps taken so far.
    n_skipped (int): Steps left out so far, for a gradient that was not finite.
    """

    learn_rate: float = 0.0
    gradient_norm: float = 0.0
    n_steps: int = 0
    n_skipped: int = 0


class TorchShim(Shim):
    """Holds a torch module that is built when its sizes are known.

    build (Callable): Makes the module from `cfg`.
    cfg (Dict): Plain values, saved beside the weights.
    free (Sequence[str]): Keys of `cfg` on which no weight depends: a module that is loaded goes by
        what the config says now, not by what was saved; "auto" is what it was found to mean then.
    """

    def __init__(self, build: Callable[..., Any], cfg: dict[str, Any], free: Sequence[str] = ()):
        super().__init__(None, cfg)
        self.build = build
        self.free = free
        self.scaler: torch.amp.GradScaler | None = None
        self.averages = WeightAverages()
        self.report = StepReport()
        self.lock = SharedLock()
        self._norm: float | None = None  # of gradients that are ready for a step

    @property
    def module(self) -> Any:
        """RETURNS (torch.nn.Module | None): The module, once it is built or loaded."""
        return self._model

    @module.setter
    def module(self, module: torch.nn.Module | None) -> None:
        self._model = module
        self._optimizer = None
        self.averages = WeightAverages()
        self._norm = None

    def build_module(self) -> None:
        """Make the module that `cfg` describes, with weights as they are before training."""
        with LOADING:
            self.module = self.build(self.cfg)

    def finish_update(self, optimizer: Optimizer) -> None:
        self.step(AdamWSettings.from_optimizer(optimizer))

    def step(self, settings: AdamWSettings) -> None:
        """Take one AdamW step with the gradients that are there, and clear them. Without any
        gradient nothing changes; with one that is not finite the step is left out.
        """
        with self.lock.alone():
            norm = self.prepare_step(settings)
            if norm is not None and math.isfinite(norm):
                self._take_step(settings)
                self._end_step(settings, n_steps=self.report.n_steps + 1)
            elif norm is not None:
                warnings.warn(Warnings.B901, stacklevel=2)
                self.skip(settings)

    def prepare_step(self, settings: AdamWSettings) -> float | None:
        """Clip the gradients that are there, once before each step.

        RETURNS (float | None): Their norm before that; None without any gradient.
        """
        if self._norm is None and self._with_gradients():
            if self.scaler is not None:
                self.scaler.unscale_(self._get_optimizer())
            self._norm = self._clip(settings.max_norm or math.inf)
        return self._norm

    def skip(self, settings: AdamWSettings) -> None:
        """Leave a step out and clear the gradients, if there are any."""
        if self.prepare_step(settings) is not None:
            self._end_step(settings, n_skipped=self.report.n_skipped + 1)

    @contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Inside, the weights are their averages, if `params` are those of an optimizer with which
        this module has learnt.
        """
        if self._model is None or MARKER not in params:
            yield
        else:
            with self.averages.swapped(self._model):
                yield

    def _with_gradients(self) -> dict[str, torch.nn.Parameter]:
        """RETURNS (dict[str, Parameter]): Parameters with a gradient, by name."""
        parameters = [] if self._model is None else self._model.named_parameters()
        return {name: p for name, p in parameters if p.grad is not None}

    def _clip(self, max_norm: float) -> float:
        return float(torch.nn.utils.clip_grad_norm_(self._with_gradients().values(), max_norm))

    def _get_optimizer(self) -> torch.optim.AdamW:
        if self._optimizer is None:
            self._optimizer = torch.optim.AdamW(self._groups(), fused=self._can_fuse())
        return self._optimizer

    def _take_step(self, settings: AdamWSettings) -> None:
        optimizer = self._get_optimizer()
        for group in optimizer.param_groups:
            group["lr"] = settings.learn_rate * group["lr_scale"]
            group["betas"] = (settings.beta1, settings.beta2)
            group["eps"] = settings.eps
            group["weight_decay"] = settings.weight_decay if group["decays"] else 0.0
        learning = self._with_gradients()
        if settings.averages is not None:
            self.averages.begin(learning)
        if self.scaler is not None:
            self.scaler.step(optimizer)
        else:
            optimizer.step()
        if settings.averages is not None:
            self.averages.update(learning)
            settings.averages[MARKER] = MARK

    def _end_step(self, settings: AdamWSettings, **counts: int) -> None:
        if self.scaler is not None:
            self.scaler.update()
        self._get_optimizer().zero_grad(set_to_none=True)
        rate, norm = settings.learn_rate, float(self._norm or 0.0)
        self._norm = None
        self.report = replace(self.report, learn_rate=rate, gradient_norm=norm, **counts)

    def training_state(self) -> dict[str, torch.Tensor]:
        """RETURNS (dict[str, Tensor]): What a resumed run needs beside the weights: the moments of
        AdamW and averages by the names of the parameters, the scale of fp16 gradients, the counts.
        """
        tensors = {key: torch.tensor(getattr(self.report, key)) for key in COUNTS}
        if self._optimizer is not None:
            tensors |= with_prefix("moments/", get_moments(self._model, self._optimizer))
        if self.scaler is not None:
            tensors |= with_prefix("scale/", get_scale(self.scaler))
        return tensors | self.averages.state()

    def load_training_state(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take up what `training_state` gave, after the weights are loaded."""
        self.report = StepReport(**{key: int(tensors[key]) for key in COUNTS})
        moments = below_prefix("moments/", tensors)
        if moments:
            set_moments(self._model, self._get_optimizer(), moments)
        scale = below_prefix("scale/", tensors)
        if scale and self.scaler is not None:
            set_scale(self.scaler, scale)
        if self._model is not None:
            self.averages.load(tensors, self._model)

    def _can_fuse(self) -> bool:
        return all(p.is_floating_point() for p in self._model.parameters()) and next(
            self._model.parameters()
        ).device.type in ("cpu", "cuda")

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters by learning rate and decay, without decay of biases and LayerNorm (Devlin et
        al. 2019).
        """
        scale_of = getattr(self._model, "learn_rate_scale", lambda name: 1.0)
        groups: dict[tuple, dict[str, Any]] = {}
        for name, parameter in self._model.named_parameters():
            # Those that do not learn now may later; without a gradient a step leaves them out.
            decays = not any(part in name for part in NO_DECAY)
            key = (scale_of(name), decays)
            group = groups.setdefault(key, {"params": [], "lr_scale": key[0], "decays": decays})
            group["params"].append(parameter)
        return list(groups.values())

    def copy(self) -> "TorchShim":
        shim = TorchShim(self.build, copy.deepcopy(self.cfg), self.free)
        shim.module = copy.deepcopy(self._model)
        return shim

    def to_device(self, device_type: str, device_id: int) -> None:
        """Heads follow the backbone's device, the backbone its config: nothing to do."""

    def to_bytes(self) -> bytes:
        weights = None if self._model is None else module_to_bytes(self._model)
        return srsly.msgpack_dumps({"cfg": self.cfg, "weights": weights})

    def from_bytes(self, data: bytes) -> "TorchShim":
        message = srsly.msgpack_loads(data)
        free = {key: self.cfg[key] for key in self.free if self.cfg.get(key, "auto") != "auto"}
        self.cfg = {**message["cfg"], **free}
        self.module = None
        if message["weights"] is not None:
            self.build_module()
            self._load(safetensors.torch.load(message["weights"]))
        return self

    def _load(self, weights: dict[str, torch.Tensor]) -> None:
        try:
            self.module.load_state_dict(weights)
        except RuntimeError as error:
            raise CodedValueError(Errors.B039.format(reason=error)) from error
        check_finite(self.module.named_parameters(), "the saved component")


def get_shim(model: Model) -> Any:
    """RETURNS (TorchShim): What holds the torch module of a head or of the backbone."""
    return model.shims[0]


def module_of(shim: Shim) -> torch.nn.Module | None:
    """RETURNS (Module | None): The torch module in a shim, of this package or of thinc."""
    module = getattr(shim, "_model", None)
    return module if isinstance(module, torch.nn.Module) else None


def module_to_bytes(module: torch.nn.Module) -> bytes:
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()
    }
    return safetensors.torch.save(state)
