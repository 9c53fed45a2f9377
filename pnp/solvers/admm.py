"""Plug-and-play ADMM."""

import torch
from torch import Tensor

from operators.linalg import column

from ..problem import Problem, last_level
from ..solver import Solver
from ..state import State

__all__ = ["PnPADMM"]


class PnPADMM(Solver):
    r"""Plug-and-play ADMM: a data fit, a denoising and a dual update in turn.

    .. math::
        x &\leftarrow \arg\min_x \tfrac{1}{2\sigma_n^2} \|Ax - y\|^2 + \tfrac\rho2 \|x - (v - u)\|^2 \\
        v &\leftarrow D_{\sigma_d}(x + u), \qquad \sigma_d = \sqrt{\lambda / \rho} \\
        u &\leftarrow u + x - v

    v is the answer. By default :math:`\sigma_d` falls in equal ratios to the level that the noise has in the image,
    :math:`\sigma_n / \sqrt{\mathrm{mean\,diag}\,A^*A}`, or somewhat beside it (see :meth:`goal`), and stays there until
    a fixed point is reached; u is rescaled as :math:`\rho` grows. Results do not depend on units: for c > 0, c y with
    noise_std c gives c x.

    Args:
        op: a :class:`operators.LinearOperator`, or anything that :func:`operators.as_operator` takes.
        denoiser: a :class:`denoisers.Denoiser`, or any callable ``(x, sigma)``; ``None``: the shipped prior for the
            operator's field and channels, see :func:`denoisers.default_denoiser`; the report names it.
        noise_std: standard deviation of the data noise per real component, in the units of y: a number or (B,);
            ``None``: estimated and reported; 0: the data are exact.
        strength: lambda, relative to the default 1; larger is smoother.
        stop: :class:`pnp.Stop`, tolerance and number of iterations.
        calibration: ``"auto"``, ``(scale, offset)`` or ``None``: map to the denoiser's intensities.
        expert: :class:`pnp.Expert`, rho and sigma by hand, in place of ``strength``.

    Raises:
        ValueError, TypeError: an argument does not fit; the message names it.

    Venkatakrishnan, Bouman, Wohlberg 2013, doi:10.1109/GlobalSIP.2013.6737048; Chan, Wang, Elgendy 2017,
    doi:10.1109/TCI.2016.2629286.

    >>> import torch
    >>> from operators import Inpainting, random_mask
    >>> from denoisers import LoFiDenoiser
    >>> op = Inpainting(random_mask((32, 32), 0.5, seed=0))
    >>> x = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    >>> solver = PnPADMM(op, LoFiDenoiser(), noise_std=0.01)
    >>> bool((solver(op(x)) - x).abs().mean() < 0.02)
    True
    """

    annealing = 24

    def goal(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """The noise in the image, see :func:`pnp.problem.last_level`, and balance one for the identity: plain
        denoising. The less of the image the data hold, the less balance, down to 0.6, and the higher a floor of sigma,
        up to a tenth of the range.

        Set on training images: with a weaker denoiser the fixed point is slow to reach, and worse.
        """
        gap = 1 - problem.coverage
        return torch.maximum(last_level(problem), 0.1 * (1.4 * gap).clamp(max=1)), 1 - 0.4 * gap

    def step(self, state: State, y: Tensor) -> State:
        sigma, rho, gamma = self.levels(state)
        u = state.dual * column(state.rho / rho, state.dual) if state.step else state.dual
        x = self.fit_data(state.x - u, gamma, state)
        v = self.denoise(x + u, sigma, state)
        return state._replace(step=state.step + 1, x=v, x_data=x, dual=u + x - v, rho=rho)
