"""The state of AdamW as named tensors, so that it can be saved without pickle."""

import torch

Tensors = dict[str, torch.Tensor]
SCALE_COUNTS = ("growth_interval", "_growth_tracker")


def get_moments(module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Tensors:
    """RETURNS (dict[str, Tensor]): What the optimizer knows of each parameter that has had a
    step, under "parameter/key".
    """
    return {
        f"{name}/{key}": value
        for name, parameter in module.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def set_moments(
    module: torch.nn.Module, optimizer: torch.optim.Optimizer, tensors: Tensors
) -> None:
    """Take up what `get_moments` gave. Names decide, not places: which parameters learn, and in
    which group, may have changed.
    """
    tensors_by_name: dict[str, Tensors] = {}
    for path, tensor in tensors.items():
        name, _, key = path.rpartition("/")
        tensors_by_name.setdefault(name, {})[key] = tensor
    names = {parameter: name for name, parameter in module.named_parameters()}
    learning = [p for group in optimizer.param_groups for p in group["params"]]
    state = {
        i: tensors_by_name[names[p]] for i, p in enumerate(learning) if names[p] in tensors_by_name
    }
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def get_scale(scaler: torch.amp.GradScaler) -> Tensors:
    """RETURNS (dict[str, Tensor]): The scale of fp16 gradients, and when it will grow."""
    state = scaler.state_dict()
    return {key: torch.tensor(value, dtype=torch.float64) for key, value in state.items()}


def set_scale(scaler: torch.amp.GradScaler, tensors: Tensors) -> None:
    state = {key: int(x) if key in SCALE_COUNTS else float(x) for key, x in tensors.items()}
    scaler.load_state_dict(state)


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + key: tensor for key, tensor in tensors.items()}


def below_prefix(prefix: str, tensors: Tensors) -> Tensors:
    return {key.removeprefix(prefix): x for key, x in tensors.items() if key.startswith(prefix)}
