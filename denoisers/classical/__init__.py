"""Denoisers without training: total variation, wavelets, BM3D, the Wiener filter."""

from .block_matching import BM3DDenoiser as BM3DDenoiser
from .power import PowerTable as PowerTable
from .tv import TVDenoiser as TVDenoiser
from .wavelet import WaveletDenoiser as WaveletDenoiser
from .wiener import WienerDenoiser as WienerDenoiser

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
