"""What a solver works out once for a measurement, before it iterates."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import cg, column, dot, implicit_solve

from .calibration import Calibration, calibrate
from .noise_level import estimate_noise

__all__ = ["Problem", "data_gain", "last_level", "prepare", "rough_estimate"]

_GAMMA_LIMIT = 1e4  # of gamma times the squared norm of A: beyond it the data are as good as exact


class Problem(NamedTuple):
    """A measurement, prepared: everything per sample, (B,) but for the images.

    Attributes:
        aty: A* y, an image.
        noise_std: per real component of the data, in the units of y.
        image_noise: noise_std / sqrt(mean diagonal of A* A): what the noise amounts to in the image.
        calibration: affine map to the denoiser's units.
        gamma_limit: largest weight of the data.
        coverage: share of the image that the data hold, see :func:`data_coverage`.
        alive: whether the sample holds anything but zeros.
        no_mean: whether the data say nothing of the image's mean, which is zero then (weak lensing, differences).
    """

    aty: Tensor
    noise_std: Tensor
    image_noise: Tensor
    calibration: Calibration
    gamma_limit: Tensor
    coverage: Tensor
    alive: Tensor
    no_mean: Tensor


def last_level(problem: Problem) -> Tensor:
    r"""Level of the noise in the image in calibrated units, (B,), drawn towards a tenth of the range from above where
    the data hold little of the image: :math:`\sigma^{c^2} \min(\sigma, 0.1)^{1 - c^2}`, c the coverage.

    The mean noise of tomography is nearly all in fine detail; a denoiser of its level smooths the rest away. Set on
    training slices.
    """
    sigma, held = problem.image_noise / problem.calibration.scale, problem.coverage**2
    return sigma**held * sigma.clamp(max=0.1) ** (1 - held)


@torch.no_grad()
def data_gain(op: LinearOperator, like: Tensor) -> Tensor:
    """Mean diagonal of A* A for each sample of a batch of images, from two random signs a pixel -> (B,)."""
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(like.shape[0], dtype=like.real.dtype, device=like.device)
    for _ in range(2):
        signs = torch.randint(2, like.shape[1:], generator=generator).to(like.real) * 2 - 1
        ax = op.A(signs.to(like.dtype).expand_as(like))
        total = total + dot(ax, ax) / signs.numel()
    return total / 2


@torch.no_grad()
def data_coverage(op: LinearOperator, like: Tensor, gain: Tensor) -> Tensor:
    r"""Share of the image that the data hold, (B,): :math:`\tfrac{1.3}{n} \mathrm{tr}\, N (N + 0.3\, g)^{-1}`, with
    N = A* A and g its mean diagonal: 1 for the identity, 0.35 for a mask that keeps 30 %, 0.7 for 180 projections of
    128 x 128 pixels, 0.2 for a Gaussian blur of 1.6 pixels. From one random sign a pixel.
    """
    signs = torch.randint(2, like.shape[1:], generator=torch.Generator().manual_seed(0)).to(like.real) * 2 - 1
    signs = signs.to(like.dtype).expand_as(like)
    rest = op.solve_normal(signs, 1 / (0.3 * gain), rtol=1e-3)
    return (1.3 * (1 - dot(signs, rest) / signs[0].numel())).clamp(0, 1)


@torch.no_grad()
def mean_is_lost(op: LinearOperator, like: Tensor, gain: Tensor) -> Tensor:
    """Whether a constant image leaves no data, (B,): less than 1e-4 of what others leave."""
    ones = op.A(torch.ones_like(like))
    return dot(ones, ones) < 1e-8 * gain * like[0].numel()


def _laplacian(x: Tensor) -> Tensor:
    """Negative Laplacian along the last two axes with free borders: gradient's normal operator."""
    out = torch.zeros_like(x)
    for axis in (-2, -1):
        d = x.diff(dim=axis)
        zero = torch.zeros_like(x.narrow(axis, 0, 1))
        out = out + torch.cat((zero, d), axis) - torch.cat((d, zero), axis)
    return out


def rough_estimate(op: LinearOperator, aty: Tensor, gain: Tensor) -> Tensor:
    r"""Smooth least squares, :math:`(A^* A + \mu \nabla^* \nabla) x = A^* y` with :math:`\mu` = 10 % of the mean
    diagonal of :math:`A^* A`: fills holes, hardly blurs. For images without two spatial axes A* y over the gain.
    """
    if aty.ndim != 4:
        return aty / column(torch.where(gain > 0, gain, torch.ones_like(gain)), aty)
    mu = column(0.1 * gain, aty)

    def matrix(x: Tensor) -> Tensor:
        return op.A_adjoint_A(x) + mu * _laplacian(x)

    def solve(b: Tensor, _: Tensor | None) -> Tensor:
        return cg(matrix, b, rtol=1e-4, max_iter=100)[0]

    return implicit_solve(matrix, aty, solve)


def _gamma_limit(op: LinearOperator, dtype: torch.dtype) -> float:
    size, widest = op.norm(), torch.finfo(dtype).max ** 0.375  # squares, and squares over the limit, stay in range
    if not 1 / widest <= size <= widest:
        raise ValueError(
            f"op: its norm, {size:.3g}, is out of the range {1 / widest:.1g} ... {widest:.1g} of {dtype}; "
            "solve with op * c and y * c, which has the same answer"
        )
    return _GAMMA_LIMIT / size**2


def prepare(
    op: LinearOperator, y: Tensor, noise_std: Any, calibration: Any, *, own_units: bool = False
) -> tuple[Problem, Tensor, str]:
    """The :class:`Problem` of data ``y``, a rough image to start from, and how the noise level was found.

    With ``own_units`` the denoiser is a prior of images in the user's units: ``"auto"`` maps nothing then, and the
    data count as complete, so that the solver changes nothing of the prior's weight.

    Raises:
        ValueError: ``noise_std`` is negative or not finite, or has neither 1 nor B values; the operator is zero.
    """
    aty = op.A_adjoint(y)
    batch, real = y.shape[0], aty.real.dtype
    if noise_std is None:
        sigma, source = estimate_noise(op, y)
    else:
        try:
            sigma = torch.as_tensor(noise_std, dtype=real, device=y.device).reshape(-1)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"noise_std: expected a number or (B,) numbers, got {noise_std!r}") from error
        source = "given"
        if sigma.numel() not in (1, batch):
            raise ValueError(f"noise_std: expected one value or {batch} (one a sample), got {sigma.numel()}")
        if not bool(((sigma >= 0) & torch.isfinite(sigma)).all()):
            raise ValueError(f"noise_std: expected finite values >= 0, got {sigma.tolist()}")
    sigma = sigma.to(real).expand(batch)
    gain = data_gain(op, aty)
    if not bool((gain > 0).all()):
        raise ValueError("op: the operator maps everything to zero (a mask of zeros?)")
    start = rough_estimate(op, aty, gain)
    limit = torch.full_like(gain, _gamma_limit(op, real))
    if own_units and isinstance(calibration, str):
        coverage, units = torch.ones_like(gain), calibrate(start, None)
    else:
        coverage, units = data_coverage(op, aty, gain), calibrate(start, calibration)
    alive = y.detach().abs().flatten(1).amax(1) > 0
    lost = mean_is_lost(op, aty, gain)
    return Problem(aty, sigma, sigma / gain.sqrt(), units, limit, coverage, alive, lost), start, source
