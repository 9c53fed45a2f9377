"""Denoisers with shipped weights, and which of them solvers take by default."""

from .default import default_denoiser as default_denoiser
from .drunet import DRUNetDenoiser as DRUNetDenoiser
from .from_deepinv import DeepInvDenoiser as DeepInvDenoiser
from .lofi import LoFiDenoiser as LoFiDenoiser
from .mass import MassDenoiser as MassDenoiser
from .mixer import MixerDenoiser as MixerDenoiser
from .xdncnn import XDnCNNDenoiser as XDnCNNDenoiser

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
