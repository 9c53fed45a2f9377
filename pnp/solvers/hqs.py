"""Plug-and-play half-quadratic splitting."""

from torch import Tensor

from ..problem import Problem, last_level
from ..solver import Solver
from ..state import State

__all__ = ["PnPHQS"]


class PnPHQS(Solver):
    r"""Plug-and-play half-quadratic splitting (DPIR): a data fit and a denoising in turn.

    .. math::
        x &\leftarrow \arg\min_x \tfrac{1}{2\sigma_n^2} \|Ax - y\|^2 + \tfrac\rho2 \|x - z\|^2, \qquad
        \rho = \lambda / \sigma_d^2 \\
        z &\leftarrow D_{\sigma_d}(x)

    z is the answer. :math:`\sigma_d` falls in equal ratios to 0.7 of the level that the noise has in
    the image, :math:`\sigma_n / \sqrt{\mathrm{mean\,diag}\,A^*A}`, and stays there until a fixed point is reached.
    Arguments and errors are those of :class:`pnp.PnPADMM`; here strength 1 is lambda = 0.3 (DPIR: 0.23).

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

    annealing = 24

    def goal(self, problem: Problem) -> tuple[Tensor, float]:
        """0.7 of the noise in the image, see :func:`pnp.problem.last_level`; balance 0.3."""
        return 0.7 * last_level(problem), 0.3

    def step(self, state: State, y: Tensor) -> State:
        sigma, rho, gamma = self.levels(state)
        x = self.fit_data(state.x, gamma, state)
        z = self.denoise(x, sigma, state)
        return state._replace(step=state.step + 1, x=z, x_data=x, rho=rho)
