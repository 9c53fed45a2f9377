"""Images of known phase: what partial Fourier scans rely on."""

import torch
from torch import Tensor

from ..base import LinearOperator
from ..shapes import Constant, as_constant, check_precision, constant_like, image_axes

__all__ = ["KnownPhase"]


class KnownPhase(LinearOperator):
    r"""Real image times a known phase, :math:`x \mapsto x e^{i\varphi}`, (B, 1, H, W) real -> complex.

    ``MRI(mask, maps) @ KnownPhase(phase)`` measures real images, whose k-space has the symmetry
    :math:`Y(-k) = \overline{Y(k)}` but for the phase: half of it tells the other half (partial Fourier). The
    answer may be negative; magnitudes are those of ``op.A(x)``.

    Args:
        phase: radians, (H, W) or (1 | B, 1, H, W), real; :func:`pnp.corrections.mri.low_resolution_phase` estimates it.

    Raises:
        TypeError: no array. ValueError: complex, not finite, or of another shape.

    Noll, Nishimura, Macovski 1991, doi:10.1109/42.79473.

    >>> op = KnownPhase(torch.full((2, 2), torch.pi / 2))
    >>> op(torch.ones(1, 1, 2, 2))[0, 0, 0, 0].imag.item()
    1.0
    """

    field = "mri"
    in_dtype = torch.float32
    phase: Tensor

    def __init__(self, phase: Constant) -> None:
        super().__init__()
        phase = as_constant("phase", phase)
        if phase.is_complex() or not bool(torch.isfinite(phase).all()):
            raise ValueError("phase: expected real, finite radians; of a complex image it is image.angle()")
        if phase.ndim not in (2, 4) or (phase.ndim == 4 and phase.shape[1] != 1):
            raise ValueError(f"phase: expected (H, W) or (B, 1, H, W), got {tuple(phase.shape)}")
        phase = phase if phase.ndim == 4 else phase[None, None]
        self.register_buffer("phase", phase.to(phase.dtype if phase.is_floating_point() else torch.float32).clone(),
                             persistent=False)  # fmt: skip
        self.out_dtype = torch.complex64
        self.in_shape = self.out_shape = image_axes((phase.shape[-2], phase.shape[-1]))

    def _turn(self, like: Tensor) -> Tensor:
        phase = constant_like(self.phase, like, "phase")
        return torch.polar(torch.ones_like(phase), phase)

    def A(self, x: Tensor) -> Tensor:
        return self._turn(x) * x

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        return (self._turn(y).conj() * y).real

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return x

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **_) -> Tensor:
        return b / (1 + self._gamma(gamma, b))

    def norm(self) -> float:
        return 1.0
