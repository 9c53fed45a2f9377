"""Shear as surveys have it: noise of galaxy shapes, and maps binned from a catalogue."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..shapes import Constant, as_constant, image_axes

__all__ = ["ShearMap", "bin_shear", "shape_noise_std", "shape_noise_std_map"]


def shape_noise_std(pixel_scale: float, *, n_gal: float = 30.0, sigma_e: float = 0.37, components: int = 2) -> float:
    r"""Noise of the shear in a pixel, standard deviation per component, from the shapes of its galaxies.

    .. math:: \sigma = \sigma_e / \sqrt{2\, n_\mathrm{gal}\, A_\mathrm{pix}}

    Args:
        pixel_scale: side of a pixel in arcmin.
        n_gal: galaxies per square arcmin; 30 is Euclid's and LSST's (Stage IV).
        sigma_e: intrinsic ellipticity, both components together.
        components: 2, as above (Price et al. 2021, doi:10.1093/mnras/stab1983); 1 leaves out the factor 2, as formula
            (19) of LoFi (arXiv:2411.04995) has it.

    Raises:
        ValueError: a value is not positive.

    The 5 degrees of LoFi on 1024 pixels:

    >>> round(shape_noise_std(300 / 1024, components=1), 5), round(shape_noise_std(300 / 1024), 5)
    (0.23058, 0.16304)
    """
    for name, value in (("pixel_scale", pixel_scale), ("n_gal", n_gal), ("sigma_e", sigma_e)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name}: expected a positive finite number, got {value}")
    if components not in (1, 2):
        raise ValueError(f"components: expected 1 or 2, got {components}")
    return sigma_e / math.sqrt(components * n_gal * pixel_scale**2)


def shape_noise_std_map(counts: Constant, *, sigma_e: float = 0.37, components: int = 2) -> Tensor:
    r"""The same for pixels of ``counts`` galaxies, :math:`\sigma_e / \sqrt{2 N}`; infinite where there is none.

    >>> shape_noise_std_map(torch.tensor([0.0, 2.0]), sigma_e=0.4).tolist()
    [inf, 0.20000000298023224]
    """
    if not 0 < sigma_e < math.inf:
        raise ValueError(f"sigma_e: expected a positive finite number, got {sigma_e}")
    if components not in (1, 2):
        raise ValueError(f"components: expected 1 or 2, got {components}")
    counts = as_constant("counts", counts)
    if not bool((counts >= 0).all()):
        raise ValueError("counts: expected numbers of galaxies >= 0")
    return sigma_e / (components * counts).sqrt()


class ShearMap(NamedTuple):
    """Binned galaxies.

    Attributes:
        shear: weighted mean ellipticity, complex (1, 1, H, W); 0 where there is no galaxy.
        mask: where there are galaxies, (H, W), 0 and 1.
        counts: effective number of galaxies per pixel, :math:`(\\sum w)^2 / \\sum w^2`, (H, W): their number where all
            weigh the same; what :func:`shape_noise_std_map` makes noise of.
        weight: sum of their weights, (H, W).
    """

    shear: Tensor
    mask: Tensor
    counts: Tensor
    weight: Tensor


def bin_shear(
    ra: Any,
    dec: Any,
    ellipticity: tuple[Any, Any],
    *,
    image_shape: tuple[int, int],
    pixel_scale: float,
    centre: tuple[float, float] | None = None,
    weight: Any = None,
) -> ShearMap:
    """Maps of galaxies on the tangent plane: rows follow declination (upwards), columns right ascension (to the east,
    so towards larger values; pictures of the sky have it mirrored).

    Ellipticities are taken along rows and columns as the catalogue has them. Catalogues differ in their signs:
    :func:`shear_signs` finds them for :class:`LensingConvention`. Far from the centre, or near a pole, north
    is not upwards any more, and ellipticities would have to be turned.

    Args:
        ra, dec: degrees, (N,), tensors, arrays or a FITS table's columns.
        ellipticity: both components, (N,) each.
        image_shape: (H, W).
        pixel_scale: arcmin.
        centre: right ascension and declination of the middle of the map, degrees; default: middle of the catalogue.
        weight: of each galaxy, (N,); default 1.

    Raises:
        ValueError: lengths differ, values are not finite, weights are negative, no galaxy lies in the map.

    >>> one = torch.ones(3)
    >>> binned = bin_shear(10 * one, 5 * one, (0.1 * one, 0 * one), image_shape=(5, 5), pixel_scale=1.0)
    >>> int(binned.counts.sum()), round(binned.shear[0, 0, 2, 2].real.item(), 6)
    (3, 0.1)
    """
    _, height, width = image_axes(image_shape)
    if not 0 < pixel_scale < math.inf:
        raise ValueError(f"pixel_scale: expected a positive number of arcmin, got {pixel_scale}")
    if not isinstance(ellipticity, Sequence) or len(ellipticity) != 2:
        raise ValueError("ellipticity: expected the two components, (N,) each")
    columns = {"ra": ra, "dec": dec, "ellipticity[0]": ellipticity[0], "ellipticity[1]": ellipticity[1]}
    if weight is not None:
        columns["weight"] = weight
    ra, dec, e1, e2, *weights = (_column(name, value, np.shape(ra)) for name, value in columns.items())
    w = weights[0] if weights else torch.ones_like(ra)
    if not bool((w >= 0).all()) or not bool((dec.abs() <= 90).all()):
        raise ValueError("weight, dec: expected weights >= 0 and declinations from -90 to 90 degrees")
    x, y = _tangent_plane(ra, dec, centre)
    column = torch.floor(x * 60 / pixel_scale + width / 2)
    row = torch.floor(y * 60 / pixel_scale + height / 2)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (w > 0)
    if not bool(inside.any()):
        raise ValueError("ra, dec: no galaxy lies in the map; see centre, image_shape and pixel_scale")
    place = (row * width + column)[inside].long()

    def total(values: Tensor) -> Tensor:
        sums = torch.zeros(height * width, dtype=torch.float64, device="cpu").index_add_(0, place, values[inside])
        return sums.reshape(height, width)

    sum_w = total(w)
    mask, per = sum_w > 0, sum_w.clamp_min(torch.finfo(torch.float64).tiny)
    shear = torch.where(mask, torch.complex(total(w * e1), total(w * e2)) / per, 0).to(torch.complex64)[None, None]
    counts = torch.where(mask, sum_w * (sum_w / total(w**2).clamp_min(torch.finfo(torch.float64).tiny)), 0)
    return ShearMap(shear, mask.float(), counts.float(), sum_w.float())


def _column(name: str, values: Any, shape: tuple[int, ...]) -> Tensor:
    """A catalogue's column in double precision; FITS tables have big-endian ones."""
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected real numbers, got {array.dtype}")
    if array.ndim != 1 or not array.size or array.shape != shape:
        raise ValueError(f"{name}: expected (N,) values, as many as ra, got {array.shape} beside {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: values are not finite")
    return torch.from_numpy(array.astype(np.float64))


def _tangent_plane(ra: Tensor, dec: Tensor, centre: tuple[float, float] | None) -> tuple[Tensor, Tensor]:
    """Gnomonic projection, degrees from the centre to the east and to the north."""
    a, d = torch.deg2rad(ra), torch.deg2rad(dec)
    if centre is None:  # of the directions' box, seen from their mean, so that 0 h is not a border
        mean = torch.atan2(a.sin().mean(), a.cos().mean())
        away = torch.remainder(a - mean + math.pi, 2 * math.pi) - math.pi
        a0 = mean + 0.5 * (away.min() + away.max())
        d0 = 0.5 * (d.min() + d.max())
    else:
        a0, d0 = (torch.tensor(math.radians(v), dtype=torch.float64, device="cpu") for v in centre)
    cosine = d0.sin() * d.sin() + d0.cos() * d.cos() * (a - a0).cos()
    cosine = torch.where(cosine > 1e-6, cosine, torch.nan)  # 90 degrees away there is no tangent plane: in no pixel
    x = d.cos() * (a - a0).sin() / cosine
    y = (d0.cos() * d.sin() - d0.sin() * d.cos() * (a - a0).cos()) / cosine
    return torch.rad2deg(x), torch.rad2deg(y)
