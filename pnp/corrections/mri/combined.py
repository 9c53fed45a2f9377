"""What becomes of data and measurements whose coils are combined."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.mri import CoilMatrix

from ...io.kspace import coil_maps_of
from ...io.measurement import Measurement

__all__ = ["Combined", "recombined"]


class Combined(NamedTuple):
    """Data whose coils are combined, and the matrix that did it: ``matrix @ op`` is the operator that measured them."""

    y: Tensor
    matrix: CoilMatrix


def recombined(m: Measurement, matrix: CoilMatrix, said: str, *, again: bool = False, **changes: Any) -> Measurement:
    """A measurement by combined coils; ``again``: maps that were estimated are estimated anew.

    Raises:
        ValueError: it has no coils, or they do not fit.
    """
    arguments = dict(m.arguments)
    if "mask" not in arguments and "points" not in arguments:
        raise ValueError(f"y: a measurement by {getattr(m.build, '__name__', m.build)} has no coils")
    y = matrix(m.y)
    if again and m.provenance.get("coil_maps") == "estimated":
        arguments["coil_maps"] = coil_maps_of(y, arguments, matrix.matrix)
    else:
        maps = arguments.get("coil_maps")
        if maps is None:
            shape = arguments["image_shape"] if "points" in arguments else arguments["mask"].shape[-2:]
            maps = torch.ones(1, *shape, device="cpu")
        maps = maps if maps.ndim == 4 else maps[None]
        arguments["coil_maps"] = matrix.combined(maps).to(y.dtype)
    return m.changed(said, y=y, arguments=arguments, **changes)
