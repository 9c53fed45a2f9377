"""Radio images in FITS files, with their beam."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from operators import Blur, Inpainting
from operators.base import LinearOperator

from ..radio.beam_fit import Beam, beam_image
from .measurement import Measurement
from .opening import named
from .sky_maps import fits_image, sky_place

__all__ = ["image_operator", "is_radio_image", "read_radio_image"]

_REACH, _LARGEST = 2.0, 4096  # of the kernel in beams, pixels


def read_radio_image(path: str | Path, *, noise_std: float | None = None) -> Measurement:
    """A radio image: y (1, 1, H, W), rows to the north and columns to the west, whatever the order and the signs of the
    file's axes; one that is turned stays so, and its beam is turned with it.

    In Jy/beam with a beam (BMAJ, BMIN, BPA), it is taken as the sky in Jy/pixel convolved with that beam, one at its
    peak; without a beam as the sky itself. Values that are not finite are holes.

    Raises:
        ValueError: the file is broken or holds no image; it is named. ImportError: astropy is missing.
    """
    with named(path):
        (image, *_), header = fits_image(path)
        place = sky_place(header, mended=True)
        if place is not None:
            image = image[:: -1 if place.south else 1, :: -1 if place.east == "right" else 1]
        hole = ~np.isfinite(image)
        if hole.all():
            raise ValueError("no pixel has a finite value")
        said: dict[str, Any] = {"unit": str(header.get("BUNIT", "")).strip()}
        for k in range(1, header["NAXIS"] + 1):
            if "FREQ" in str(header.get(f"CTYPE{k}", "")).upper():
                said["frequency"] = float(header.get(f"CRVAL{k}", 0)) or None
        kernel = None
        if place is not None:
            said["cell"] = 60 * place.scale
            if place._replace(south=False).upright(image.shape):
                said |= {"centre": place.centre, "east": "left"}
            else:
                said["turned / degrees"] = place.turned
            if "BMAJ" in header:
                major, minor = (3600 * float(header.get(k, header["BMAJ"])) for k in ("BMAJ", "BMIN"))
                beam = Beam(major, minor, float(header.get("BPA", 0)))
                if not (math.isfinite(sum(beam)) and beam.major >= beam.minor > 0):
                    raise ValueError(f"BMAJ, BMIN, BPA: expected major >= minor > 0, got {tuple(beam)}")
                said["beam"] = tuple(beam)
                if "BEAM" in said["unit"].upper():
                    turned = beam._replace(angle=beam.angle - place.turned)
                    kernel = _kernel(turned, 60 * place.scale, image.shape)
        y = torch.from_numpy(np.where(hole, 0, image).astype(np.float32))[None, None]
        seen = torch.from_numpy(~hole).float()
    arguments = {"image_shape": tuple(image.shape), "kernel": kernel, "mask": seen if hole.any() else None}
    return Measurement(y, image_operator, arguments, noise_std, said)


def image_operator(
    image_shape: tuple[int, int], *, kernel: torch.Tensor | None = None, mask: torch.Tensor | None = None
) -> Blur | LinearOperator:
    """Convolution with a beam, zero around the image, where there is one, then the pixels that are known.

    >>> image_operator((4, 4))(torch.ones(1, 1, 4, 4)).sum().item()
    16.0
    """
    known = Inpainting(torch.ones(image_shape, device="cpu") if mask is None else mask)
    if kernel is None:
        return known
    blur = Blur(kernel, image_shape, boundary="zero")
    return blur if mask is None else known @ blur


def is_radio_image(header: Any) -> bool:
    """Whether a FITS header is that of a radio image: janskys, or a beam."""
    return "JY" in str(header.get("BUNIT", "")).upper() or "BMAJ" in header


def _kernel(beam: Beam, cell: float, shape: tuple[int, ...]) -> torch.Tensor:
    sides = [min(2 * math.ceil(_REACH * beam.major / cell) + 1, n - (n + 1) % 2, _LARGEST - 1) for n in shape]
    return beam_image(beam, (sides[0], sides[1]), cell).float()
