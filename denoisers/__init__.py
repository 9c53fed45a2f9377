"""What knows images: denoisers, trained and classical, and the networks behind them."""

from .base import CallableDenoiser as CallableDenoiser
from .base import Denoiser as Denoiser
from .base import as_denoiser as as_denoiser
from .cascade import LoFiDenoiser as LoFiDenoiser
from .geometry import PatchGeometry as PatchGeometry
from .geometry import circle_offsets as circle_offsets
from .geometry import pixel_coordinates as pixel_coordinates
from .geometry import square_offsets as square_offsets
from .lofi import LoFi as LoFi
from .lofi import MultiMLP as MultiMLP
from .lofi import PatchFinder as PatchFinder
from .mixer import Img2ImgMixer as Img2ImgMixer
from .mixer import LinearMixer as LinearMixer
from .mixer import OriginalMixer as OriginalMixer
from .mixer import UMixer as UMixer
from .noise_filter import NoiseFilter as NoiseFilter
from .tv import TVDenoiser as TVDenoiser
from .unet import UNet as UNet
from .vit import ViT as ViT
from .xdncnn import XDnCNNDenoiser as XDnCNNDenoiser
from .xunit import ConvNet as ConvNet
from .xunit import DnCNN as DnCNN
from .xunit import XDnCNN as XDnCNN
from .xunit import XNet as XNet
from .xunit import XUnit as XUnit
