"""Visibilities left out: by the user's flags, and outliers."""

import torch

from operators.shapes import Constant, as_constant

from ...io.visibilities import Visibilities

__all__ = ["flag", "flag_outliers"]

_NORMAL_MAD = 0.6745


def flag(measured: Visibilities, flags: Constant, *, why: str = "by the user") -> Visibilities:
    """The measurement without the samples where ``flags``, booleans (M,), are true, ``why`` in a word for the
    provenance.

    Raises:
        TypeError, ValueError: flags are not booleans (M,), or flag everything.
    """
    flags = as_constant("flags", flags)
    if flags.dtype != torch.bool or flags.shape != measured.y.shape[-1:]:
        raise ValueError(f"flags: expected booleans ({measured.y.shape[-1]},), got {flags.dtype} {tuple(flags.shape)}")
    return measured.kept(~flags, f"{int(flags.sum()):,} samples flagged {why}")


def flag_outliers(measured: Visibilities, *, sigmas: float = 6.0, window: int = 31) -> Visibilities:
    """The measurement without samples that stand out from the others of about the same baseline length, as interference
    does: moduli further than ``sigmas`` robust deviations (1.48 median absolute deviations) from the median of the
    ``window`` samples next in length.

    Raises:
        ValueError: ``sigmas`` or ``window`` is out of range.
    """
    if not (sigmas > 0 and window >= 5):
        raise ValueError(f"sigmas, window: expected > 0 and >= 5, got {sigmas!r}, {window!r}")
    size = measured.y[0, 0].abs().double()
    order = measured.arguments["uv"].double().norm(dim=0).argsort()
    half = min(window // 2, (len(size) - 1) // 2)
    padded = torch.nn.functional.pad(size[order][None, None], (half, half), mode="reflect")[0, 0]
    around = padded.unfold(0, 2 * half + 1, 1)
    middle = around.median(1).values
    spread = (around - middle[:, None]).abs().median(1).values / _NORMAL_MAD
    flags = torch.zeros(len(size), dtype=torch.bool, device="cpu")
    flags[order] = (size[order] - middle).abs() > sigmas * spread.clamp_min(1e-6 * middle)
    return flag(measured, flags, why=f"{sigmas:g} deviations from their neighbours")
