"""Learned primal-dual: networks in place of the proximal maps of a primal-dual method."""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from operators.adapters.incoming import as_operator
from operators.linalg import column, dot
from operators.shapes import check_batch

from ..arguments import check_values
from .unrolled import OneByOne

__all__ = ["PrimalDual"]

_NORMS: WeakKeyDictionary[Any, float] = WeakKeyDictionary()  # a power iteration is longer than a training step


class PrimalDual(OneByOne):
    r"""Networks that pass between data and image by an operator K and its adjoint.

    .. math::
        h &\leftarrow h + \Gamma_k\big(h, K f^{(2)}, g\big) \\
        f &\leftarrow f + \Lambda_k\big(f, K^* h^{(1)}\big), \qquad k = 1 \dots n

    f holds ``memory`` images and h as many data sets, the answer is :math:`f^{(1)}`. :math:`K = A / \|A\|`, and
    :math:`g = y / (\|A\| u)` with u the mean square root of :math:`A^* y / \|A\|^2` of each sample, by which the answer
    is multiplied: it follows the data's units. Each network is three convolutions of 3 x 3 with PReLU between; the last
    one of the image is zero before training, so that it begins as ``start``.

    Args:
        op: of real images (B, 1, H, W) and data (B, 1, rows, columns), such as :class:`operators.Radon`.
        iterations: n.
        memory: images, and data sets, that are passed on, at least two.
        width: channels of the networks.
        start: function (op, y) that makes the first image; ``None``: zeros, as in the paper.

    Raises:
        ValueError: a number is too small. TypeError: images or data of another kind.

    Adler, Oktem 2018, doi:10.1109/TMI.2018.2799231.

    >>> from operators import Radon
    >>> op = Radon(16, torch.arange(12) * (torch.pi / 12))
    >>> model = PrimalDual(op, 2, width=8, start=lambda op, y: op.fbp(y))
    >>> y = op.A(torch.rand(2, 1, 16, 16))
    >>> torch.equal(model(y), op.fbp(y))
    True
    """

    def __init__(
        self,
        op: Any,
        iterations: int = 8,
        *,
        memory: int = 5,
        width: int = 32,
        start: Callable[[Any, Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        for name, value, least in (("iterations", iterations, 1), ("memory", memory, 2), ("width", width, 1)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value!r}")
        self.op, self.memory, self.start = _checked(op), memory, start
        self.dual = nn.ModuleList(_network(memory + 2, memory, width) for _ in range(iterations))
        self.primal = nn.ModuleList(_network(memory + 1, memory, width) for _ in range(iterations))
        for network in self.primal:
            for p in network[-1].parameters():  # pyright: ignore[reportIndexIssue]
                nn.init.zeros_(p)

    def one(self, y: Tensor, op: Any) -> Tensor:
        """The images after all iterations."""
        op = self.op if op is None else _checked(op)
        check_batch("y", y, op.out_shape, False)
        check_values("y", y)
        norm = _NORMS[op] if op in _NORMS else _NORMS.setdefault(op, op.norm())
        back = op.A_adjoint(y) / norm**2
        unit = (dot(back, back) / back[0].numel()).sqrt()
        some = column(torch.where(unit > 0, unit, torch.ones_like(unit)), y)
        first = torch.zeros_like(back) if self.start is None else self.start(op, y)
        f, g = (first / some).expand(-1, self.memory, -1, -1), y / (norm * some)
        h = torch.zeros_like(g).expand(-1, self.memory, -1, -1)
        moved = torch.zeros_like(f)  # apart from the start, which so comes back exactly
        for dual, primal in zip(self.dual, self.primal):
            h = h + dual(torch.cat((h, op.A((f + moved)[:, 1:2]) / norm, g), 1))
            moved = moved + primal(torch.cat((f + moved, op.A_adjoint(h[:, :1]) / norm), 1))
        return first + column(unit, y) * moved[:, :1]


def _checked(op: Any) -> Any:
    op = as_operator(op)
    kinds = op.in_dtype.is_complex or op.out_dtype.is_complex
    if kinds or any(len(shape) != 3 or shape[0] != 1 for shape in (op.in_shape, op.out_shape)):
        raise TypeError(
            f"op: expected real images and data (1, H, W), got {op.in_dtype} {op.in_shape} and {op.out_dtype} "
            f"{op.out_shape}"
        )
    return op


def _network(inputs: int, outputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1), nn.PReLU(),
        nn.Conv2d(width, width, 3, padding=1), nn.PReLU(),
        nn.Conv2d(width, outputs, 3, padding=1),
    )  # fmt: skip
