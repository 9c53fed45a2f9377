"""Denoisers without training: total variation, wavelets, BM3D, the Wiener filter."""

from .block_matching import BM3DDenoiser as BM3DDenoiser
from .power import PowerTable as PowerTable
from .tv import TVDenoiser as TVDenoiser
from .wavelet import WaveletDenoiser as WaveletDenoiser
from .wiener import WienerDenoiser as WienerDenoiser
