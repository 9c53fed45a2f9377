"""Remove white noise from images; prints the files that it writes."""

import argparse
import errno
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from denoisers.weights.writing import new_folder, refuse_unwritable
from operators.image.mask import Identity

from ..io import image_files, read_images
from ..io.images import ending as read_ending
from ..io.measured_images import image_header, square_pixel
from ..io.opening import located
from ..io.writing import ending_of, write_images
from ..noise_level import estimate_noise
from ..train.images import as_float
from .common import denoiser, level, put, say

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("images", nargs="+", help="files of images, or folders: PNG, TIFF, npy, FITS, DICOM, NIfTI ...")
    p.add_argument("--sigma", type=level, help="noise standard deviation in the units of the image, where bytes are "
                   "0 to 1: 0.1 or 25/255 (default: estimated)")  # fmt: skip
    p.add_argument("--prior", default="natural", help="a field (natural, ct, mri, radio), shipped weights or a file")
    p.add_argument("--to", "--out", dest="to", help="file to write, or folder for several (default: NAME-denoised "
                   "beside each)")  # fmt: skip
    p.add_argument("--force", action="store_true", help="replace files that are there")


_UNLIKE, _LEAST = 8.0, 0.5  # times the estimate; of the range, which noise that is asked for may have


@torch.no_grad()
def run(given: argparse.Namespace) -> int:
    """Denoise every file; status 1 where some of several failed, which are listed."""
    to = None if given.to is None else located(given.to)
    files = [file for name in given.images for file in _files(located(name), beside=to is None)]
    alone = len(files) == 1 and not files[0].is_dir() and files == [located(given.images[0])]
    folder = to is None or to.is_dir() or str(given.to).endswith(("/", os.sep))
    places = _places(files, to, one=alone and not folder)
    priors: dict[int, Any] = {}
    failed: dict[str, str] = {}
    for place, file in tqdm(places.items(), unit="file", disable=given.quiet or alone):
        try:
            _one(given, file, place, priors)
        except (OSError, ValueError) as error:
            if alone or getattr(error, "errno", None) in (errno.ENOSPC, errno.EROFS, errno.EDQUOT):
                raise
            failed[str(file)] = " ".join(str(error).split())
    if failed:
        put(given, failed=failed)
        print(*(f"{file}: {words}" for file, words in failed.items()), sep="\n", file=sys.stderr)
    return int(bool(failed))


def _files(path: Path, *, beside: bool) -> list[Path]:
    """The file, or the images of a folder, but for answers that lie ``beside`` the images that they are of."""
    if not path.is_dir():
        return [path]
    found = image_files(path)
    if beside:
        found = [f for f in found if f not in {_place(other, None) for other in found}]
    if not found:
        raise FileNotFoundError(f"no images in {path}")
    return found


def _places(files: list[Path], to: Path | None, *, one: bool) -> dict[Path, Path]:
    """Where answers go, each its own place, which may be written to, and their files."""
    if to is not None and not one:
        new_folder("--to", to)
    found: dict[Path, Path] = {}
    for file in files:
        place = to if one and to is not None else _place(file, to)
        if place in found:
            raise ValueError(f"images: {found[place]} and {file} would both be {place}")
        if file.exists():  # others are told one by one
            refuse_unwritable(place)
        found[place] = file
    return found


def _place(file: Path, folder: Path | None) -> Path:
    """Where the answer of a file goes: into the folder, or beside it."""
    ending = ending_of(file) or ".npy"
    known = ending_of(file) or read_ending(file)  # DICOM's 1.2.840.3 has none
    stem = file.name[: len(file.name) - len(known)]
    if folder is None:
        return file.with_name(f"{stem}-denoised{ending}")
    return folder / f"{stem}{ending}"


def _one(given: argparse.Namespace, file: Path, place: Path, priors: dict[int, Any]) -> None:
    """Denoise the images of a file."""
    answers, sigmas = [], []
    for image in read_images(file, None):
        x = as_float(image)[None]
        if x.shape[1] not in priors:
            priors[x.shape[1]] = denoiser(given.prior, x.shape[1])
        prior = priors[x.shape[1]]
        sigma = _level(given, file, x) if given.sigma is None or not answers else given.sigma
        rows = x if prior.channels in (None, x.shape[1]) else x.movedim(1, 0)  # channel by channel
        answers.append(prior(rows, sigma).reshape(x.shape)[0])
        sigmas.append(sigma)
    header = image_header(file)
    told = {"data": {"file": file.name, **header}, "method": "denoise", "denoiser": given.prior, "sigma": sigmas}
    for written in write_images(place, answers, overwrite=given.force, provenance=told, pixel=square_pixel(header)):
        put(given, written, files=[{"from": str(file), "to": str(written), "sigma": sigmas}])


def _level(given: argparse.Namespace, file: Path, x: Tensor) -> float:
    """The noise level that is given, with a warning where it is far from what the image (1, C, H, W) shows; or that."""
    found = float(estimate_noise(Identity((x.shape[2], x.shape[3]), channels=x.shape[1]), x)[0])
    if given.sigma is None:
        say(given, f"{file.name}: noise level {found:.4g}, estimated")
        return found
    low, high = float(x.min()), float(x.max())
    if not found / _UNLIKE <= given.sigma <= max(_UNLIKE * found, _LEAST * (high - low)):
        warnings.warn(
            f"sigma: {given.sigma:.4g} is far from {found:.4g}, the estimate for {file.name} with values {low:.4g} "
            f"to {high:.4g}; sigma is in their units",
            stacklevel=2,
        )
    return given.sigma
