"""Ellipses: exact pixel means and exact, bin-averaged parallel projections; no code shared with the operators."""

import numpy as np

# value, half axes, centre (x right, y up), rotation; the image's half side is one
PHANTOM = [
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -0.3142),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 0.3142),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
]  # Shepp, Logan 1974, with Toft's contrasts


def image(n: int, ellipses=PHANTOM, fine: int = 16) -> np.ndarray:
    """Means over the pixels of an n x n image, ``fine`` x ``fine`` points each."""
    t = ((np.arange(n * fine) + 0.5) / fine - n / 2) / (n / 2)
    x, y = np.meshgrid(t, -t)
    total = np.zeros_like(x)
    for value, a, b, x0, y0, turn in ellipses:
        c, s = np.cos(turn), np.sin(turn)
        u, v = c * (x - x0) + s * (y - y0), -s * (x - x0) + c * (y - y0)
        total += value * ((u / a) ** 2 + (v / b) ** 2 <= 1)
    return total.reshape(n, fine, n, fine).mean((1, 3))


def sinogram(n: int, angles: np.ndarray, edges: np.ndarray, ellipses=PHANTOM) -> np.ndarray:
    """Means over detector bins with these ``edges`` (in pixels of the n x n image) of the line integrals."""
    total = np.zeros((len(angles), len(edges) - 1))
    for value, a, b, x0, y0, turn in ellipses:
        a, b, x0, y0 = (v * n / 2 for v in (a, b, x0, y0))
        r = np.hypot(a * np.cos(angles - turn), b * np.sin(angles - turn))[:, None]
        t = np.clip((edges - (x0 * np.cos(angles) + y0 * np.sin(angles))[:, None]) / r, -1, 1)
        primitive = a * b * (np.arcsin(t) + t * np.sqrt(1 - t**2))
        total += value * np.diff(primitive, axis=1) / np.diff(edges)
    return total
