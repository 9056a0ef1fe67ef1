"""Whether a head reads the backbone on which it was trained.

A few values of each matrix of the backbone are kept with every head that is saved. They are
compared, not hashed: a copy in bf16 is the same backbone, one that was trained further is not.
"""

import warnings
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..core.torch_shim import get_shim
from ..errors import Warnings
from .model import find_backbone, get_backbone
from .weights.loading import is_local

if TYPE_CHECKING:
    from .component import Bert

N_VALUES = 16  # of each matrix
MOST = 0.003  # relative distance of a matrix; rounding to bf16 is below 0.002, training above

Sample = dict[str, list[float]]


def take_sample(bert: "Bert") -> Sample | None:
    """RETURNS (Dict | None): Some values of each matrix, by name; None without weights."""
    encoder = get_shim(bert.model).module
    if encoder is None or encoder.device.type == "meta":  # which has no values
        return None
    state = encoder.plain_transformer().state_dict()
    found = {name: tensor for name, tensor in state.items() if is_matrix(name, tensor)}
    if not found:
        return None
    values = torch.stack([pick(tensor) for tensor in found.values()]).cpu().tolist()
    return dict(zip(found, values))


def is_matrix(name: str, tensor: torch.Tensor) -> bool:
    """A pooler is left out: some copies of a model have none."""
    return tensor.dim() > 1 and tensor.is_floating_point() and "pooler" not in name


def pick(tensor: torch.Tensor) -> torch.Tensor:
    flat = tensor.detach().reshape(-1)
    places = torch.arange(N_VALUES, device=flat.device) * (len(flat) - 1) // (N_VALUES - 1)
    return flat[places].float()


def are_same(one: Sample | None, other: Sample | None) -> bool:
    """RETURNS (bool): Whether two samples are of one backbone, as far as is known."""
    if one is None or other is None:
        return True
    shared = [name for name in one if name in other]
    return bool(shared) and all(is_near(one[name], other[name]) for name in shared)


def is_near(one: list[float], other: list[float]) -> bool:
    x, y = torch.tensor(one), torch.tensor(other)
    return float((x - y).norm()) <= MOST * float(x.norm())


class Home:
    """The backbones that a head was bound to. They are not copied or pickled with the head."""

    def __init__(self) -> None:
        self._bert: weakref.ref[Bert] | None = None
        self._known: weakref.WeakSet[Bert] = weakref.WeakSet()
        self.saved: Sample | None = None  # of the backbone with which the head was saved

    def __reduce__(self):
        return Home, ()

    @property
    def bert(self) -> "Bert | None":
        """RETURNS (Bert | None): The last one."""
        return None if self._bert is None else self._bert()

    def knows(self, bert: "Bert") -> bool:
        return bert in self._known and self.saved is None

    def sample(self) -> Sample | None:
        """RETURNS (Dict | None): That of the backbone on which the head was trained."""
        if self.saved is not None:
            return self.saved
        return None if self.bert is None else take_sample(self.bert)

    def settle(self, bert: "Bert") -> None:
        self._known.add(bert)
        self._bert, self.saved = weakref.ref(bert), None

    def beside(self, path: Path) -> "Bert | None":
        """RETURNS (Bert | None): The backbone whose weights are in the same pipeline on the disk.

        path (Path): The folder of the head.
        """
        for bert in self._known:
            shim, folder = get_shim(bert.model), (path.parent / bert.name / "model").resolve()
            if shim.place == (folder, shim.report.n_steps):
                return bert
        return None


def check_fit(component: Any, bert: "Bert") -> None:
    """Warn once where a trained head gets another backbone than it was trained on.

    component (HeadPipe): It may listen to `bert`.
    """
    home = getattr(component, "home", None)
    if not isinstance(home, Home) or home.knows(bert) or not reads(component, bert):
        return
    expected = home.sample() if is_built(component) else None
    if expected is not None and not has_weights(bert):
        return
    fits = are_same(expected, None if expected is None else take_sample(bert))
    home.settle(bert)
    if not fits:
        message = Warnings.B965.format(name=component.name, upstream=bert.name)
        warnings.warn(message, stacklevel=2)


def reads(component: Any, bert: "Bert") -> bool:
    """RETURNS (bool): Whether a component uses this backbone and none of its own. One that takes
    any backbone does not say which it was trained on.
    """
    if find_backbone(component.model) is not None:
        return False
    return any(getattr(node, "upstream_name", "") == bert.name for node in component.model.walk())


def has_weights(bert: "Bert") -> bool:
    """RETURNS (bool): Whether there are weights to compare. Those that would be loaded for the
    first text are loaded now.
    """
    backbone = get_shim(bert.model)
    if backbone.module is None and is_local(backbone.name):
        get_backbone(bert.model)
    return backbone.module is not None


def is_built(component: Any) -> bool:
    """RETURNS (bool): Whether a component has weights that were trained or loaded."""
    shims = [shim for node in component.model.walk() for shim in node.shims]
    return any(getattr(shim, "module", None) is not None for shim in shims)
