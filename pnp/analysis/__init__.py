"""What a solve is worth: how sure each pixel is, what of an image the data hold, whether its iteration contracts."""

from .certificate import Certificate as Certificate
from .certificate import certify as certify
from .conformal import IntervalCalibrator as IntervalCalibrator
from .conformal import calibrate_intervals as calibrate_intervals
from .support import DataSupport as DataSupport
from .support import data_support as data_support
from .uncertainty import Functional as Functional
from .uncertainty import Uncertainty as Uncertainty
from .uncertainty import uncertainty as uncertainty

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
