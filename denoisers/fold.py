"""Trained networks made faster for evaluation: normalisation folded into convolutions, temporaries reused."""

import copy
import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .superres import _Skip
from .xunit import Gaussian, XUnit

__all__ = ["Folded", "folded"]

_STRIP = 2**20  # values of a strip of rows
_CHAINS = (nn.Sequential.forward, _Skip.forward)  # what runs its members in turn, and keeps none of what they give


class _Affine(nn.Module):
    """What batch normalisation does in eval mode, a factor and a summand a channel; in place."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, var = norm.running_mean, norm.running_var
        if mean is None or var is None:
            raise ValueError("model: batch normalisation without running statistics cannot be folded")
        scale = torch.rsqrt(var.double() + norm.eps) * (1.0 if norm.weight is None else norm.weight.double())
        shift = (0.0 if norm.bias is None else norm.bias.double()) - mean.double() * scale
        self.register_buffer("scale", scale.to(mean.dtype)[:, None, None])
        self.register_buffer("shift", shift.to(mean.dtype)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale, out=x)


class _FoldedXUnit(nn.Module):
    """:class:`XUnit` of the usual design, in place: z exp2(-d^2), where the filter holds the second normalisation and
    the root of log2(e)."""

    def __init__(self, unit: XUnit) -> None:
        super().__init__()
        before, _, filter, after, _ = unit.gate
        assert (
            isinstance(before, nn.BatchNorm2d) and isinstance(filter, nn.Conv2d) and isinstance(after, nn.BatchNorm2d)
        )
        self.before = _Affine(before)
        self.filter = fuse_conv_bn_eval(filter, after)
        root = math.sqrt(math.log2(math.e))
        for part in self.filter.parameters():
            part.data.mul_(root)

    def forward(self, z: Tensor) -> Tensor:
        batch, channels, height, width = z.shape
        reach = self.filter.kernel_size[0] // 2
        rows = max(_STRIP // (batch * channels * width), 4 * reach, 1)
        above: Tensor | None = None
        for top in range(0, height, rows):  # strips that stay in the cache; z below them is still the input
            bottom = min(top + rows, height)
            seen = min(bottom + reach, height)
            a = z.new_zeros(batch, channels, bottom - top + 2 * reach, width)
            a = a.contiguous(memory_format=torch.channels_last)
            inside = a[..., reach : reach + seen - top, :]
            torch.addcmul(self.before.shift, z[..., top:seen, :], self.before.scale, out=inside).relu_()
            if above is not None:
                a[..., :reach, :] = above
            above = a[..., bottom - top : bottom - top + reach, :].clone()
            d = F.conv2d(a, self.filter.weight, self.filter.bias, padding=(0, reach), groups=channels)
            z[..., top:bottom, :].mul_(d.square_().neg_().exp2_())
        return z


def _stamp(tensors: Iterable[Tensor]) -> list[tuple[Any, ...]]:
    """What changes when a tensor is written to, replaced or converted; writing through ``.data`` leaves no trace."""
    return [(t.data_ptr(), 0 if t.is_inference() else t._version, t.dtype, t.device) for t in tensors]


class _Perceptron(nn.Module):
    """Linear, GELU, Linear along the last axis by oneDNN; its products were twice as fast as BLAS's where measured."""

    def __init__(self, first: nn.Linear, last: nn.Linear) -> None:
        super().__init__()
        self.first, self.last = first, last
        self._packed: tuple[Any, list[Tensor]] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != torch.float32 or x.device.type != "cpu":
            return self.last(F.gelu(self.first(x)))
        tensors = [self.first.weight, self.first.bias, self.last.weight, self.last.bias]
        stamp = _stamp(tensors)
        if self._packed is None or self._packed[0] != stamp:
            self._packed = stamp, [t.detach().to_mkldnn() for t in tensors]
        w, b, v, c = self._packed[1]
        hidden = F.gelu(F.linear(x.reshape(-1, x.shape[-1]).to_mkldnn(), w, b))
        return F.linear(hidden, v, c).to_dense().reshape(x.shape)

    def __getstate__(self) -> dict[str, Any]:  # oneDNN's tensors can be neither copied nor saved
        return {**self.__dict__, "_packed": None}


def _is_perceptron(members: list[nn.Module]) -> bool:
    first, middle, last = members if len(members) == 3 else (None, None, None)
    if not (isinstance(first, nn.Linear) and isinstance(middle, nn.GELU) and isinstance(last, nn.Linear)):
        return False
    fits = first.in_features == last.out_features and first.bias is not None and last.bias is not None
    plain = first.weight.dtype == torch.float32 and first.weight.device.type == "cpu" and middle.approximate == "none"
    return fits and plain and torch.backends.mkldnn.is_available()


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
            members.append(_Affine(module))
        elif own and _is_usual(module):
            assert isinstance(module, XUnit)
            members.append(_FoldedXUnit(module))
        elif own and type(module) is nn.ReLU:
            members.append(nn.ReLU(inplace=True))
        else:
            _fold(module)
            members.append(module)
        if _is_perceptron(members[-3:]):
            first, _, last = members[-3:]
            assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
            members[-3:] = [_Perceptron(first, last)]
        own = type(module) in (nn.Conv2d, nn.BatchNorm2d, XUnit, nn.ReLU)
    while len(chain):
        del chain[0]
    chain.extend(members)


def _fold(model: nn.Module) -> None:
    if isinstance(model, nn.Sequential) and type(model).forward in _CHAINS:
        _fold_chain(model)
    elif getattr(model, "folds", True):
        for child in model.children():
            _fold(child)


def folded(model: nn.Module) -> nn.Module:
    """A frozen copy of ``model`` for evaluation alone, with the same output up to rounding.

    In chains (``nn.Sequential``, not subclasses with a ``forward`` of their own), batch normalisation becomes part of
    the convolution before it, or a product and sum in place; ReLU and :class:`XUnit` write into their own input;
    perceptrons go to oneDNN on CPUs; tensors are channels-last. It has no derivatives, and a ``state_dict`` of its own.
    A module whose ``folds`` is False is left as it is.

    >>> from denoisers import DnCNN
    >>> net, x = DnCNN(1, width=8, depth=4).eval(), torch.rand(1, 1, 16, 16)
    >>> with torch.no_grad():
    ...     torch.allclose(folded(net)(x), net(x), atol=1e-5)
    True
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    _fold(model)
    return model.to(memory_format=torch.channels_last)


class Folded:
    """Evaluates a network through its folded copy where derivatives are not asked for; follows changed weights.

    Changes are seen by the tensors' versions: writing through ``tensor.data`` leaves none, and takes a new ``Folded``.

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
        if model.training or (torch.is_grad_enabled() and any(t.requires_grad for t in (x, *tensors))):
            return model(x)
        key = [model, _stamp(tensors)]
        if self._copy is None or key != self._key:
            self._copy, self._key = folded(model), key
        return self._copy(x.contiguous(memory_format=torch.channels_last))

    def __getstate__(self) -> dict[str, Any]:
        return {"owner": self.owner, "part": self.part, "_copy": None, "_key": None}
