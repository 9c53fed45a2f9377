"""Biases of measured ellipticities: multiplicative, m, and additive, c."""

from typing import Any

import numpy as np

__all__ = ["calibrated"]


def calibrated(
    e1: np.ndarray, e2: np.ndarray, *, m: Any = None, c: tuple[Any, Any] = (0.0, 0.0), weight: Any = None
) -> tuple[np.ndarray, np.ndarray, str]:
    r"""Ellipticities without their biases, :math:`(e_i - c_i) / (1 + \bar m)`, and what was done, in words.

    c is that of each galaxy; m is averaged over all, with their weights, since the m of a galaxy is as noisy as its
    ellipticity and of the same noise.

    Args:
        m: of each galaxy, (N,), or one number; None: 0.
        c: of both components, (N,) or numbers.
        weight: (N,).

    Raises:
        ValueError: the mean of 1 + m is not positive, or values are not finite.

    Miller et al. 2013, doi:10.1093/mnras/sts454, section 8; Heymans et al. 2012, doi:10.1111/j.1365-2966.2012.21952.x.

    >>> e1, e2, said = calibrated(np.array([0.1, 0.3]), np.array([0.0, 0.2]), m=np.array([-0.3, -0.1]), c=(0.02, 0.0))
    >>> e1.round(3).tolist(), said
    ([0.1, 0.35], 'm -0.2, c 0.02 and 0')
    """
    mean_m = 0.0 if m is None else float(np.average(np.broadcast_to(m, np.shape(e1)), weights=weight))
    if not 0 < 1 + mean_m < np.inf:
        raise ValueError(f"m: expected a mean above -1, got {mean_m}")
    out = [(np.asarray(e) - np.asarray(b)) / (1 + mean_m) for e, b in zip((e1, e2), c)]
    if not all(np.isfinite(e).all() for e in out):
        raise ValueError("c: values are not finite")
    means = [float(np.average(np.broadcast_to(b, np.shape(e1)), weights=weight)) for b in c]
    return out[0], out[1], f"m {mean_m:.3g}, c {means[0]:.3g} and {means[1]:.3g}"
