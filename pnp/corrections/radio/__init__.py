"""What visibilities need before they are solved: flags, averages, noise, gains."""

from .averaging import average_cells as average_cells
from .averaging import average_scans as average_scans
from .averaging import average_time as average_time
from .closures import ClosureMisfit as ClosureMisfit
from .closures import closure_misfit as closure_misfit
from .flagging import flag as flag
from .flagging import flag_outliers as flag_outliers
from .gains import fit_gains as fit_gains
from .gains import remove_gains as remove_gains
from .noise import noise_from_data as noise_from_data
from .self_calibration import self_calibrate as self_calibrate

__all__ = [
    "ClosureMisfit",
    "average_cells",
    "average_scans",
    "average_time",
    "closure_misfit",
    "fit_gains",
    "flag",
    "flag_outliers",
    "noise_from_data",
    "remove_gains",
    "self_calibrate",
]
