"""Networks without weights, by their papers, and the blocks that they are built of."""

from .blocks import AttentionGate as AttentionGate
from .blocks import ChannelGate as ChannelGate
from .blocks import ConvBlock as ConvBlock
from .blocks import PixelAttention as PixelAttention
from .blocks import ResidualConvBlock as ResidualConvBlock
from .drunet import DRUNet as DRUNet
from .lofi import LoFi as LoFi
from .lofi import MultiMLP as MultiMLP
from .lofi import PatchFinder as PatchFinder
from .lofi_filter import NoiseFilter as NoiseFilter
from .lofi_geometry import PatchGeometry as PatchGeometry
from .lofi_geometry import circle_offsets as circle_offsets
from .lofi_geometry import pixel_coordinates as pixel_coordinates
from .lofi_geometry import square_offsets as square_offsets
from .mixer import Img2ImgMixer as Img2ImgMixer
from .mixer import LinearMixer as LinearMixer
from .mixer import OriginalMixer as OriginalMixer
from .mixer import UMixer as UMixer
from .resunet import ResCNN as ResCNN
from .resunet import ResUNet as ResUNet
from .resunet import SimpleCNN as SimpleCNN
from .superres import SRCNN as SRCNN
from .superres import XSRCNN as XSRCNN
from .superres import SRResNet as SRResNet
from .superres import XSRResNet as XSRResNet
from .unet import UNet as UNet
from .vit import ViT as ViT
from .xunit import ConvNet as ConvNet
from .xunit import DnCNN as DnCNN
from .xunit import XDnCNN as XDnCNN
from .xunit import XNet as XNet
from .xunit import XUnit as XUnit

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
