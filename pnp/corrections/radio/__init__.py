"""What visibilities need before they are solved: flags, averages, noise."""

from .averaging import average_cells as average_cells
from .averaging import average_time as average_time
from .flagging import flag as flag
from .flagging import flag_outliers as flag_outliers
from .noise import noise_from_data as noise_from_data

__all__ = ["average_cells", "average_time", "flag", "flag_outliers", "noise_from_data"]
