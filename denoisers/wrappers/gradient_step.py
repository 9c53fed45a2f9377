"""A denoiser that is a gradient step, so that solvers have an objective that falls."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..base import Wrapper
from ..modes import in_dual_level, transformed

__all__ = ["GradientStep", "distance_potential", "half_square", "value_and_slope"]


class GradientStep(Wrapper):
    r"""The gradient step of a network's own potential:

    .. math:: D_\sigma(x) = x - \nabla g_\sigma(x), \qquad g_\sigma(x) = \tfrac12 \|x - N_\sigma(x)\|^2, \qquad
        \nabla g = (I - N')^* (x - N(x))

    with the exact gradient by one backward pass: two to three times the price of N. Its derivative is symmetric, and
    :class:`pnp.PnPDescent` minimises :math:`f(Ax, y) + g_\sigma(x) / \tau` with it, every step downhill. Networks that
    were not trained for it (recipe ``drunet-natural-gray-gradient-step``) denoise less: ``widen`` tells them more noise
    than there is.

    Args:
        denoiser: N, any denoiser with derivatives, or callable ``(x, sigma)``, in evaluation mode.
        widen: N is told ``widen`` times sigma, at most the highest level that it knows.

    Raises:
        ValueError: ``widen`` is not positive.
        RuntimeError: in ``forward``: N has no derivative (``BM3DDenoiser``).

    Hurault, Leclaire, Papadakis 2022, arXiv:2110.03220; Cohen, Blau, Freedman, Rivlin 2021, arXiv:2108.05813.

    >>> D = GradientStep(lambda x, sigma: x / 2)
    >>> D(torch.ones(1, 1, 1, 2), 0.1).tolist(), D.objective(torch.ones(1, 1, 1, 2), 0.1).tolist()
    ([[[[0.75, 0.75]]]], [0.25])
    """

    def __init__(self, denoiser: Callable[..., Tensor], *, widen: float = 1.0) -> None:
        if not isinstance(widen, int | float) or not 0 < widen < float("inf"):
            raise ValueError(f"widen: expected a positive number, got {widen!r}")
        super().__init__(denoiser if widen == 1 else _Widened(denoiser, float(widen)))

    def objective(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """g of images (B, C, H, W), in squares of their unit, (B,)."""
        return distance_potential(x, self.denoiser(x, sigma))

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        self.check(x)
        if torch.is_inference_mode_enabled():  # which holds no graphs, but the slope needs one
            with torch.inference_mode(False), torch.no_grad():
                return self(x.clone(), sigma.clone() if isinstance(sigma, Tensor) else sigma)
        return x - value_and_slope(lambda v: self.objective(v, sigma), x)[1]


class _Widened(Wrapper):
    """A denoiser that is told more noise than there is, or less."""

    def __init__(self, denoiser: Callable[..., Tensor], factor: float) -> None:
        super().__init__(denoiser)
        self.factor = factor

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        level = torch.as_tensor(sigma, dtype=x.real.dtype, device=x.device)
        told = self.factor * level
        if self.sigma_range is not None:
            told = torch.where(told > self.sigma_range[1], level.clamp_min(self.sigma_range[1]), told)
        return self.denoiser(x, told)


def distance_potential(x: Tensor, clean: Tensor) -> Tensor:
    """Half the square of the distance between an image and what a denoiser makes of it, (B,).

    Raises:
        RuntimeError: a derivative by x is wanted, and the denoiser has none.
    """
    if torch.is_grad_enabled() and x.requires_grad and not clean.requires_grad:
        raise RuntimeError("denoiser: its output has no derivative, which a gradient step needs")
    return half_square(x - clean)


def half_square(x: Tensor) -> Tensor:
    """Half the square of each sample's norm, (B,)."""
    return (torch.view_as_real(x.resolve_conj()) if x.is_complex() else x).square().flatten(1).sum(1) / 2


def value_and_slope(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Values (B,) of a function of each sample, and its gradient, which can be differentiated where grad mode is on.

    >>> [v.tolist() for v in value_and_slope(half_square, torch.full((1, 2), 3.0))]
    [[9.0], [[3.0, 3.0]]]
    """

    def both(v: Tensor) -> tuple[Tensor, Tensor]:
        value = function(v)
        return value.sum(), value

    if transformed() or in_dual_level():  # they go with their own kind alone
        slope, value = torch.func.grad(both, has_aux=True)(x)
        return value, slope
    wanted = torch.is_grad_enabled()
    with torch.enable_grad():
        seen = x if x.requires_grad else x.detach().requires_grad_()
        total, value = both(seen)
        (slope,) = torch.autograd.grad(total, seen, create_graph=wanted)
    return (value if wanted else value.detach()), slope
