"""A denoiser of convergence maps: the Wiener filter, and a network for what is not Gaussian."""

import torch
from torch import Tensor

from .base import sigma_column
from .weights import load_weights
from .wiener import PowerTable, WienerDenoiser
from .xunit import XNet

__all__ = ["MassDenoiser"]

_UNIT = 0.03  # convergence that the network counts as one


class MassDenoiser(WienerDenoiser):
    r"""Convergence maps (B, 1, H, W) in their own units, periodic borders.

    .. math:: D(x, \sigma) = W_\sigma x + u f_\theta(W_\sigma x / u,\; x / \sqrt{\sigma^2 + u^2},\; \sigma / u)

    :math:`W_\sigma` is the Wiener filter of the power that the training maps had, :math:`f_\theta` an
    :class:`XNet`, which sees places as the filter, being linear, cannot: peaks and emptiness. In solvers use it with
    ``calibration=None`` and ``Expert(rho=1 / s**2, sigma=s)``, s about the noise level, so that the prior has the
    weight that it was trained with.

    Args:
        weights: name of shipped weights, which are for pixels of 0.29 arcmin and sources at redshift 1.5, or a file.
        power: for an untrained network (``weights=None``): its :class:`PowerTable`.

    Raises:
        ValueError: neither weights nor power. As :func:`denoisers.weights.load_weights`.

    >>> table = PowerTable(torch.tensor([100.0, 1e5]), torch.tensor([1e-9, 1e-12]), 0.29)
    >>> MassDenoiser(None, power=table).eval()(torch.randn(1, 1, 32, 32), 0.1).shape
    torch.Size([1, 1, 32, 32])
    """

    sigma_range = (0.01, 0.4)

    def __init__(self, weights: str | None = "lognormal", *, power: PowerTable | None = None) -> None:
        self_card: dict = {}
        state = None
        if weights is not None:
            state, self_card = load_weights(weights, family="mass")
            power = PowerTable(state["table.ell"], state["table.power"], float(state["table.pixel_scale"]))
        if power is None:
            raise ValueError("power: an untrained network needs the power of the maps")
        super().__init__(power)
        self.card = self_card
        self.net = XNet(3, 1, width=24, depth=5)
        if state is not None:
            self.load_state_dict(state)
            self.requires_grad_(False)
        self.train(weights is None)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise convergence maps (B, 1, H, W); ``sigma`` a number or (B,), per pixel."""
        own = next(self.parameters()).dtype
        if x.dtype != own and x.is_floating_point():
            return self.forward(x.to(own), sigma).to(x.dtype)
        linear = super().forward(x, sigma)
        level = sigma_column(sigma, x).expand_as(x)
        seen = torch.cat((linear / _UNIT, x / (level**2 + _UNIT**2).sqrt(), level / 0.1), 1)
        return linear + _UNIT * self.net(seen)
