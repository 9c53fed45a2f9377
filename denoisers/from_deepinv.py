"""Denoisers of deepinv, by name, without its downloads."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .base import Denoiser

__all__ = ["DeepInvDenoiser"]


class DeepInvDenoiser(Denoiser):
    """A denoiser of deepinv's: ``DeepInvDenoiser("drunet", weights="drunet_color.pth")``.

    Weights come from a file that lies here, or from torch's cache (``torch.hub.get_dir()``) by that file's name;
    nothing is downloaded.

    Args:
        name: of the class in ``deepinv.models``, in any case.
        weights: a file of a state dict, or ``None`` for models that need none.
        options: of the class.

    Raises:
        ImportError: deepinv is not installed. ValueError: it has no such model.
        FileNotFoundError: the weights are neither a file nor in the cache.

    >>> DeepInvDenoiser("median", kernel_size=3)(torch.ones(1, 1, 8, 8), 0.1).mean().item()
    1.0
    """

    def __init__(self, name: str, *, weights: str | Path | None = None, **options: Any) -> None:
        super().__init__()
        try:
            import deepinv
        except ImportError as error:
            raise ImportError("DeepInvDenoiser needs deepinv: pip install 'pnp-imaging[deepinv]'") from error
        models = {k.lower(): v for k, v in vars(deepinv.models).items() if isinstance(v, type)}
        found = models.get(name.lower()) or models.get(f"{name.lower()}filter")
        if found is None or not issubclass(found, torch.nn.Module):
            raise ValueError(f"name: deepinv.models has no {name!r}")
        self.channels = options.get("in_channels")
        if weights is not None:
            options["pretrained"] = str(_local(weights))
        elif "pretrained" in found.__init__.__code__.co_varnames:
            options.setdefault("pretrained", None)
        self.model = found(**options).eval().requires_grad_(False)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """The model on images (B, C, H, W); ``sigma`` a number or (B,)."""
        return self.model(x, sigma)


def _local(weights: str | Path) -> Path:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights).name
    for path in (Path(weights), cached):
        if path.is_file():
            return path
    raise FileNotFoundError(f"weights: no file {str(weights)!r}, and none in {str(cached.parent)!r}; download it there")
