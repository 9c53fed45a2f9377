"""Files of images and measurements."""

from .fastmri import Slice as Slice
from .fastmri import read_fastmri as read_fastmri
from .formats import FORMATS as FORMATS
from .formats import open as open
from .images import ENDINGS as ENDINGS
from .images import image_files as image_files
from .images import read_images as read_images
from .measurement import Measurement as Measurement
from .measurements import read_measurements as read_measurements

__all__ = [
    "ENDINGS",
    "FORMATS",
    "Measurement",
    "Slice",
    "open",
    "image_files",
    "read_fastmri",
    "read_images",
    "read_measurements",
]
