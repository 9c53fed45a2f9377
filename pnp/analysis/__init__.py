"""What an answer is worth, and what strength data ask for, without the truth."""

from .certificate import Certificate as Certificate
from .certificate import certify as certify
from .conformal import IntervalCalibrator as IntervalCalibrator
from .conformal import calibrate_intervals as calibrate_intervals
from .denoiser import DenoiserChoice as DenoiserChoice
from .denoiser import choose_denoiser as choose_denoiser
from .strength import StrengthChoice as StrengthChoice
from .strength import choose_strength as choose_strength
from .support import DataSupport as DataSupport
from .support import data_support as data_support
from .uncertainty import Functional as Functional
from .uncertainty import Uncertainty as Uncertainty
from .uncertainty import uncertainty as uncertainty

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
