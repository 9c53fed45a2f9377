"""Whether a prior of mass maps was made for such pixels and such galaxies."""

import re
from typing import Any

from torch import nn

from ...io.measurement import Measurement
from ...report.remarks import pixel_scale

__all__ = ["prior_doubts"]

_SCALE, _DEPTH = 0.05, 0.3


def prior_doubts(measured: Measurement, prior: nn.Module) -> list[str]:
    """What of the pixel scale and the redshift of a measurement is not what a prior's card says, in words, one for
    each; none where they fit, or where either does not say.

    Pixels may differ by 5 %, mean redshifts by 0.3: power on small scales falls with the pixels' size, its height grows
    with the depth of the galaxies, about as z^1.5 for one redshift (Hu 1999, doi:10.1086/312210).

    >>> from operators import KaiserSquires
    >>> import torch
    >>> m = Measurement(torch.zeros(1, 1, 8, 8) + 0j, KaiserSquires, {"image_shape": (8, 8), "pixel_scale": 0.6})
    >>> class Prior(nn.Module):
    ...     pixel_scale = 0.29
    >>> prior_doubts(m, Prior())
    ['pixels of 0.6 arcmin, the prior is for 0.29: bin the galaxies, or average the map, to it']
    """
    found = []
    ours, theirs = measured.arguments.get("pixel_scale"), pixel_scale(prior)
    if ours and theirs and abs(ours / theirs - 1) > _SCALE:
        found.append(
            f"pixels of {ours:.4g} arcmin, the prior is for {theirs:.4g}: bin the galaxies, or average the map, to it"
        )
    z, depth = measured.provenance.get("redshift"), _redshift(getattr(prior, "card", {}))
    if z is not None and depth is not None and abs(z - depth) > _DEPTH:
        found.append(f"galaxies of mean redshift {z:.2f}, the prior's maps are of sources at {depth:.2g}")
    return found


def _redshift(card: Any) -> float | None:
    """The redshift of sources that a card names, as a number or in its words."""
    for value in _values(card):
        if isinstance(value, str) and (
            said := re.search(r"redshift\s*(?:of\s*)?(\d+(?:\.\d+)?)|\bz\s*=\s*(\d+(?:\.\d+)?)", value)
        ):
            return float(said.group(1) or said.group(2))
    return None


def _values(card: Any) -> Any:
    if isinstance(card, dict):
        for key, value in card.items():
            if key in ("redshift", "source_redshift") and isinstance(value, int | float):
                yield f"redshift {value}"
            else:
                yield from _values(value)
    elif isinstance(card, list | tuple):
        for value in card:
            yield from _values(value)
    else:
        yield card
