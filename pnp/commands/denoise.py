"""Remove white noise from images; prints the files that it writes."""

import argparse
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from operators.image.mask import Identity

from ..io import read_images
from ..io.writing import ending_of, write_images
from ..noise_level import estimate_noise
from ..train.images import as_float
from .common import denoiser, level, put, say

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("images", nargs="+", help="files of images: PNG, TIFF, npy, FITS, DICOM, NIfTI ...")
    p.add_argument("--sigma", type=level, help="noise standard deviation in the units of the image, where bytes are "
                   "0 to 1: 0.1 or 25/255 (default: estimated)")  # fmt: skip
    p.add_argument("--prior", default="natural", help="a field (natural, ct, mri, radio), shipped weights or a file")
    p.add_argument("--to", "--out", dest="to", help="file to write, or folder for several (default: NAME-denoised "
                   "beside each)")  # fmt: skip
    p.add_argument("--force", action="store_true", help="replace files that are there")


@torch.no_grad()
def run(given: argparse.Namespace) -> None:
    """Denoise every file."""
    to = None if given.to is None else Path(given.to)
    several = to is not None and (len(given.images) > 1 or to.is_dir())
    priors: dict[int, Any] = {}
    for file in tqdm(list(map(Path, given.images)), unit="file", disable=given.quiet or len(given.images) == 1):
        ending = ending_of(file) or ".npy"
        stem = file.name[: -len(ending)] if ending_of(file) else file.stem
        place = to or file.with_name(f"{stem}-denoised{ending}")
        if several and to is not None:
            to.mkdir(parents=True, exist_ok=True)
            place = to / f"{stem}{ending}"
        answers, sigmas = [], []
        for image in read_images(file, None):
            x = as_float(image)[None]
            if x.shape[1] not in priors:
                priors[x.shape[1]] = denoiser(given.prior, x.shape[1])
            prior = priors[x.shape[1]]
            sigma = given.sigma
            if sigma is None:
                sigma = float(estimate_noise(Identity((x.shape[2], x.shape[3]), channels=x.shape[1]), x)[0])
                say(given, f"{file.name}: noise level {sigma:.4g}, estimated")
            rows = x if prior.channels in (None, x.shape[1]) else x.movedim(1, 0)  # channel by channel
            answers.append(prior(rows, sigma).reshape(x.shape)[0])
            sigmas.append(sigma)
        told = {"data": {"file": file.name}, "method": "denoise", "denoiser": given.prior, "sigma": sigmas}
        for written in write_images(place, answers, overwrite=given.force, provenance=told):
            put(given, written, files=[{"from": str(file), "to": str(written), "sigma": sigmas}])
