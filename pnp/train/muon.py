"""Muon: steps along orthogonalised gradients, for convolutions read as matrices; Adam for what is not a matrix."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from denoisers.evaluation.precision import has_bfloat16

__all__ = ["Muon"]


def orthogonalised(x: Tensor, steps: int = 5) -> Tensor:
    r"""About :math:`U V^T` of a matrix :math:`U S V^T`, singular values between 0.7 and 1.2, without a decomposition:
    five steps of the polynomial a X + b (X Xᵀ) X + c (X Xᵀ)² X, in bfloat16 where the processor has it.

    >>> u = orthogonalised(torch.randn(8, 30, generator=torch.Generator().manual_seed(0)))
    >>> bool((torch.linalg.svdvals(u) - 1).abs().max() < 0.4)
    True
    """
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    kept = x.dtype
    x = x / (x.norm() + 1e-12)
    if kept == torch.float32 and has_bfloat16(x.device):  # the band is wide, three digits are enough
        x = x.to(torch.bfloat16)
    a, b, c = 3.4445, -4.7750, 2.0315  # as published: the steepest start that still ends within the band
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(kept)


class Muon(torch.optim.Optimizer):
    r"""Momentum of the gradient, orthogonalised: every direction of a weight's matrix learns at the same pace.

    .. math:: m \leftarrow \mu m + (1 - \mu) g, \quad
        w \leftarrow w - \eta \sqrt{\max(1, r / c)}\; \mathrm{orth}\big((1 - \mu) g + \mu m\big)

    for a weight of r outputs and c inputs times taps. In DRUNet eight minutes of it went further than Adam's.

    Args:
        matrices: weights with two axes or more; all axes but the first are one.
        others: further weights, which Adam moves (betas 0.9, 0.99), such as first and last layers.
        lr: rate of the matrices. others_lr: of the others.
        momentum: mu.

    Jordan et al. 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv:2502.16982.

    >>> w = torch.nn.Parameter(torch.ones(2, 3))
    >>> optimizer = Muon([w], lr=0.1)
    >>> (w.square().sum() / 2).backward()
    >>> optimizer.step()
    >>> bool((w < 1).all())
    True
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor] = (),
        *,
        lr: float = 0.02,
        others_lr: float = 1e-3,
        momentum: float = 0.95,
    ) -> None:
        matrices, others = list(matrices), list(others)
        if flat := [tuple(w.shape) for w in matrices if w.ndim < 2]:
            raise ValueError(f"matrices: expected weights with two axes or more, got shape {flat[0]}")
        groups: list[dict[str, Any]] = [{"params": matrices, "lr": lr, "adam": False}]
        if others:
            groups.append({"params": others, "lr": others_lr, "adam": True})
        super().__init__(groups, {"momentum": momentum, "betas": (0.9, 0.99)})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    (self._adam if group["adam"] else self._muon)(weight, weight.grad, self.state[weight], group)
        return loss

    @staticmethod
    def _muon(weight: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        mean = state.setdefault("mean", torch.zeros_like(weight))
        mean.lerp_(gradient, 1 - group["momentum"])
        matrix = gradient.lerp(mean, group["momentum"]).flatten(1)
        stretch = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        weight.sub_(orthogonalised(matrix).reshape(weight.shape), alpha=group["lr"] * stretch)

    @staticmethod
    def _adam(weight: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        first, second = group["betas"]
        mean = state.setdefault("mean", torch.zeros_like(weight))
        square = state.setdefault("square", torch.zeros_like(weight))
        state["count"] = count = state.get("count", 0) + 1
        mean.lerp_(gradient, 1 - first)
        square.lerp_(gradient.square(), 1 - second)
        size = (square / (1 - second**count)).sqrt_().add_(1e-8)
        weight.addcdiv_(mean, size, value=-group["lr"] / (1 - first**count))
