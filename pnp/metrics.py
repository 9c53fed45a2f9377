"""Image quality against a reference, per sample (B,): the numbers that scikit-image gives."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["nrmse", "psnr", "ssim"]


def _check(x: Tensor, ref: Tensor, *, real: bool = True) -> None:
    for name, value in (("x", x), ("ref", ref)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
        if not (value.is_floating_point() or value.is_complex()):
            raise TypeError(f"{name}: expected floating point values, got {value.dtype}; convert with {name}.float()")
    if x.shape != ref.shape:
        raise ValueError(f"x, ref: shapes differ, {tuple(x.shape)} and {tuple(ref.shape)}")
    if x.ndim not in (4, 5):
        raise ValueError(f"x: expected images (B, C, H, W) or volumes (B, C, D, H, W), got {tuple(x.shape)}")
    if x.shape[0] and not x.numel():
        raise ValueError(f"x: images of {tuple(x.shape)} hold no pixels")
    if real and (x.is_complex() or ref.is_complex()):
        raise TypeError("x, ref: this metric is for real images; pass magnitudes, x.abs()")


def _range(data_range: float | Tensor, x: Tensor) -> Tensor:
    r = torch.as_tensor(data_range, dtype=x.dtype, device=x.device).reshape(-1)
    if r.numel() not in (1, x.shape[0]) or not bool(((r > 0) & r.isfinite()).all()):
        raise ValueError("data_range: expected one positive finite number, or one per sample")
    return r


def psnr(x: Tensor, ref: Tensor, *, data_range: float | Tensor = 1.0) -> Tensor:
    r"""Peak signal-to-noise ratio in dB, :math:`10 \log_{10} (R^2 / \mathrm{MSE})`, images (B, C, H, W) -> (B,).

    ``data_range`` R is the span that intensities may take, a number or (B,). Equal images give infinity.

    Raises:
        ValueError: shapes differ, images without pixels, or ``data_range`` is not positive and finite.
        TypeError: complex or integer images.

    >>> psnr(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.1)).item()
    20.0
    """
    _check(x, ref)
    dtype = torch.promote_types(x.dtype, ref.dtype)
    x, ref = x.double(), ref.double()  # squares of single precision leave its range at images of 1e-22 or 1e20
    mse = (x - ref).square().flatten(1).mean(1)
    return (10 * torch.log10(_range(data_range, x) ** 2 / mse)).to(dtype)


def nrmse(x: Tensor, ref: Tensor) -> Tensor:
    r"""Relative error :math:`\|x - x_0\| / \|x_0\|`, real or complex images (B, C, H, W) -> (B,).

    Raises:
        ValueError: shapes differ, images without pixels, or the reference of a sample is zero.
        TypeError: not floating point tensors.

    >>> nrmse(torch.full((1, 1, 2, 2), 1.5), torch.ones(1, 1, 2, 2)).item()
    0.5
    """
    _check(x, ref, real=False)
    if not bool(ref.detach().flatten(1).any(1).all()):
        raise ValueError("ref: a sample is zero everywhere, no error can be relative to it")
    dtype = torch.promote_types(x.dtype, ref.dtype).to_real()
    x, ref = (v.to(torch.promote_types(v.dtype, torch.float64)) for v in (x, ref))  # as in psnr
    return ((x - ref).flatten(1).norm(dim=1) / ref.flatten(1).norm(dim=1)).to(dtype)


def ssim(x: Tensor, ref: Tensor, *, data_range: float | Tensor = 1.0, window: str = "uniform") -> Tensor:
    r"""Structural similarity, mean over pixels, channels and slices, images (B, C, H, W) -> (B,).

    .. math:: \frac{(2 \mu_x \mu_y + c_1) (2 \sigma_{xy} + c_2)}
                   {(\mu_x^2 + \mu_y^2 + c_1) (\sigma_x^2 + \sigma_y^2 + c_2)}

    with c1 = (0.01 R)², c2 = (0.03 R)². ``window`` is ``"uniform"`` (7 x 7, unbiased covariances: scikit-image's
    default, fastMRI's) or ``"gaussian"`` (standard deviation 1.5, 11 x 11, the original). Only windows that lie
    inside the image count. Wang et al. 2004, doi:10.1109/TIP.2003.819861.

    Raises:
        ValueError: shapes differ, images smaller than the window, unknown window, ``data_range`` not positive.
        TypeError: complex or integer images.

    >>> ssim(torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16)).item()
    1.0
    """
    _check(x, ref)
    x, ref = (v.flatten(1, 2) if v.ndim == 5 else v for v in (x, ref))
    dtype = torch.promote_types(x.dtype, ref.dtype)
    x, ref = x.double(), ref.double()  # variances are differences of squares: single precision loses small contrasts
    if window == "uniform":
        line, bias = torch.full((7,), 1 / 7, dtype=x.dtype, device=x.device), 49 / 48
    elif window == "gaussian":
        t = torch.arange(-5, 6, dtype=x.dtype, device=x.device)
        line = torch.exp(-0.5 * (t / 1.5) ** 2)
        line, bias = line / line.sum(), 1.0
    else:
        raise ValueError(f"window: expected 'uniform' or 'gaussian', got {window!r}")
    if min(x.shape[-2:]) < len(line):
        raise ValueError(f"x: images of {tuple(x.shape[-2:])} are smaller than the window of {len(line)} pixels")
    c1, c2 = ((k * _range(data_range, x).reshape(-1, 1, 1, 1)) ** 2 for k in (0.01, 0.03))

    def mean(v: Tensor) -> Tensor:
        flat = v.reshape(-1, 1, *v.shape[-2:])
        flat = F.conv2d(F.conv2d(flat, line.reshape(1, 1, -1, 1)), line.reshape(1, 1, 1, -1))
        return flat.reshape(*v.shape[:2], *flat.shape[-2:])

    mx, my = mean(x), mean(ref)
    vx, vy, vxy = (
        bias * (mean(a * b) - p * q) for a, b, p, q in ((x, x, mx, mx), (ref, ref, my, my), (x, ref, mx, my))
    )
    values = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return values.flatten(1).mean(1).to(dtype)
