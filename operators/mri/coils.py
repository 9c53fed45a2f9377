"""Coil sensitivities from the calibration region of k-space."""

import warnings
from operator import index

import torch
from torch import Tensor

from ..fourier.fft import ifft2c
from ..shapes import check_number
from .centre import off_centre

__all__ = ["estimate_coil_maps"]


def estimate_coil_maps(
    kspace: Tensor,
    *,
    calibration: int | tuple[int, int] = 24,
    kernel: int = 6,
    threshold: float = 0.02,
    crop: float = 0.8,
) -> Tensor:
    r"""ESPIRiT sensitivities (B, coils, H, W) of k-space (B, coils, H, W), :math:`\sum_c |s_c|^2` = 1 in the object.

    Windows of the fully sampled centre span a subspace; its projector, seen in the image domain, has at each pixel
    the coils' sensitivities as its eigenvector of eigenvalue one. Phases are relative to the first virtual coil, whose
    strongest sample is real and positive. Warns of k-space that is not centred, and of less than 2 ``kernel`` rows or
    columns of calibration.

    Args:
        kspace: centred k-space, fully sampled in its middle.
        calibration: side of that middle, or its (rows, columns): all rows count where whole columns are measured.
        kernel: side of the windows.
        threshold: singular values below this share of the largest are noise.
        crop: eigenvalue below which there is no object, and the maps are zero.

    Raises:
        TypeError: k-space is not a tensor.
        ValueError: it is not complex (B, coils, H, W), not finite, smaller than the calibration region, zero there or
            not fully sampled; or an option is out of range. The message says which region would fit.

    Uecker et al. 2014, doi:10.1002/mrm.24751.

    >>> from operators.fourier import fft2c
    >>> maps = estimate_coil_maps(fft2c(torch.randn(1, 2, 32, 32) + 0j), calibration=(32, 16))
    >>> maps.shape
    torch.Size([1, 2, 32, 32])
    """
    if not isinstance(kspace, Tensor):
        raise TypeError(f"kspace: expected a torch.Tensor, got {type(kspace).__name__}")
    if kspace.ndim != 4 or kspace.numel() == 0 or not kspace.is_complex():
        raise ValueError(f"kspace: expected complex (B, coils, H, W), got {kspace.dtype} {tuple(kspace.shape)}")
    if not bool(torch.isfinite(kspace).all()):
        raise ValueError("kspace: holds NaN or infinite values")
    if kernel < 1:
        raise ValueError(f"kernel: expected a side >= 1, got {kernel}")
    if not 0 <= check_number("threshold", threshold) < 1 or not 0 <= check_number("crop", crop) <= 1:
        raise ValueError(f"threshold, crop: expected shares in [0, 1), [0, 1], got {threshold}, {crop}")
    square = _calibration_region(kspace, calibration, kernel)
    if note := off_centre(kspace):
        warnings.warn(f"estimate_coil_maps: {note[0].words}", RuntimeWarning, stacklevel=2)
    if min(square.shape[-2:]) < 2 * kernel:
        warnings.warn(
            f"estimate_coil_maps: {square.shape[-2]} x {square.shape[-1]} samples of calibration are few for windows "
            f"of {kernel} x {kernel}; measure {2 * kernel} rows and columns at least, or take a smaller kernel",
            RuntimeWarning, stacklevel=2,
        )  # fmt: skip
    return torch.stack([_maps(k, s, kernel, threshold, crop) for k, s in zip(kspace, square)])


def _calibration_region(kspace: Tensor, calibration: int | tuple[int, int], kernel: int) -> Tensor:
    """Middle of k-space (B, coils, rows, columns), every sample of it measured."""
    height, width = kspace.shape[-2:]
    try:
        rows, columns = (index(n) for n in ((calibration,) * 2 if isinstance(calibration, int) else calibration))
    except (TypeError, ValueError):
        raise ValueError(f"calibration: expected a side or (rows, columns), got {calibration!r}") from None
    if not (kernel + 2 <= rows <= height and kernel + 2 <= columns <= width):
        raise ValueError(
            f"calibration: expected {kernel + 2} ... {height} rows and {kernel + 2} ... {width} columns, "
            f"got {rows} and {columns}"
        )
    top, left = height // 2 - rows // 2, width // 2 - columns // 2
    square = kspace[..., top : top + rows, left : left + columns]
    measured = (square != 0).any(1)
    if not bool(measured.flatten(1).any(1).all()):
        raise ValueError("kspace: zero in the calibration region")
    missing = 1 - measured.flatten(1).double().mean(1).min().item()
    if missing > 0:
        raise ValueError(
            f"calibration: {calibration} asks for {rows} x {columns} samples in the middle, {missing:.0%} of which are "
            f"not measured (zero in all coils); {_fitting(kspace, rows)}"
        )
    return square


def _fitting(kspace: Tensor, rows: int) -> str:
    """Which regions in the middle are measured: of as many rows, and square."""
    measured = (kspace != 0).any(1).all(0)
    height, width = measured.shape

    def whole(a: int, b: int) -> bool:
        top, left = height // 2 - a // 2, width // 2 - b // 2
        return bool(measured[top : top + a, left : left + b].all())

    columns = max((n for n in range(width + 1) if whole(rows, n)), default=0)
    side = max((n for n in range(min(height, width) + 1) if whole(n, n)), default=0)
    if max(columns, side) == 0:
        return "not even the centre is"
    fits = [f"calibration=({rows}, {columns})"] if columns else []
    return " or ".join([*fits, f"calibration={side}"]) + " fits" if side != columns or not fits else f"{fits[0]} fits"


def _maps(kspace: Tensor, square: Tensor, kernel: int, threshold: float, crop: float) -> Tensor:
    coils, height, width = kspace.shape
    windows = square.unfold(1, kernel, 1).unfold(2, kernel, 1)  # (coils, n, n, kernel, kernel)
    rows = windows.permute(1, 2, 0, 3, 4).reshape(-1, coils * kernel * kernel)
    _, values, v = torch.linalg.svd(rows, full_matrices=False)
    basis = v[values > threshold * values[0]].reshape(-1, coils, kernel, kernel)
    # window correlations as images: the projector's kernel, one coils x coils matrix per pixel
    gram = torch.zeros(height, width, coils, coils, dtype=kspace.dtype, device=kspace.device)
    for part in basis.split(16):
        padded = torch.zeros(len(part), coils, height, width, dtype=kspace.dtype, device=kspace.device)
        row, column = height // 2 - kernel // 2, width // 2 - kernel // 2
        padded[..., row : row + kernel, column : column + kernel] = part
        image = ifft2c(padded) * (height * width) ** 0.5 / kernel
        gram += torch.einsum("kchw,kdhw->hwcd", image, image.conj())
    eigenvalues, vectors = torch.linalg.eigh(gram)
    first, value = vectors[..., -1], eigenvalues[..., -1]  # (H, W, coils), (H, W)
    # the phase of an eigenvector is free: make it that of the strongest combination of coils, smooth in the image
    _, _, combination = torch.linalg.svd(square.reshape(coils, -1).T, full_matrices=False)
    virtual = combination[0].conj() @ square.reshape(coils, -1)
    peak = virtual[virtual.abs().argmax()]  # else the sign is that of the decomposition, chance
    reference = first @ (combination[0].conj() * peak.conj() / peak.abs())
    phase = reference / reference.abs().clamp_min(torch.finfo(value.dtype).tiny)
    maps = first * phase.conj()[..., None] * (value > crop)[..., None]
    return maps.permute(2, 0, 1)
