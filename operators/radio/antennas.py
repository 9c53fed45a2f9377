"""Where the antennas of radio arrays stand: metres to the east and to the north of the array's centre."""

import math

import torch
from torch import Tensor

__all__ = ["LATITUDES", "antenna_positions"]

LATITUDES = {"meerkat": -30.7130, "vla": 34.0790, "random": -30.7130}
"""Degrees."""

# the 64 design positions, metres east and north
_MEERKAT = """
-8.7 24.5  1.1 56.5  -33.6 9.2  -69.5 29.0  -129.1 -16.7  -106.6 -43.9  -19.1 -55.0  -93.6 -151.8  -97.7 -271.1
33.7 -123.2  91.9 -250.2  87.6 -106.1  146.1 -120.7  247.1 -143.4  292.9 -46.3  219.8 13.8  300.7 43.8  208.3 110.2
110.3 -10.3  178.2 -45.8  101.2 -58.8  -309.0 -83.7  -336.5 83.2  -389.4 211.9  -366.5 346.8  -190.0 414.9
-103.4 226.8  42.2 190.6  -53.5 132.8  -92.7 99.5  178.7 314.2  257.3 296.0  481.4 369.7  606.0 990.6  373.4 185.9
403.0 48.3  405.2 -50.8  396.9 -202.8  222.6 -301.8  264.8 -322.6  -28.1 -430.9  -300.2 -385.3  -377.6 -203.7
-657.5 95.7  -935.4 753.0  -1913.1 452.1  -1531.4 1791.5  -603.7 -255.1  -2927.8 2634.9  -3763.7 605.6  -2142.4 -549.3
-887.6 -482.4  -619.3 -824.5  9.7 -965.0  910.1 -239.3  1254.3 298.6  1668.2 632.4  307.4 3151.4  2927.8 2634.9
3847.4 896.5  3569.9 -1447.9  -17.2 -1884.3  -1504.1 -2046.5  -3569.9 -1447.9
"""


def antenna_positions(array: str, *, count: int = 40, radius: float = 4000.0, seed: int = 0) -> Tensor:
    """Positions (n, 2): metres east and north.

    ``"meerkat"``: the 64 design positions. ``"vla-a"`` ... ``"vla-d"``: the 27 antennas of the Y by its design law,
    the n-th station of an arm at n^1.716 of its length, each configuration 3.28 times smaller than the one before.
    ``"random"``: ``count`` antennas, normally distributed with ``radius`` / 3.

    Raises:
        ValueError: the array is not known.

    Jonas 2009, doi:10.1109/JPROC.2009.2020713 (MeerKAT); Thompson, Clark, Wade, Napier 1980, doi:10.1086/190688 (VLA).

    >>> antenna_positions("vla-d").shape, round(antenna_positions("meerkat").norm(dim=1).max().item())
    (torch.Size([27, 2]), 3950)
    """
    array = array.lower()
    if array == "meerkat":
        return torch.tensor([float(v) for v in _MEERKAT.split()], dtype=torch.float64, device="cpu").reshape(-1, 2)
    if array in ("vla-a", "vla-b", "vla-c", "vla-d"):
        n = torch.arange(1, 10, dtype=torch.float64, device="cpu")
        shrink = 3.28 ** "abcd".index(array[-1])
        arms = []
        for azimuth, length in ((-5.0, 19e3), (115.0, 21e3), (236.0, 21e3)):  # from north to the east
            r = length / shrink * (n / 9) ** 1.716
            turn = math.radians(azimuth)
            arms.append(torch.stack((r * math.sin(turn), r * math.cos(turn)), 1))
        return torch.cat(arms)
    if array == "random":
        g = torch.Generator().manual_seed(seed)
        return radius / 3 * torch.randn(count, 2, generator=g, dtype=torch.float64, device="cpu")
    raise ValueError(f"array: expected 'meerkat', 'vla-a' ... 'vla-d' or 'random', got {array!r}")
