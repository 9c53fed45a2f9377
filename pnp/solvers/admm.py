"""Plug-and-play ADMM."""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from operators.linalg import column

from ..defaults import Usual
from ..levels import Level
from ..problem import Facts, Problem, end_of_prox
from ..solver import Solver
from ..state import distance
from ..stopping import Stop

__all__ = ["PnPADMM"]


_RELAXED = 1.5  # Eckstein, Bertsekas 1992; set on training images


class Iterate(NamedTuple):
    """Answer v, data-consistent image, dual variable (not scaled by tau, so that it stays what it is as tau falls),
    relaxation, and how far the last iteration led, (B,) each."""

    x: Tensor
    x_data: Tensor
    w: Tensor
    relaxed: Tensor
    moved: Tensor


class PnPADMM(Solver):
    r"""Plug-and-play ADMM: a data fit, a denoising and a dual update per iteration.

    .. math::
        x &\leftarrow \arg\min_x f(Ax, y) + \tfrac{1}{2\tau} \|x - (v - \tau w)\|^2, \qquad
        r = \alpha x + (1 - \alpha) v \\
        v &\leftarrow D_{\sigma}(r + \tau w), \qquad \tau = \sigma^2 / \lambda \\
        w &\leftarrow w + (r - v) / \tau

    v is the answer, :math:`f = \|Ax - y\|^2 / (2 \sigma_n^2)` for Gaussian data; :math:`1 / \tau` is the penalty
    :math:`\rho`. By default :math:`\sigma` falls in equal ratios over 8 iterations, 16 for k-space and visibilities, to
    the level that the noise has in the image, :math:`\sigma_n / \sqrt{\mathrm{mean\,diag}\,A^*A}`, or somewhat beside
    it (see :meth:`end`), and stays there until a fixed point is reached. The relaxation :math:`\alpha` is 1.5, and 1
    from where an iteration leads farther than the one before, and with levels by hand. Results do not depend on units:
    for c > 0, c y with noise_std c gives c x.

    Args:
        op: a :class:`operators.LinearOperator`, anything that :func:`operators.as_operator` takes, or a likelihood
            (:class:`pnp.Poisson`, :class:`pnp.Huber`, ...); an operator means :class:`pnp.Gaussian`.
        denoiser: a :class:`denoisers.Denoiser`, or any callable ``(x, sigma)``; ``None``: the shipped prior for the
            operator's field and channels, see :func:`denoisers.default_denoiser`; the report names it.
        noise_std: standard deviation of the data noise per real component, in the units of y: a number or (B,);
            ``None``: estimated and reported; 0: the data are exact.
        strength: lambda, relative to the default 1; larger is smoother; ``"auto"``: chosen for each sample from the
            data, see :func:`pnp.choose_strength`.
        stop: :class:`pnp.Stop`, tolerance (by default 0.012 here, 0.009 for MRI, 0.005 for visibilities) and number of
            iterations.
        calibration: ``"auto"``, ``(scale, offset)`` or ``None``: map to the denoiser's intensities.
        expert: :class:`pnp.Expert`, rho and sigma by hand, in place of ``strength``.

    Raises:
        ValueError, TypeError: an argument does not fit; the message names it.

    Venkatakrishnan, Bouman, Wohlberg 2013, doi:10.1109/GlobalSIP.2013.6737048; Chan, Wang, Elgendy 2017,
    doi:10.1109/TCI.2016.2629286; relaxed: Eckstein, Bertsekas 1992, doi:10.1007/BF01581204.

    >>> import torch
    >>> from operators import Inpainting, random_mask
    >>> from denoisers import LoFiDenoiser
    >>> op = Inpainting(random_mask((32, 32), 0.5, seed=0))
    >>> x = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    >>> solver = PnPADMM(op, LoFiDenoiser(), noise_std=0.01)
    >>> bool((solver(op(x)) - x).abs().mean() < 0.02)
    True
    """

    annealing, first = 8, 0.35
    usual = Stop(tolerance=0.012)  # on average more iterations gain nothing
    # aliases of a part of the spectrum stay where sigma falls fast; the brightest sources of a sky are far above the
    # range of nearly all pixels, and grow steadily, at a residual that stays; most of it is empty
    fields: ClassVar = {
        "mri": Usual(16, Stop(tolerance=0.009), most=0.2),
        "radio": Usual(16, Stop(tolerance=0.005), reach=10.0, least=0.04, most=0.04, slowest=0.5),
    }

    def init(self, p: Problem) -> Iterate:
        ones = torch.ones_like(p.unit)
        relaxed = ones if self.expert is not None else _RELAXED * ones
        return Iterate(p.start, p.start, torch.zeros_like(p.start), relaxed, float("inf") * ones)

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        tau, alpha = column(at.tau, s.x), column(s.relaxed, s.x)
        x = p.fit.prox(torch.addcmul(s.x, tau, s.w, value=-1), at.tau, x0=s.x_data)  # x - tau w in one pass
        r = torch.addcmul(s.x, alpha, x - s.x)
        v = p.prior(torch.addcmul(r, tau, s.w), at.sigma)
        w = torch.addcmul(s.w, 1 / tau, r - v)
        moved = distance((s.x, v), (v, r), p.unit)
        grown = (moved > s.moved) & (at.step > 1)
        return Iterate(v, x, w, torch.where(grown, torch.ones_like(s.relaxed), s.relaxed), moved)

    def point(self, p: Problem, s: Iterate, at: Level) -> tuple[Tensor, ...]:
        return s.x, column(at.tau, s.x) * s.w

    def moved(self, p: Problem, old: Iterate, new: Iterate, at: Level) -> Tensor:
        return new.moved

    def end(self, facts: Facts) -> tuple[Tensor, Tensor]:
        """The noise in the image, see :func:`pnp.problem.last_level`, and lambda one for the identity: plain
        denoising. The less of the image the data hold, the less lambda, down to 0.6, and the higher a floor of sigma,
        up to a tenth of the range (visibilities: 0.04; k-space of which less than a third is held: 0.2).

        Set on training images: with a weaker denoiser the fixed point is slow to reach, and worse.
        """
        usual = self.of_field(self.op.field)
        return end_of_prox(facts, usual.least, usual.most)
