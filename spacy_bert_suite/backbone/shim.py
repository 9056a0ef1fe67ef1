"""A torch module inside a thinc model: AdamW steps, safetensors bytes, no pickle."""

import copy
import warnings
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional

import safetensors.torch
import srsly
import torch
from thinc.api import Model, Optimizer
from thinc.shims import Shim

from ..errors import Warnings

NO_DECAY = ("bias", "LayerNorm", "layer_norm", "transitions")


@dataclass(frozen=True)
class AdamWSettings:
    """What a step takes from the spaCy optimiser object, at the time that it is asked for.

    betas, eps, weight_decay: as in decoupled AdamW (Loshchilov and Hutter 2019).
    max_norm (float): Largest norm of all gradients together; 0 does not clip.
    """

    learn_rate: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    max_norm: float

    @classmethod
    def from_optimizer(cls, optimizer: Optimizer) -> "AdamWSettings":
        return cls(
            float(optimizer.learn_rate),
            float(optimizer.b1),
            float(optimizer.b2),
            float(optimizer.eps),
            float(optimizer.L2) if optimizer.L2_is_weight_decay else 0.0,
            float(optimizer.grad_clip or 0.0),
        )


class TorchShim(Shim):
    """Holds a torch module that is built when its sizes are known.

    build (Callable): Makes the module from `cfg`.
    cfg (Dict): Plain values, saved beside the weights.
    """

    def __init__(self, build: Callable[..., Any], cfg: Dict[str, Any]):
        super().__init__(None, cfg)
        self.build = build
        self.scaler: Optional[torch.amp.GradScaler] = None

    @property
    def module(self) -> Any:
        """RETURNS (Optional[torch.nn.Module]): The module, once it is built or loaded."""
        return self._model

    @module.setter
    def module(self, module: Optional[torch.nn.Module]) -> None:
        self._model = module
        self._optimizer = None

    def finish_update(self, optimizer: Optimizer) -> None:
        self.step(AdamWSettings.from_optimizer(optimizer))

    def step(self, settings: AdamWSettings) -> None:
        """Take one AdamW step with the gradients that are there, and clear them. Without any
        gradient nothing changes; with one that is not finite the step is left out.
        """
        if self._model is None or all(p.grad is None for p in self._model.parameters()):
            return
        if self._optimizer is None:
            self._optimizer = torch.optim.AdamW(self._groups(), fused=self._can_fuse())
        for group in self._optimizer.param_groups:
            group["lr"] = settings.learn_rate * group["lr_scale"]
            group["betas"] = (settings.beta1, settings.beta2)
            group["eps"] = settings.eps
            group["weight_decay"] = settings.weight_decay if group["decays"] else 0.0
        if self.scaler is not None:
            self.scaler.unscale_(self._optimizer)
        parameters = [p for p in self._model.parameters() if p.grad is not None]
        max_norm = settings.max_norm or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
        is_finite = bool(torch.isfinite(norm))
        if self.scaler is not None:
            self.scaler.step(self._optimizer)
            self.scaler.update()
        elif is_finite:
            self._optimizer.step()
        if not is_finite:
            warnings.warn(Warnings.B901, stacklevel=2)
        self._optimizer.zero_grad(set_to_none=True)

    def _can_fuse(self) -> bool:
        return all(p.is_floating_point() for p in self._model.parameters()) and next(
            self._model.parameters()
        ).device.type in ("cpu", "cuda")

    def _groups(self) -> List[Dict[str, Any]]:
        """Parameters by learn rate and decay: none on biases and LayerNorm (Devlin et al. 2019)."""
        scale_of = getattr(self._model, "learn_rate_scale", lambda name: 1.0)
        groups: Dict[tuple, Dict[str, Any]] = {}
        for name, parameter in self._model.named_parameters():
            if parameter.requires_grad:
                decays = not any(part in name for part in NO_DECAY)
                key = (scale_of(name), decays)
                group = groups.setdefault(key, {"params": [], "lr_scale": key[0], "decays": decays})
                group["params"].append(parameter)
        return list(groups.values())

    def copy(self) -> "TorchShim":
        shim = TorchShim(self.build, copy.deepcopy(self.cfg))
        shim.module = copy.deepcopy(self._model)
        return shim

    def to_device(self, device_type: str, device_id: int) -> None:
        """Heads follow the backbone's device, the backbone its config: nothing to do."""

    def to_bytes(self) -> bytes:
        weights = None if self._model is None else module_to_bytes(self._model)
        return srsly.msgpack_dumps({"cfg": self.cfg, "weights": weights})

    def from_bytes(self, data: bytes) -> "TorchShim":
        message = srsly.msgpack_loads(data)
        self.cfg = message["cfg"]
        self.module = None
        if message["weights"] is not None:
            self.module = self.build(self.cfg)
            self.module.load_state_dict(safetensors.torch.load(message["weights"]))
        return self


def get_shim(model: Model) -> Any:
    """RETURNS (TorchShim): What holds the torch module of a head or of the backbone."""
    return model.shims[0]


def module_to_bytes(module: torch.nn.Module) -> bytes:
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()
    }
    return safetensors.torch.save(state)
