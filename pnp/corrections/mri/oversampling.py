"""Readout oversampling: scanners sample twice as densely as the field of view needs, and leave the margins to us."""

from typing import Any, Literal, overload

from torch import Tensor

from operators.fourier.fft import centred_fft

from ...io.measurement import Measurement

__all__ = ["remove_oversampling"]

_AXES = {"rows": -2, "columns": -1}


@overload
def remove_oversampling(
    y: Tensor, size: int | None = None, *, readout: Literal["rows", "columns"] = "rows"
) -> Tensor: ...
@overload
def remove_oversampling(
    y: Measurement, size: int | None = None, *, readout: Literal["rows", "columns"] = "rows"
) -> Measurement: ...
def remove_oversampling(
    y: Tensor | Measurement, size: int | None = None, *, readout: Literal["rows", "columns"] = "rows"
) -> Tensor | Measurement:
    """Cartesian k-space (B, coils, H, W) of the middle of the field of view along the readout, which is fully sampled:
    to the image along that axis, cut, and back.

    Exact: the image is the middle of the image that all data give. Transforms are unitary, so ``noise_std`` stays what
    it is, and half of the noise is gone with the margins.

    Args:
        y: data, or a :class:`pnp.io.Measurement`, whose mask and coil maps are cut along.
        size: samples to keep along the readout; default half of them.
        readout: ``"rows"``, the second last axis, or ``"columns"``.

    Raises:
        ValueError: the readout is not fully sampled, or ``size`` is out of range.

    >>> import torch
    >>> remove_oversampling(torch.ones(1, 2, 8, 5) + 0j).shape
    torch.Size([1, 2, 4, 5])
    """
    data = y.y if isinstance(y, Measurement) else y
    if readout not in _AXES:
        raise ValueError(f"readout: expected 'rows' or 'columns', got {readout!r}")
    if data.ndim != 4 or not data.is_complex():
        raise ValueError(f"y: expected complex (B, coils, H, W), got {data.dtype} {tuple(data.shape)}")
    axis = _AXES[readout]
    there = data.shape[axis]
    size = there // 2 if size is None else size
    if not 1 <= size <= there:
        raise ValueError(f"size: expected 1 ... {there} samples along the {readout}, got {size}")
    measured = (data != 0).any(1).any(0)
    if not bool((measured.any(axis, keepdim=True) == measured).all()):
        raise ValueError(f"y: not fully sampled along the {readout}; cut the image instead")
    start = there // 2 - size // 2
    image = centred_fft(data, (axis,), inverse=True).narrow(axis, start, size)
    cut = centred_fft(image, (axis,))
    if not isinstance(y, Measurement):
        return cut
    if isinstance(y.noise_std, Tensor) and y.noise_std.ndim > 1:
        raise ValueError("noise_std: one for each datum, which are not those that remain; whiten the data first")
    arguments: dict[str, Any] = dict(y.arguments)
    for name in ("mask", "coil_maps"):
        if arguments.get(name) is not None:
            arguments[name] = arguments[name].narrow(axis, start, size)
    return y.changed(f"readout oversampling removed, {there} to {size}", y=cut, arguments=arguments)
