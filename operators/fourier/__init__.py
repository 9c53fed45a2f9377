"""Fourier transforms: centred, non-uniform, and the Toeplitz normals of the latter; engines of the non-uniform one."""

from .fft import fft2c as fft2c
from .fft import ifft2c as ifft2c
from .nufft import NUFFT as NUFFT
from .phase import PhaseRetrieval as PhaseRetrieval

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
