"""Shear as surveys have it: noise of galaxy shapes, and maps binned from a catalogue."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

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


def shape_noise_std_map(counts: Tensor, *, sigma_e: float = 0.37) -> Tensor:
    r"""The same for pixels of ``counts`` galaxies, :math:`\sigma_e / \sqrt{2 N}`; infinite where there is none.

    >>> shape_noise_std_map(torch.tensor([0.0, 2.0]), sigma_e=0.4).tolist()
    [inf, 0.20000000298023224]
    """
    if not sigma_e > 0:
        raise ValueError(f"sigma_e: expected a positive number, got {sigma_e}")
    return sigma_e / (2 * counts).sqrt()


class ShearMap(NamedTuple):
    """Binned galaxies.

    Attributes:
        shear: weighted mean ellipticity, complex (1, 1, H, W); 0 where there is no galaxy.
        mask: where there are galaxies, (H, W), 0 and 1.
        counts: galaxies a pixel, (H, W).
        weight: sum of their weights, (H, W).
    """

    shear: Tensor
    mask: Tensor
    counts: Tensor
    weight: Tensor


def bin_shear(
    ra: Tensor,
    dec: Tensor,
    ellipticity: tuple[Tensor, Tensor],
    *,
    image_shape: tuple[int, int],
    pixel_scale: float,
    centre: tuple[float, float] | None = None,
    weight: Tensor | None = None,
) -> ShearMap:
    """Maps of galaxies on the tangent plane: rows follow declination (upwards), columns right ascension (to the east,
    so towards larger values; pictures of the sky have it mirrored).

    Args:
        ra, dec: degrees, (N,).
        ellipticity: both components, (N,) each, of axes along columns and rows as the catalogue has them.
        image_shape: (H, W).
        pixel_scale: arcmin.
        centre: right ascension and declination of the middle of the map, degrees; default: middle of the catalogue.
        weight: of each galaxy, (N,); default 1.

    Raises:
        ValueError: lengths differ, values are not finite, weights are negative.

    >>> one = torch.ones(3)
    >>> binned = bin_shear(10 * one, 5 * one, (0.1 * one, 0 * one), image_shape=(5, 5), pixel_scale=1.0)
    >>> int(binned.counts.sum()), round(binned.shear[0, 0, 2, 2].real.item(), 6)
    (3, 0.1)
    """
    ra, dec, e1, e2 = (torch.as_tensor(v).double() for v in (ra, dec, *ellipticity))
    w = torch.ones_like(ra) if weight is None else torch.as_tensor(weight).double()
    for name, value in (("dec", dec), ("ellipticity", e1), ("ellipticity", e2), ("weight", w)):
        if value.shape != ra.shape or ra.ndim != 1 or not len(ra):
            raise ValueError(f"ra, {name}: expected (N,) values each, got {tuple(ra.shape)} and {tuple(value.shape)}")
        if not bool(torch.isfinite(value).all() & torch.isfinite(ra).all()):
            raise ValueError(f"ra, {name}: values are not finite")
    if not bool((w >= 0).all()):
        raise ValueError("weight: expected values >= 0")
    x, y = _tangent_plane(ra, dec, centre)
    height, width = image_shape
    column = torch.floor(x * 60 / pixel_scale + width / 2).long()
    row = torch.floor(y * 60 / pixel_scale + height / 2).long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = (row * width + column)[inside]

    def total(values: Tensor) -> Tensor:
        return torch.zeros(height * width, dtype=torch.float64).index_add_(0, place, values[inside])

    weights = total(w)
    shear = torch.complex(total(w * e1), total(w * e2)) / weights.clamp_min(torch.finfo(torch.float64).tiny)
    mask = (weights > 0).reshape(height, width)
    shear = torch.where(mask, shear.reshape(height, width), 0).to(torch.complex64)[None, None]
    counts = total(torch.ones_like(w)).reshape(height, width).float()
    return ShearMap(shear, mask.float(), counts, weights.reshape(height, width).float())


def _tangent_plane(ra: Tensor, dec: Tensor, centre: tuple[float, float] | None) -> tuple[Tensor, Tensor]:
    """Gnomonic projection, degrees from the centre to the east and to the north."""
    a, d = torch.deg2rad(ra), torch.deg2rad(dec)
    if centre is None:  # of the directions' box, seen from their mean, so that 0 h is no border
        mean = torch.atan2(a.sin().mean(), a.cos().mean())
        away = torch.remainder(a - mean + math.pi, 2 * math.pi) - math.pi
        a0 = mean + 0.5 * (away.min() + away.max())
        d0 = 0.5 * (d.min() + d.max())
    else:
        a0, d0 = (torch.tensor(math.radians(v), dtype=torch.float64) for v in centre)
    cosine = d0.sin() * d.sin() + d0.cos() * d.cos() * (a - a0).cos()
    if not bool((cosine > 0).all()):
        raise ValueError("ra, dec: galaxies more than 90 degrees from the centre have no place on the tangent plane")
    x = d.cos() * (a - a0).sin() / cosine
    y = (d0.cos() * d.sin() - d0.sin() * d.cos() * (a - a0).cos()) / cosine
    return torch.rad2deg(x), torch.rad2deg(y)
