"""Measure the passport of a denoiser and print it as JSON.

    python -m pnp.passport lofi natural-gray [--data FOLDER] [--solvers] [--write]

``--write`` puts it into the card of the weight file, where solvers find it; classical methods have none.
"""

import argparse
import json
from typing import Any

from torch import Tensor

import denoisers
from denoisers.weights import load_weights, save_weights, weights_path

from .. import data
from ..train.images import ImageFolder
from .measure import measure_passport

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Command line: measure, print, write."""
    families = {
        "drunet": denoisers.DRUNetDenoiser, "gradient-step": denoisers.GradientStepDenoiser,
        "lofi": denoisers.LoFiDenoiser, "mixer": denoisers.MixerDenoiser, "xdncnn": denoisers.XDnCNNDenoiser,
    }  # fmt: skip
    p = argparse.ArgumentParser(
        prog="python -m pnp.passport", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("family", choices=[*families, "tv", "bm3d", "wavelet"])
    p.add_argument("weights", nargs="?", help="name or file")
    p.add_argument("--data", help="folder of clean images; by default the shipped samples")
    p.add_argument("--solvers", action="store_true", help="scores inside solvers, and 1000 iterations, too (minutes)")
    p.add_argument("--write", action="store_true", help="put the passport into the weight file's card")
    options = p.parse_args(arguments)
    if options.write and options.family not in families:
        p.error(f"--write: {options.family} has no weight file to write to")
    denoiser = classical(options.family)
    if denoiser is None and options.weights is None:
        p.error("weights: expected a name or a file")
    elif denoiser is None:
        denoiser = families[options.family](options.weights)
    passport = measure_passport(denoiser, images(options.data, denoiser.channels or 1), solvers=options.solvers)
    print(json.dumps(passport, indent=1))
    if options.write:
        path = weights_path(options.weights, family=options.family)
        state, card = load_weights(str(path), family=options.family)
        save_weights(path, state, {**card, "passport": passport})


def classical(name: str) -> Any:
    """A denoiser without weights, by its name; or nothing."""
    kinds = {"tv": "TVDenoiser", "bm3d": "BM3DDenoiser", "wavelet": "WaveletDenoiser"}
    return getattr(denoisers, kinds[name])() if name in kinds else None


def images(folder: str | None, channels: int) -> list[Tensor]:
    """Clean images (1, C, H, W) of a folder, or parts of the shipped samples."""
    if folder is not None:
        found = ImageFolder(folder, channels=channels)
        return [found[i][None] for i in range(len(found))]
    names = ("camera",) if channels == 1 else ("astronaut", "coffee")
    return [data.sample(name)[..., 100:356, 100:356] for name in names]


if __name__ == "__main__":
    main()
