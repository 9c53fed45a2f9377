"""Operators on the pixels of an image: masks, blur, down-sampling, gradient."""

from .blur import Blur as Blur
from .gradient import Gradient as Gradient
from .kernels import gaussian_kernel as gaussian_kernel
from .kernels import motion_kernel as motion_kernel
from .mask import Identity as Identity
from .mask import Inpainting as Inpainting
from .mask import random_mask as random_mask
from .resample import Downsampling as Downsampling

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
