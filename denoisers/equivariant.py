"""Averages over flips, rotations and shifts, which make a denoiser commute with them."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Denoiser, check_images

__all__ = ["EquivariantDenoiser"]


class EquivariantDenoiser(Denoiser):
    r"""Mean of :math:`T^{-1} D(T x, \sigma)` over transforms T: it commutes with the flips and rotations averaged over.

    Args:
        denoiser: D.
        flips: mirror images.
        rotations: by quarter turns.
        shifts: by 0 ... shifts - 1 pixels along both axes at once, for networks that see the image in blocks; the
            image is continued by mirroring.

    The price is one evaluation for each transform: 8 for all flips and rotations, times ``shifts``.
    Terris, Moreau, Pustelnik, Tachella 2024, doi:10.1109/CVPR52733.2024.02395.

    >>> from denoisers import as_denoiser
    >>> left = as_denoiser(lambda x, sigma: torch.cat((x[..., 1:], x[..., :1]), -1))
    >>> EquivariantDenoiser(left, rotations=False)(torch.eye(3)[None, None], 0.1)[0, 0, 0].tolist()
    [0.0, 0.5, 0.5]
    """

    def __init__(self, denoiser: Denoiser, *, flips: bool = True, rotations: bool = True, shifts: int = 1) -> None:
        super().__init__()
        if shifts < 1:
            raise ValueError(f"shifts: expected at least 1, got {shifts}")
        self.denoiser, self.shifts = denoiser, shifts
        self.turns = [(k, m) for k in (range(4) if rotations else (0,)) for m in ((False, True) if flips else (False,))]
        self._stand_around(denoiser)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        check_images(x, self.channels)
        parts = list(self._each(x, sigma))
        return torch.stack(parts).mean(0) if len(parts) > 1 else parts[0]

    def _each(self, x: Tensor, sigma: float | Tensor) -> Iterator[Tensor]:
        height, width = x.shape[-2:]
        for shift in range(min(self.shifts, height, width)):
            moved = F.pad(x, (shift, 0, shift, 0), mode="reflect") if shift else x
            for turn, mirror in self.turns:
                seen = torch.rot90(moved, turn, (-2, -1))
                seen = seen.flip(-1) if mirror else seen
                out = self.denoiser(seen, sigma)
                out = out.flip(-1) if mirror else out
                yield torch.rot90(out, -turn, (-2, -1))[..., shift:, shift:]
