"""Measure the passport of a denoiser: what it does to noise, units, symmetries, small changes; prints JSON.

--write puts it into the card of the weight file, where solvers find it; classical methods have none.
"""

import argparse
import json

from denoisers.weights import family_of, load_weights, save_weights

from ..passport.__main__ import classical, images
from ..passport.measure import measure_passport
from .common import denoiser, put, weight_file

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("prior", help="a field (natural, ct, mri, radio), shipped weights, a file, or tv, bm3d, wavelet")
    p.add_argument("--data", help="folder of clean images; by default the shipped samples")
    p.add_argument("--solvers", action="store_true", help="scores inside solvers, and 1000 iterations, too (minutes)")
    p.add_argument("--write", action="store_true", help="put the passport into the weight file's card")


def run(given: argparse.Namespace) -> None:
    """Measure, print, write."""
    path = weight_file(given.prior) if given.write else None
    prior = classical(given.prior) or denoiser(given.prior)
    passport = measure_passport(prior, images(given.data, prior.channels or 1), solvers=given.solvers)
    put(given, json.dumps(passport, indent=1), passport=passport)
    if path is not None:
        family = family_of(path)
        state, card = load_weights(str(path.resolve()), family=family)
        save_weights(path, state, {**card, "passport": passport})
