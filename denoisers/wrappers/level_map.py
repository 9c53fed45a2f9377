"""Noise-conditioned networks: the noise level is an extra, constant input channel (FFDNet)."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..base import Denoiser, check_images, sigma_column
from ..evaluation.fold import Folded
from ..trained.card import settled
from ..weights import WeightFileError, load_weights, save_weights
from ..weights.filling import fill
from ..weights.writing import refuse_existing
from .fixed_size import InSquares

__all__ = ["LevelMap", "LevelMapDenoiser", "Residual"]


_FAMILY = "level-map"


class Residual(nn.Module):
    """x - net(x): a network that finds what does not belong to the image; of x the first channels, as many as it gives.

    >>> Residual(nn.Conv2d(2, 1, 3, padding=1))(torch.zeros(1, 2, 8, 8)).shape  # the second one: a map of the level
    torch.Size([1, 1, 8, 8])
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        found = self.net(x)
        return x[:, : found.shape[1]] - found


class LevelMap(Denoiser):
    r"""Any network of images as a denoiser that knows the noise level: a constant map of it is a further channel.

    .. math:: D(x, \sigma) = f([x, \sigma 1])

    The network gives the image, as :class:`XDnCNN` does; one that gives the noise goes in as :class:`Residual`. Train
    it with :class:`pnp.train.DenoiseCrops` over ``sigma_range``, and call ``eval()`` before you solve.
    :meth:`save` keeps it with a card. Where no derivative is asked for, a folded copy is evaluated (:func:`folded`).

    Args:
        net: (B, channels + 1, H, W) to (B, channels, H, W).
        sigma_range: lowest and highest noise standard deviation of the training, in the units of the image. Equal:
            the network is for this level only and takes (B, channels, H, W).
        channels: of the image.

    Raises:
        ValueError: ``sigma_range`` is not finite, negative, falling or zero; ``channels`` is not positive; the network
            gives images of another shape.

    Zhang, Zuo, Zhang 2018 (FFDNet), doi:10.1109/TIP.2018.2839891.

    >>> from denoisers import UNet
    >>> denoiser = LevelMap(Residual(UNet(2, 1, width=4, poolings=2)))
    >>> denoiser(torch.zeros(1, 1, 16, 16), 0.1).shape
    torch.Size([1, 1, 16, 16])
    """

    card: dict[str, Any]

    def __init__(
        self, net: nn.Module, *, sigma_range: tuple[float, float] = (0.0, 56 / 255), channels: int = 1
    ) -> None:
        super().__init__()
        low, high = (float(s) for s in sigma_range)
        if not (0 <= low <= high < math.inf and high > 0):
            raise ValueError(f"sigma_range: expected 0 <= lowest <= highest noise level, not both 0, got {(low, high)}")
        self.net, self.channels, self.sigma_range = net, _positive(channels), (low, high)
        self.told = low < high  # the network takes the level
        self.fast, self.card = Folded(self, "net"), {}
        if any(isinstance(module, InSquares) for module in net.modules()):
            self.radius = math.inf

    def seen(self, x: Tensor, level: Tensor) -> Tensor:
        """What the network is given: images, and the map where it takes one."""
        return torch.cat((x, level.expand(-1, 1, *x.shape[-2:])), 1) if self.told else x

    def estimate(self, x: Tensor, level: Tensor) -> Tensor:
        """Denoised images (B, C, H, W), ``level`` (B, 1, 1, 1); kinds of networks have faster ways."""
        return self.fast(self.seen(x, level))

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        check_images(x, self.channels)
        own = next(self.parameters(), x).dtype  # other precisions are converted and cast back
        if x.dtype != own:
            return self.forward(x.to(own), sigma).to(x.dtype)
        out = self.estimate(x, sigma_column(sigma, x))
        if out.shape != x.shape:
            raise ValueError(f"net: expected images of {tuple(x.shape)}, it gives {tuple(out.shape)}")
        return out

    def save(self, path: str | Path, card: dict[str, Any] | None = None, *, overwrite: bool = False) -> None:
        """Write the network's weights to a safetensors file, with their noise levels and channels in its card.

        Args:
            card: what else is to be said of them: data, recipe, scores.
            overwrite: replace a file of this name.

        Raises:
            FileExistsError: there is a file of this name. ValueError: a weight is not finite.
        """
        refuse_existing(path, overwrite=overwrite)
        own = {"family": _FAMILY, "network": type(self.net).__name__, "channels": self.channels}
        own["sigma_range"] = [*(self.sigma_range or ())]
        save_weights(path, self.net.state_dict(), {**(card or {}), **own}, overwrite=overwrite)

    @staticmethod
    def load(path: str | Path, net: nn.Module) -> "LevelMap":
        """The denoiser that :meth:`save` wrote around a network of the same kind, in evaluation mode; its ``card`` is
        that of the file.

        Raises:
            FileNotFoundError: no such file. ``denoisers.weights.WeightFileError``: damaged, or of another network.

        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "mine.safetensors"
        >>> LevelMap(nn.Conv2d(2, 1, 3, padding=1), sigma_range=(0.0, 0.1)).save(file, {"data": "mine"})
        >>> LevelMap.load(file, nn.Conv2d(2, 1, 3, padding=1)).card["data"]
        'mine'
        """
        state, card = load_weights(str(Path(path).resolve()), family=_FAMILY)
        if "sigma_range" not in card:
            raise WeightFileError(f"weights: {Path(path).name} has an impossible card, sigma_range: missing")
        denoiser = LevelMap(net, sigma_range=card["sigma_range"], channels=card.get("channels", 1))
        fill(net, state, Path(path).name)
        denoiser.card = card
        return denoiser.eval()


class LevelMapDenoiser(LevelMap):
    """A :class:`LevelMap` with its weights and their card, evaluated through ``self.fast``, its network folded.

    Args:
        family: kind of network, as in the card.
        weights: name of shipped weights or a file; ``None``: untrained, in training mode.
        make: the network from what is settled (card and ``wanted``), its number of channels and that of further ones.
        level: noise standard deviation of an untrained network for one level; ``None``: all levels up to 56/255.
        wanted: the user's ``channels`` and ``preset``; ``None``: those of the card.
    """

    def __init__(
        self,
        family: str,
        weights: str | None,
        make: Callable[[dict[str, Any], int, int], nn.Module],
        *,
        level: float | None,
        **wanted: Any,
    ) -> None:
        if weights is not None and level is not None:
            raise ValueError(f"level: the weights {weights!r} have their own; weights=None makes an untrained network")
        if level is not None and not 0 < level < math.inf:
            raise ValueError(f"level: expected a positive noise standard deviation, got {level}")
        state, card = (None, {}) if weights is None else load_weights(weights, family=family)
        known = settled(card, **wanted)
        channels = _positive(known.get("channels", 1))
        low, high = card.get("sigma_range", (0.0, 56 / 255) if level is None else (level, level))
        super().__init__(make(known, channels, int(low < high)), sigma_range=(low, high), channels=channels)
        self.card = card
        if state is not None:
            fill(self, state, str(weights))
            self.requires_grad_(False)
        self.train(weights is None)


def _positive(channels: int) -> int:
    if channels < 1:
        raise ValueError(f"channels: expected at least 1, got {channels}")
    return int(channels)
