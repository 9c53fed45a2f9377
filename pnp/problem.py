"""What a solver works out once for a measurement, before it iterates."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.implicit import implicit_solve
from operators.linalg import cg, column, dot, rough_norms
from operators.nonlinear import Operator
from operators.slabs import each_slab

from .calibration import Calibration, calibrate
from .fit import Fit, typical_weight
from .levels import Level
from .likelihood import Gaussian, Likelihood
from .prior import Prior

__all__ = ["Facts", "Problem", "data_gain", "end_of_prox", "last_level", "prepare", "rough_estimate", "start_from"]

_POWER_STEPS = 60
_GAMMA_LIMIT = 1e4  # of gamma times the squared norm of A: beyond it the data are as good as exact


class Facts(NamedTuple):
    """What is worked out once for a measurement; everything per sample, (B,) but for the image.

    Attributes:
        back: A* y, an image; for data that are not Gaussian, of what they say Ax is.
        noise_std: per real component of the data, in the units of y; of counts the root of their mean variance.
        gain: mean diagonal of A* A.
        image_noise: what the noise amounts to in the image, noise_std / sqrt(gain).
        calibration: affine map to the denoiser's units.
        gamma_limit: largest weight of Gaussian data.
        coverage: share of the image that the data hold, see :func:`data_coverage`.
        alive: whether the sample holds anything but zeros.
        no_mean: whether the data say nothing of the image's mean, which is zero then (weak lensing, differences).
        norm: of A, or of its derivative where solvers begin.
        strength: as it was chosen from the data; ``None``: the solver's own.
        why: the reason of that choice.
    """

    back: Tensor
    noise_std: Tensor
    gain: Tensor
    image_noise: Tensor
    calibration: Calibration
    gamma_limit: Tensor
    coverage: Tensor
    alive: Tensor
    no_mean: Tensor
    norm: Tensor
    strength: Tensor | None = None
    why: str = ""


class Problem(NamedTuple):
    """What a method sees: the data term, the prior, a first image, and the levels of each iteration."""

    fit: Fit
    prior: Prior
    start: Tensor
    levels: Callable[[int], Level]

    @property
    def unit(self) -> Tensor:
        """Of the image, (B,): the scale of its calibration."""
        return self.fit.unit


def last_level(facts: Facts) -> Tensor:
    r"""Level of the noise in the image in calibrated units, (B,), drawn towards a tenth of the range from above where
    the data hold little of the image: :math:`\sigma^{c^2} \min(\sigma, 0.1)^{1 - c^2}`, c the coverage.

    The mean noise of tomography is nearly all in fine detail; a denoiser of its level smooths the rest away. Set on
    training slices.
    """
    sigma, held = facts.image_noise / facts.calibration.scale, facts.coverage**2
    return sigma**held * sigma.clamp(max=0.1) ** (1 - held)


def end_of_prox(facts: Facts, least: float = 0.1, most: float = 0.1) -> tuple[Tensor, Tensor]:
    """The last sigma in calibrated units and lambda of methods that split data and prior, see :class:`pnp.PnPADMM`.
    Sigma does not fall below ``least`` where the data hold less than 0.3 of the image, ``most`` below a quarter."""
    # set on training brains: four-fold MRI of eight coils holds 0.49, eight-fold 0.3, which likes twice the level
    gap, scarce = 1 - facts.coverage, (0.32 / facts.coverage.clamp(min=0.1)) ** 4
    floor = least * (1.4 * gap).clamp(max=1) * scarce.clamp(1, most / least)
    return torch.maximum(last_level(facts), floor), 1 - 0.4 * gap


def data_gain(op: LinearOperator, like: Tensor) -> Tensor:
    """Mean diagonal of A* A for each sample of a batch of images, from two random signs per pixel -> (B,).

    Raises:
        ValueError: the data of their sum are not the sum of their data.
    """
    generator = torch.Generator().manual_seed(0)
    signs = [
        torch.randint(2, like.shape[1:], generator=generator, device="cpu").to(like.real) * 2 - 1 for _ in range(2)
    ]
    first, second = (op.A(s.to(like.dtype).expand_as(like)) for s in signs)
    wrong = op.A((signs[0] + 3 * signs[1]).to(like.dtype).expand_as(like)) - first - 3 * second
    square = dot(first, first) + dot(second, second)
    if bool((dot(wrong, wrong) > 1e-4 * square).any()):
        raise ValueError("op: is not linear; subclass operators.Operator instead, operators.check(op) tells more")
    return square / (2 * signs[0].numel())


def data_coverage(op: LinearOperator, like: Tensor, gain: Tensor) -> Tensor:
    r"""Share of the image that the data hold, (B,): :math:`\tfrac{1.3}{n} \mathrm{tr}\, N (N + 0.3\, g)^{-1}`, with
    N = A* A and g its mean diagonal: 1 for the identity, 0.35 for a mask that keeps 30 %, 0.7 for 180 projections of
    128 x 128 pixels, 0.2 for a Gaussian blur of 1.6 pixels. From one random sign per pixel; what conjugate gradients
    leave counts by its square.
    """
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, like.shape[1:], generator=generator, device="cpu").to(like.real) * 2 - 1
    signs = signs.to(like.dtype).expand_as(like)
    rest = op.solve_normal(signs, 1 / (0.3 * gain), rtol=0.1 if gain.dtype == torch.float32 else 1e-6)
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
    diagonal of :math:`A^* A`: fills holes, hardly blurs. Volumes by slices; for images without two
    spatial axes A* y over the gain.
    """
    if aty.ndim == 5 and (slabs := op.slabs(len(aty))) is not None:
        return each_slab(slabs, lambda one, i, b: rough_estimate(one, b, gain[i].expand(len(b))), aty)
    if aty.ndim not in (4, 5):
        return aty / column(torch.where(gain > 0, gain, torch.ones_like(gain)), aty)
    mu = column(0.1 * gain, aty)
    exact = torch.is_grad_enabled() and aty.requires_grad and aty.real.dtype == torch.float64  # for derivatives

    def matrix(x: Tensor) -> Tensor:
        return op.A_adjoint_A(x) + mu * _laplacian(x)

    def solve(b: Tensor, _: Tensor | None) -> Tensor:
        rtol = 1e-8 if exact else 3e-4
        return cg(matrix, b, rtol=rtol, max_iter=100, precond=op.preconditioner(1 / mu))[0]

    return implicit_solve(matrix, aty, solve)


def start_from(op: Operator, x0: Tensor, rough: Tensor, facts: Facts) -> Tensor:
    """``x0`` where it fits the data about as well as the ``rough`` estimate does, or as noise allows; elsewhere with a
    smooth image that fits what it leaves of them, so that zeros are as good as nothing given."""
    if not isinstance(op, LinearOperator):
        return x0
    left = facts.back - op.A_adjoint_A(x0)
    with torch.no_grad():
        usual = facts.back - op.A_adjoint_A(rough)
        noise = facts.noise_std**2 * facts.gain * x0[0].numel() * (2 if x0.is_complex() else 1)
        fits = dot(left, left) <= 4 * torch.maximum(noise, dot(usual, usual))
    if bool(fits.all()):
        return x0
    return x0 + column(~fits, left) * rough_estimate(op, left, facts.gain)


def _refuse_extremes(op: LinearOperator, like: Tensor) -> None:
    """Raise where data of ones are numbers, but their squares are not."""
    with torch.no_grad():
        size = op.A(torch.ones_like(like)).abs().amax().item()
    if 0 < size < float("inf"):
        _within_range(size, like.real.dtype)


def _within_range(size: float, dtype: torch.dtype) -> float:
    widest = torch.finfo(dtype).max ** 0.375  # squares, and squares over the limit, stay in range
    if size != size or size == float("inf"):
        raise ValueError(
            f"op: its norm is {size}: A_adjoint(A(x)) is not finite in {dtype}; operators.check(op) tells more"
        )
    if size == 0:
        raise ValueError(
            "op: A_adjoint is not the adjoint of A: A_adjoint(A(x)) has no part along x; operators.check(op) tells more"
        )
    if not 1 / widest <= size <= widest:
        raise ValueError(
            f"op: its norm, {size:.3g}, is out of the range {1 / widest:.1g} ... {widest:.1g} of {dtype}; "
            "solve with op * c and y * c, which has the same answer"
        )
    return size


def sample_norms(op: LinearOperator, like: Tensor) -> Tensor:
    """Norm of the operator, to a thousandth, of each sample where its constants have a batch axis, as ``like`` (B,)."""
    with rough_norms(), torch.no_grad():
        largest = _within_range(op.norm(), like.dtype)
        if len(like) == 1 or len(op.A(torch.zeros(1, *op.in_shape, dtype=op.in_dtype, device=like.device))) == 1:
            found = torch.full_like(like, largest)
        else:
            found = op.norms().to(like)
    wanted = torch.is_grad_enabled() and any(v.requires_grad for v in (*op.parameters(), *op.buffers()))
    return found * _slope_of_norm(op, like) if wanted else found


def _slope_of_norm(op: LinearOperator, like: Tensor) -> Tensor:
    """One, (B,), with the derivative of the logarithm of the norm: that of |A v|, v where A is largest."""
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(1, *op.in_shape, generator=generator, dtype=like.dtype, device="cpu").to(like.device, op.in_dtype)
    with torch.no_grad():
        v = v.expand(len(like), *op.in_shape)
        for _ in range(_POWER_STEPS):
            v = op.A_adjoint_A(v)
            v = v / column(dot(v, v).sqrt(), v)
    seen = op.A(v)
    square = dot(seen, seen)
    return (square / square.detach()).sqrt()


def prepare(likelihood: Likelihood, y: Tensor, calibration: Any, *, own_units: bool = False) -> tuple[Facts, Tensor]:
    """The :class:`Facts` of data ``y`` of a likelihood with known noise, and a rough image to start from.

    With ``own_units`` the denoiser is a prior of images in the user's units: ``"auto"`` maps nothing then, and the
    data count as complete, so that the solver changes nothing of the prior's weight.

    Raises:
        ValueError: the operator is zero, or its norm out of range.
    """
    data, first = likelihood.as_data(y), None
    op: Any = likelihood.op
    if not isinstance(op, LinearOperator):
        first = op.first_image(y)
        data = data - likelihood.op.A(first)
        op = op.linearised(first)
    back = op.A_adjoint(data)
    real = back.real.dtype
    few, _ = op.few_slices(data)
    like = back[(slice(None), *(slice(n) for n in few.in_shape))]
    gain = data_gain(few, like)
    if not bool((torch.isfinite(gain) & (gain > 0)).all()):
        _refuse_extremes(few, like)
    if not bool(torch.isfinite(gain).all()):
        raise ValueError("op: gives NaN or infinite data for finite images; operators.check(op) tells more")
    if not bool((gain > 0).all()):
        if first is not None:
            raise ValueError("op: its derivative is zero where solvers begin; write first_image(y), where it is not")
        raise ValueError("op: the operator maps everything to zero (a mask of zeros?)")
    if isinstance(likelihood, Gaussian):
        noise = likelihood.noise_std.to(real)
    else:
        noise = typical_weight(likelihood, y).rsqrt().to(real)
    start = rough_estimate(op, back, gain)
    if first is not None:
        back, start = op.A_adjoint(likelihood.as_data(y)), first + start
    norm = sample_norms(op, gain)
    if own_units and isinstance(calibration, str):
        coverage, units = torch.ones_like(gain), calibrate(start, None)
    else:
        coverage, units = data_coverage(few, like, gain), calibrate(start, calibration)
    facts = Facts(
        back=back, noise_std=noise, gain=gain, image_noise=noise / gain.sqrt(), calibration=units,
        gamma_limit=_GAMMA_LIMIT / norm**2, coverage=coverage, alive=likelihood.alive(y),
        no_mean=mean_is_lost(few, like, gain), norm=norm,
    )  # fmt: skip
    return facts, start
