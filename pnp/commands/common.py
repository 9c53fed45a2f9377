"""What subcommands share: numbers, priors by name, lines that --quiet leaves out."""

import argparse
import sys
from pathlib import Path
from typing import Any

import denoisers
from denoisers.weights import WeightFileError, family_of
from denoisers.weights import __file__ as weights_file

__all__ = ["denoiser", "level", "say", "weight_file"]

_KINDS = {
    "drunet": "DRUNetDenoiser",
    "lofi": "LoFiDenoiser",
    "mass": "MassDenoiser",
    "mixer": "MixerDenoiser",
    "xdncnn": "XDnCNNDenoiser",
}


def level(text: str) -> float:
    """A noise level in the units of the images, ``0.1`` or ``25/255``.

    >>> level("51/255")
    0.2
    """
    above, _, below = text.partition("/")
    try:
        value = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        value = float("nan")
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number such as 0.1 or 25/255, got {text!r}")
    return value


def weight_file(name: str) -> Path:
    """A weight file by path, or a shipped one by the name of its recipe, ``drunet-natural-gray-fast``, the newest or
    ``...@1``.

    Raises:
        FileNotFoundError: there is neither.
    """
    if Path(name).is_file():
        return Path(name)
    base, _, version = name.partition("@")
    folder = Path(weights_file).parent
    shipped = {f.stem.rpartition("-v")[0]: f for f in sorted(folder.glob("*.safetensors"))}
    found = folder / f"{base}-v{version}.safetensors" if version else shipped.get(base)
    if found is None or not found.is_file() or base not in shipped:
        raise FileNotFoundError(f"no file {name}, and no such shipped weights; `pnp info` lists them")
    return found


def denoiser(name: str, channels: int = 1) -> Any:
    """The prior of a field (natural, ct, mri, radio, kappa), or that of a weight file or of shipped weights."""
    if name in ("natural", "ct", "mri", "radio", "kappa"):
        return denoisers.default_denoiser(name, channels)
    path = weight_file(name)
    kind = _KINDS.get(family_of(path))
    if kind is None:
        raise WeightFileError(f"{path.name}: not the weights of a denoiser (family {family_of(path)!r} in its card)")
    return getattr(denoisers, kind)(str(path.resolve()))


def say(options: argparse.Namespace, *words: Any) -> None:
    """A line on the error stream, unless ``--quiet``; only results go to the standard output."""
    if not options.quiet:
        print(*words, file=sys.stderr)
