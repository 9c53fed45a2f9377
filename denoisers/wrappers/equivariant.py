"""Averages over flips, rotations and shifts, which make a denoiser commute with flips and rotations."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import Wrapper

__all__ = ["EquivariantDenoiser"]


class EquivariantDenoiser(Wrapper):
    r"""Mean of :math:`T^{-1} D(T x, \sigma)` over transforms T: it commutes with the flips and rotations averaged over.

    .. math:: M(x, \sigma) = \frac{1}{|G| S} \sum_{g \in G} \sum_{s < S} g^{-1} P_s^* D(P_s\, g\, x, \sigma), \qquad
        M(g x, \sigma) = g M(x, \sigma)

    exactly for all g of the group G, whatever D does, since shifts come after the turn; :math:`P_s` continues an image
    by s mirrored rows above and s columns on the left, :math:`P_s^*` cuts them off. With shifts M depends less on where
    D's blocks lie, but does not commute with shifts.

    Args:
        denoiser: D.
        flips: G has mirror images, left-right and up-down; alone, these and the half turn that both make.
        rotations: G has quarter turns. With ``flips`` it has all eight, without either only the identity.
        shifts: S, for networks that see the image in blocks; at most as many as the image's shorter side.

    Raises:
        ValueError: ``shifts`` is below 1.

    The price is one evaluation for each transform: 8 for all flips and rotations, times ``shifts``.
    Terris, Moreau, Pustelnik, Tachella 2024, doi:10.1109/CVPR52733.2024.02395.

    >>> left = lambda x, sigma: torch.cat((x[..., 1:], x[..., :1]), -1)
    >>> EquivariantDenoiser(left, rotations=False)(torch.eye(3)[None, None], 0.1)[0, 0, 0].tolist()
    [0.0, 0.5, 0.5]
    """

    def __init__(
        self, denoiser: Callable[..., Tensor], *, flips: bool = True, rotations: bool = True, shifts: int = 1
    ) -> None:
        super().__init__(denoiser)  # the radius too: what is mirrored lies no further away than where it stands
        if shifts < 1:
            raise ValueError(f"shifts: expected at least 1, got {shifts}")
        self.shifts = shifts
        turns = range(4) if rotations else (0, 2) if flips else (0,)
        self.turns = [(turn, mirror) for turn in turns for mirror in ((False, True) if flips else (False,))]

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        self.check(x)
        total, count = torch.zeros_like(x), 0
        for turn, mirror in self.turns:
            seen = torch.rot90(x, turn, (-2, -1))
            seen = seen.flip(-1) if mirror else seen
            for shift in range(min(self.shifts, *x.shape[-2:])):
                moved = F.pad(seen, (shift, 0, shift, 0), mode="reflect") if shift else seen
                out = self.denoiser(moved, sigma)[..., shift:, shift:]
                out = out.flip(-1) if mirror else out
                total, count = total + torch.rot90(out, -turn, (-2, -1)), count + 1
        return total / count
