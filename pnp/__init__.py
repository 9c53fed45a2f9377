"""pnp: plug-and-play reconstruction. What composes operators and denoisers, and the public names of both."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .clash import denoisers as _denoisers  # the first import: it refuses other people's packages of these names
from .clash import operators as _operators
from .finer import FinerGrid as FinerGrid
from .finer import FinerResult as FinerResult
from .levels import Expert as Expert
from .levels import Level as Level
from .levels import log_schedule as log_schedule
from .likelihood import Ball as Ball
from .likelihood import Exact as Exact
from .likelihood import Gaussian as Gaussian
from .likelihood import Huber as Huber
from .likelihood import Likelihood as Likelihood
from .likelihood import Poisson as Poisson
from .likelihood import PoissonRoots as PoissonRoots
from .likelihood import Transmission as Transmission
from .noise_level import estimate_noise as estimate_noise
from .noise_level import noise_doubt as noise_doubt
from .problem import Problem as Problem
from .progress import ProgressBar as ProgressBar
from .reconstructor import Reconstructor as Reconstructor
from .replay import Comparison as Comparison
from .replay import compare as compare
from .replay import replay as replay
from .report.findings import Health as Health
from .report.findings import Verdict as Verdict
from .result import Record as Record
from .result import Result as Result
from .solver import Solver as Solver
from .solvers.accelerated import Anderson as Anderson
from .solvers.accelerated import Damped as Damped
from .solvers.admm import PnPADMM as PnPADMM
from .solvers.descent import PnPDescent as PnPDescent
from .solvers.diffpir import DiffPIR as DiffPIR
from .solvers.drs import PnPDRS as PnPDRS
from .solvers.hqs import PnPHQS as PnPHQS
from .solvers.mace import PnPMACE as PnPMACE
from .solvers.mass import PnPMass as PnPMass
from .solvers.pdhg import PnPPDHG as PnPPDHG
from .solvers.pgd import PnPFISTA as PnPFISTA
from .solvers.pgd import PnPPGD as PnPPGD
from .solvers.red import RED as RED
from .solvers.snore import SNORE as SNORE
from .solvers.tv import tv_reconstruction as tv_reconstruction
from .solvers.ula import PnPULA as PnPULA
from .state import State as State
from .stopping import Stop as Stop

if TYPE_CHECKING:
    from denoisers import *  # noqa: F403
    from operators import *  # noqa: F403

    from .analysis import DenoiserChoice as DenoiserChoice
    from .analysis import StrengthChoice as StrengthChoice
    from .analysis import calibrate_intervals as calibrate_intervals
    from .analysis import certify as certify
    from .analysis import choose_denoiser as choose_denoiser
    from .analysis import choose_strength as choose_strength
    from .analysis import data_support as data_support
    from .analysis import uncertainty as uncertainty
    from .many import Job as Job
    from .many import Many as Many
    from .many import reconstruct_many as reconstruct_many

# these, and names in them, are imported when they are asked for
_MODULES = (
    "analysis",
    "corrections",
    "data",
    "io",
    "lensing",
    "metrics",
    "passport",
    "plot",
    "radio",
    "superres",
    "train",
)
_ANALYSES = ("DenoiserChoice", "StrengthChoice", "calibrate_intervals", "certify", "choose_denoiser", "choose_strength",
             "data_support", "uncertainty")  # fmt: skip
_LATER = dict.fromkeys(_ANALYSES, "analysis") | dict.fromkeys(("Job", "Many", "reconstruct_many"), "many")
_NAMES = {
    name: value
    for package in (_operators, _denoisers)
    for name, value in vars(package).items()
    if not name.startswith("_") and not isinstance(value, ModuleType)
}
globals().update(_NAMES)
_OURS = ("pnp", "operators", "denoisers")
_OWN = [n for n, v in globals().items() if getattr(v, "__module__", "").partition(".")[0] in _OURS]
__all__ = sorted({*_OWN, *_LATER})  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module 'pnp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
