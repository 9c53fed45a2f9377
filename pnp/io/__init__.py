"""Files of images and measurements."""

from .fastmri import Slice as Slice
from .fastmri import read_fastmri as read_fastmri
from .formats import FORMATS as FORMATS
from .formats import open as open
from .images import ENDINGS as ENDINGS
from .images import image_files as image_files
from .images import read_images as read_images
from .measurement import Measurement as Measurement
from .measurement_set import read_measurement_set as read_measurement_set
from .measurements import read_measurements as read_measurements
from .pulseq import read_pulseq as read_pulseq
from .radio_image import read_radio_image as read_radio_image
from .shear_catalogue import read_shear_catalogue as read_shear_catalogue
from .sky import write_sky as write_sky
from .sky import write_sky_map as write_sky_map
from .sky_maps import read_sky_map as read_sky_map
from .uv_table import read_uv_table as read_uv_table
from .uvfits import read_uvfits as read_uvfits
from .visibilities import Visibilities as Visibilities

__all__ = [
    "ENDINGS",
    "FORMATS",
    "Measurement",
    "Slice",
    "Visibilities",
    "open",
    "image_files",
    "read_fastmri",
    "read_images",
    "read_measurement_set",
    "read_measurements",
    "read_radio_image",
    "read_shear_catalogue",
    "read_sky_map",
    "read_uv_table",
    "read_uvfits",
    "write_sky",
    "write_sky_map",
    "read_pulseq",
]
