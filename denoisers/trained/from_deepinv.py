"""Denoisers of deepinv, by name, without its downloads."""

import inspect
import pickle
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..base import Denoiser, check_images

__all__ = ["DeepInvDenoiser"]

_NOT_GIVEN = cast(Any, object())


class DeepInvDenoiser(Denoiser):
    """A denoiser of deepinv's: ``DeepInvDenoiser("drunet", weights="drunet_color.pth")``.

    Weights come from a file that lies here, or from torch's cache (``torch.hub.get_dir()``) by that file's name;
    nothing is downloaded.

    Args:
        name: of the denoiser's class in ``deepinv.models``, in any case.
        weights: a file of a state dict; ``None``: random ones, to be trained. Models that need none go without.
        options: of the class, ``pretrained`` excepted.

    Raises:
        ImportError: deepinv is not installed. ValueError: it has no such denoiser, weights are not given, or the file
            is damaged or of another network.
        FileNotFoundError: the weights are neither a file nor in the cache.

    >>> DeepInvDenoiser("median", kernel_size=3)(torch.ones(1, 1, 8, 8), 0.1).mean().item()
    1.0
    """

    def __init__(self, name: str, *, weights: str | Path | None = _NOT_GIVEN, **options: Any) -> None:
        super().__init__()
        found = _class(name)
        known = inspect.signature(found).parameters
        if "pretrained" in options:
            raise ValueError("pretrained: it may download; give weights=, a file, or None for random ones")
        if "pretrained" in known:
            if weights is _NOT_GIVEN:
                raise ValueError(f"weights: {name} is a network; give the file of its weights, or None for random ones")
            options["pretrained"] = None
        file = None if weights is None or weights is _NOT_GIVEN else _local(weights)
        model: nn.Module = found(**options)
        if file is not None:
            _load(model, file)
        self.model = model.eval().requires_grad_(False)
        self.channels = _channels(model, {k: options.get(k, p.default) for k, p in known.items()})

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """The model on images (B, C, H, W); ``sigma`` a number or (B,)."""
        check_images(x, self.channels)
        return self.model(x, sigma)


def _class(name: str) -> type[nn.Module]:
    try:
        import deepinv
    except ImportError as error:
        raise ImportError("DeepInvDenoiser needs deepinv: pip install 'pnp-imaging[deepinv]'") from error
    base = deepinv.models.Denoiser
    models = {
        k.lower(): v
        for k, v in vars(deepinv.models).items()
        if isinstance(v, type) and issubclass(v, base) and v is not base
    }
    found = models.get(name.lower()) or models.get(f"{name.lower()}filter")
    if found is None:
        raise ValueError(f"name: deepinv.models has no {name!r}; it has the denoisers {sorted(models)}")
    return found


def _channels(model: nn.Module, arguments: dict[str, Any]) -> int | None:
    """Channels by the argument that says them, else by the first convolution; None for any."""
    for name in ("in_channels", "in_nc", "in_chans", "img_channels", "channels"):
        if name in arguments:
            return arguments[name] if isinstance(arguments[name], int) else None
    return next((m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)), None)


def _load(model: nn.Module, file: Path) -> None:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        for key in ("state_dict", "params"):  # GSPnP's and Restormer's files
            state = state.get(key, state)
        model.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError, AttributeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"weights: {file.name} is damaged, or of another network than {type(model).__name__} ({reason})"
        ) from error


def _local(weights: str | Path) -> Path:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights).name
    for path in (Path(weights), cached):
        if path.is_file():
            return path
    raise FileNotFoundError(f"weights: no file {str(weights)!r}, and none in {str(cached.parent)!r}; download it there")
