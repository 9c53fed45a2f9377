"""Relaxed denoisers."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..base import Wrapper

__all__ = ["Averaged"]


class Averaged(Wrapper):
    r"""A share of the denoiser's step, :math:`D_\alpha = (1 - \alpha) I + \alpha D`.

    :math:`2 D_\alpha - I` is non-expansive, so that PnP-DRS, ADMM, PGD and HQS are proven to converge, where
    :math:`\langle v, R v \rangle \ge \alpha \|R v\|^2` for :math:`R = I - D'` and every v. No :math:`\alpha` does it
    where D spreads images apart along some v; :func:`pnp.analysis.certify` tells. For gradient steps
    (:class:`denoisers.GradientStep`), :math:`\alpha \|R\| < 1` makes :math:`D_\alpha` the proximal map of a weakly
    convex function. As a prior :math:`D_\alpha` weighs about :math:`\alpha` times what D does: raise ``strength`` by
    :math:`1 / \alpha`.

    Args:
        denoiser: any denoiser or callable ``(x, sigma)``.
        share: :math:`\alpha`, above 0 and up to 1.

    Raises:
        ValueError: ``share`` is out of range.

    Hurault, Chambolle, Leclaire, Papadakis 2023, arXiv:2301.13731; Ryu, Liu, Wang, Chen, Wang, Yin 2019,
    arXiv:1905.05406.

    >>> Averaged(lambda x, sigma: 0 * x, share=0.25)(torch.ones(1, 1, 1, 1), 0.1).item()
    0.75
    """

    def __init__(self, denoiser: Callable[..., Tensor], share: float = 0.5) -> None:
        super().__init__(denoiser)
        if not 0 < share <= 1:
            raise ValueError(f"share: expected a number above 0 and up to 1, got {share!r}")
        self.share = float(share)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        return torch.lerp(x, self.denoiser(x, sigma).to(x.dtype), self.share)
