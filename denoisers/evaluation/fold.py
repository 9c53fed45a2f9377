"""Trained networks made faster for evaluation: normalisation folded into convolutions, temporaries reused."""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..modes import is_plain
from ..networks.mixer import Along
from ..networks.superres import Skip
from ..networks.xunit import Gaussian, XUnit
from .layers import Affine, FewOutputs, FoldedXUnit, InstanceNorm, Perceptron
from .strips import nhwc

__all__ = ["Folded", "folded"]

_FRESH = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.InstanceNorm2d, XUnit, nn.ReLU, nn.LeakyReLU, nn.PReLU)
_CHAINS = (
    nn.Sequential.forward,
    Skip.forward,
)  # what runs its members one after the other, and keeps none of what they give


def _stamp(tensors: Iterable[Tensor]) -> list[tuple[Any, ...]]:
    """What changes when a tensor is written to, replaced or converted; writing through ``.data`` leaves no trace."""
    return [(t.data_ptr(), 0 if t.is_inference() else t._version, t.dtype, t.device) for t in tensors]


def _settings(model: nn.Module) -> list[Any]:
    """Numbers and words that modules hold as attributes."""
    plain = (int, float, str, bool, tuple)
    return [(k, v) for m in model.modules() for k, v in vars(m).items() if isinstance(v, plain)]


def _perceptron(members: Iterable[nn.Module], axis: int = -1) -> Perceptron | None:
    """Linear, GELU, Linear as one; along another axis than the last if a wide hidden layer is worth the copies."""
    match [*members]:
        case [nn.Linear() as first, nn.GELU(approximate="none"), nn.Linear() as last] if type(first) is type(last):
            pays = axis == -1 or first.out_features >= 2 * first.in_features
            return Perceptron(first, last, axis) if pays and type(first) is nn.Linear else None
    return None


def _is_usual(unit: nn.Module) -> bool:
    kinds = (nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.BatchNorm2d, Gaussian)
    return isinstance(unit, XUnit) and tuple(map(type, unit.gate)) == kinds


def _flat(chain: nn.Sequential) -> list[nn.Module]:
    """Members, those of plain chains inside the chain in their place."""
    return [inner for m in chain for inner in (_flat(m) if type(m) is nn.Sequential else [m])]


def _fold_chain(chain: nn.Sequential) -> None:
    """Fold the members of a chain; none of them writes into what the chain was given, or what a member may keep."""
    members: list[nn.Module] = []
    own = False  # the value at this point is nobody else's
    for module in _flat(chain):
        last = members[-1] if members else None
        if type(module) is nn.BatchNorm2d and type(last) is nn.Conv2d:
            members[-1] = fuse_conv_bn_eval(last, module)
        elif type(module) is nn.BatchNorm2d and own:
            members.append(Affine(module))
        elif own and _is_usual(module):
            assert isinstance(module, XUnit)
            members.append(FoldedXUnit(module))
        elif own and type(module) is nn.InstanceNorm2d and not module.track_running_stats:
            members.append(InstanceNorm(module))
        elif own and type(module) is nn.ReLU:
            members.append(nn.ReLU(inplace=True))
        elif own and type(module) is nn.LeakyReLU:
            members.append(nn.LeakyReLU(module.negative_slope, inplace=True))
        elif own and type(module) is nn.PReLU and module.num_parameters == 1:
            members.append(nn.LeakyReLU(float(module.weight), inplace=True))
        elif type(module) is Along and (whole := _perceptron(module.inner.children(), module.axis)):
            members.append(whole)
        else:
            _fold(module)
            members.append(module)
        if whole := _perceptron(members[-3:]):
            members[-3:] = [whole]
        own = type(module) in _FRESH
    while len(chain):
        del chain[0]
    chain.extend(FewOutputs(m) if type(m) is nn.Conv2d and FewOutputs.fits(m) else m for m in members)


def _fold(model: nn.Module) -> None:
    if isinstance(model, nn.Sequential) and type(model).forward in _CHAINS:
        _fold_chain(model)
    elif type(model) is not Along:  # which reads its perceptron's layers one by one
        for child in model.children():
            _fold(child)


def folded(model: nn.Module) -> nn.Module:
    """A frozen copy of ``model`` for evaluation only, with the same output up to rounding.

    In chains (``nn.Sequential``, not subclasses with a ``forward`` of their own), batch normalisation becomes part of
    the convolution before it, or a product and sum in place; ReLU and :class:`XUnit` write into their own input;
    perceptrons are done in two passes; convolutions to a few channels become one product on CPUs; tensors are
    channels-last. It has no derivatives, and a ``state_dict`` of its own.

    >>> from denoisers import DnCNN
    >>> net, x = DnCNN(1, width=8, depth=4).eval(), torch.rand(1, 1, 16, 16)
    >>> with torch.no_grad():
    ...     torch.allclose(folded(net)(x), net(x), atol=1e-5)
    True
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    _fold(model)
    return model.to(memory_format=layout(model))


def layout(model: nn.Module) -> torch.memory_format:
    """Memory format to run ``model`` in: channels-last unless it contains ``nn.InstanceNorm2d``."""
    last = not any(isinstance(m, nn.InstanceNorm2d) for m in model.modules())
    return torch.channels_last if last else torch.contiguous_format


class Folded:
    """Evaluates a network through its folded copy where derivatives are not asked for; follows changed weights.

    Changes are seen by the tensors' versions, and by numbers and words that are attributes of modules: writing through
    ``tensor.data`` or into lists leaves none, and takes a new ``Folded``. What cannot be copied is evaluated as it is.

    Args:
        model: the network, or what holds it.
        part: name of the network in ``model``, as in ``get_submodule``; one that takes its place is followed.

    >>> net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1)).eval()
    >>> fast = Folded(net)
    >>> with torch.no_grad():
    ...     fast(torch.ones(1, 1, 3, 3)).shape
    torch.Size([1, 1, 1, 1])
    """

    def __init__(self, model: nn.Module, part: str = "") -> None:
        self.owner, self.part = model, part
        self._copy: nn.Module | None = None
        self._key: Any = None

    @property
    def model(self) -> nn.Module:
        """The network as it is now."""
        return self.owner.get_submodule(self.part)

    def __call__(self, x: Tensor) -> Tensor:
        model = self.model
        tensors = [*model.parameters(), *model.buffers()]
        if model.training or not is_plain((x, *tensors)):
            return model(x)
        key = [model, _stamp(tensors), _settings(model)]
        if self._copy is None or key != self._key:
            try:
                self._copy = folded(model)
            except (RuntimeError, TypeError):  # of what deepcopy does not take: parametrised weights, locks, files
                self._copy = model
            self._key = key
        last = x.ndim == 4 and layout(self._copy) is torch.channels_last
        return self._copy(nhwc(x) if last else x.contiguous())

    def __getstate__(self) -> dict[str, Any]:
        return {"owner": self.owner, "part": self.part, "_copy": None, "_key": None}
