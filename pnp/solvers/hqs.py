"""Plug-and-play half-quadratic splitting."""

from typing import NamedTuple

from torch import Tensor

from ..levels import Level
from ..problem import Facts, Problem, last_level
from ..solver import Solver

__all__ = ["PnPHQS"]


class Iterate(NamedTuple):
    """Answer and data-consistent image."""

    x: Tensor
    x_data: Tensor


class PnPHQS(Solver):
    r"""Plug-and-play half-quadratic splitting (DPIR): a data fit and a denoising, alternately.

    .. math::
        x &\leftarrow \arg\min_x f(Ax, y) + \tfrac{1}{2\tau} \|x - v\|^2, \qquad \tau = \sigma^2 / \lambda \\
        v &\leftarrow D_{\sigma}(x)

    v is the answer. :math:`\sigma` falls in equal ratios to 0.7 of the level that the noise has in
    the image, :math:`\sigma_n / \sqrt{\mathrm{mean\,diag}\,A^*A}`, and stays there until a fixed point is reached.
    Its fixed point minimises nothing: the denoiser is not told what the data step takes back. Arguments and errors are
    those of :class:`pnp.PnPADMM`; here strength 1 is lambda = 0.3 (DPIR: 0.23).

    Zhang, Li, Zuo, Zhang, Van Gool, Timofte 2022, doi:10.1109/TPAMI.2021.3088914.

    >>> import torch
    >>> from operators import Blur, gaussian_kernel
    >>> from denoisers import LoFiDenoiser
    >>> op = Blur(gaussian_kernel(1.0), (32, 32))
    >>> x = torch.zeros(1, 1, 32, 32)
    >>> x[..., 8:24, 8:24] = 1
    >>> x_hat = PnPHQS(op, LoFiDenoiser(), noise_std=0.01)(op(x))
    >>> bool((x_hat - x).square().mean() < (op(x) - x).square().mean() / 2)
    True
    """

    def init(self, p: Problem) -> Iterate:
        return Iterate(p.start, p.start)

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        x = p.fit.prox(s.x, at.tau, x0=s.x_data)
        return Iterate(p.prior(x, at.sigma), x)

    def end(self, facts: Facts) -> tuple[Tensor, float]:
        """0.7 of the noise in the image, see :func:`pnp.problem.last_level`; lambda 0.3."""
        return 0.7 * last_level(facts), 0.3
