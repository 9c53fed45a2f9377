"""A denoiser of convergence maps: the Wiener filter, and a network for what is not Gaussian."""

import torch
from torch import Tensor

from ..base import sigma_column
from ..classical.power import PowerTable
from ..classical.wiener import WienerDenoiser
from ..networks.xunit import XNet
from ..weights import WeightFileError, load_weights
from ..weights.filling import fill

__all__ = ["MassDenoiser"]

_CONVERGENCE, _LEVEL = 0.03, 0.1  # what the network counts as one, of convergence and of noise
_RADIUS = 21  # of the network: five convolutions of 3 x 3, four gates of 9 x 9


class MassDenoiser(WienerDenoiser):
    r"""Convergence maps (B, 1, H, W) in their own units, periodic borders.

    .. math:: D(x, \sigma) = W_\sigma x + u f_\theta(W_\sigma x / u,\; x / \sqrt{\sigma^2 + u^2},\; \sigma / v)

    :math:`W_\sigma` is the Wiener filter of the power that the training maps had, :math:`f_\theta` an
    :class:`XNet` in xDnCNN's layout, which sees places as the filter, being linear, cannot: peaks and emptiness;
    u = 0.03, v = 0.1. Solvers leave its units as they are, and the prior the weight that it was trained with.

    Args:
        weights: name of shipped weights, which are for pixels of 0.29 arcmin and sources at redshift 1.5, or a file.
        power: for an untrained network (``weights=None``): its :class:`PowerTable`.

    Raises:
        ValueError: neither weights nor power. As :func:`denoisers.weights.load_weights`.

    >>> table = PowerTable(torch.tensor([100.0, 1e5]), torch.tensor([1e-9, 1e-12]), 0.29)
    >>> MassDenoiser(None, power=table).eval()(torch.randn(1, 1, 32, 32), 0.1).shape
    torch.Size([1, 1, 32, 32])
    """

    def __init__(self, weights: str | None = "lognormal", *, power: PowerTable | None = None) -> None:
        state, card = (None, {}) if weights is None else load_weights(weights, family="mass")
        if state is not None:
            try:
                power = PowerTable(state["table.ell"], state["table.power"], float(state["table.pixel_scale"]))
            except (KeyError, ValueError, RuntimeError) as error:
                raise WeightFileError(f"weights: {weights} holds no power of maps, {error}") from error
        if power is None:
            raise ValueError("power: an untrained network needs the power of the maps")
        super().__init__(power)
        self.card = card
        self.sigma_range = tuple(card["sigma_range"]) if "sigma_range" in card else None
        self.net = XNet(3, 1, width=24, depth=5)
        if state is not None:
            fill(self, state, str(weights))
            self.requires_grad_(False)
        self.train(weights is None)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise convergence maps (B, 1, H, W); ``sigma`` a number or (B,), per pixel."""
        own = next(self.parameters()).dtype
        if x.dtype != own and x.is_floating_point():
            return self.forward(x.to(own), sigma).to(x.dtype)
        linear = super().forward(x, sigma)
        level = sigma_column(sigma, x).expand_as(x)
        seen = torch.cat((linear / _CONVERGENCE, x / (level**2 + _CONVERGENCE**2).sqrt(), level / _LEVEL), 1)
        change = self.net(_continued(seen))[..., _RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
        return linear + _CONVERGENCE * change


def _continued(x: Tensor) -> Tensor:
    """Periodic continuation by the network's radius, however small the map."""
    rows, columns = (torch.arange(-_RADIUS, n + _RADIUS, device=x.device) % n for n in x.shape[-2:])
    return x[..., rows, :][..., columns]
