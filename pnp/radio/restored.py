"""What astronomers are shown of a radio sky: model, residual, and the model restored with the array's beam."""

from typing import Any, NamedTuple

from torch import Tensor

from operators import Blur, PrimaryBeam
from operators.compose import Compose
from operators.shapes import Constant

from .beam_fit import Beam, beam_image, fitted_beam
from .points import radio_operator

__all__ = ["SkyImages", "restored"]


class SkyImages(NamedTuple):
    """Images (1, 1, H, W): the ``model`` in Jy/pixel, the ``residual`` y - A model as a dirty image in Jy/beam, the
    ``restored`` image, model convolved with the ``beam`` plus residual, in Jy/beam; ``rms`` of the residual, Jy/beam,
    and the weights (M,) with which it was made."""

    model: Tensor
    residual: Tensor
    restored: Tensor
    beam: Beam
    rms: float
    weights: Tensor


def restored(
    op: Any, y: Tensor, x: Tensor, *, scheme: str = "briggs", robust: float = 0.0, natural: Constant | None = None
) -> SkyImages:
    """Model, residual and restored image of a reconstruction ``x`` of visibilities ``y``.

    Args:
        op: :class:`operators.RadioInterferometry`, also after a beam or before weights, with ``cell``.
            With a beam, residual and restored image are those of the sky times the beam.
        y: (1, 1, M). x: (1, 1, H, W).
        scheme, robust, natural: of the residual's weights, see :meth:`operators.RadioInterferometry.weights`; the beam
            is fitted to their point spread function.

    Raises:
        TypeError, ValueError: the operator is another one, or shapes do not fit.

    Hoegbom 1974, 1974A&AS...15..417H, section 4 (restoring).

    >>> import torch
    >>> from operators import RadioInterferometry, uv_coverage
    >>> op = RadioInterferometry(uv_coverage("vla-d"), (64, 64), cell=8.0)
    >>> sky = torch.zeros(1, 1, 64, 64)
    >>> sky[..., 20, 45] = 2.0
    >>> found = restored(op, op(sky), sky)
    >>> round(found.restored.max().item(), 4), found.rms < 1e-5
    (2.0, True)
    """
    radio, seen = _apart(op, x)
    if radio.cell is None:
        raise ValueError("op: has no cell in arcsec, so that its beam has no size")
    if tuple(y.shape) != (1, *op.out_shape) or tuple(x.shape) != (1, *op.in_shape) or x.is_complex():
        raise ValueError(f"y, x: expected {(1, *op.out_shape)} and {(1, *op.in_shape)}, got {y.shape} and {x.shape}")
    x, seen = x.detach(), seen.detach()
    weights = radio.weights(scheme, robust=robust, natural=natural)
    beam = fitted_beam(radio.psf(weights), radio.cell)
    residual = radio.dirty_image(y - op.A(x.to(y.real.dtype)), weights)
    height, width = (n - (n + 1) % 2 for n in x.shape[-2:])  # kernels have a pixel in their middle
    kernel = beam_image(beam, (height, width), radio.cell).to(x)
    smooth = Blur(kernel, (x.shape[-2], x.shape[-1]), boundary="zero")(seen)
    rms = float(residual.double().square().mean().sqrt())
    return SkyImages(x, residual, smooth + residual, beam, rms, weights)


def _apart(op: Any, x: Tensor) -> tuple[Any, Tensor]:
    """The radio operator in ``op``, and the sky times the primary beam in it, if there is one."""
    while isinstance(op, Compose) and not isinstance(op.inner, PrimaryBeam):
        op = op.inner
    if isinstance(op, Compose):
        return radio_operator(op.outer), op.inner.A(x)
    return radio_operator(op), x
