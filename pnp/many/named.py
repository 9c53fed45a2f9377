"""Priors, operators and methods by their names, as command lines and files of settings give them."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import denoisers
import operators
from denoisers.weights import WeightFileError, family_of
from denoisers.weights import __file__ as weights_file

from ..solvers.admm import PnPADMM
from ..solvers.diffpir import DiffPIR
from ..solvers.drs import PnPDRS
from ..solvers.hqs import PnPHQS
from ..solvers.pdhg import PnPPDHG
from ..solvers.pgd import PnPFISTA, PnPPGD
from ..solvers.red import RED
from ..solvers.snore import SNORE

__all__ = ["FIELDS", "METHODS", "method", "operator", "prior", "weight_file"]

FIELDS = ("natural", "ct", "mri", "radio", "kappa")
METHODS = {
    "admm": PnPADMM, "hqs": PnPHQS, "drs": PnPDRS, "pgd": PnPPGD, "fista": PnPFISTA, "red": RED, "pdhg": PnPPDHG,
    "snore": SNORE, "diffpir": DiffPIR,
}  # fmt: skip
_KINDS = {
    "drunet": "DRUNetDenoiser",
    "gradient-step": "GradientStepDenoiser",
    "lofi": "LoFiDenoiser",
    "mass": "MassDenoiser",
    "mixer": "MixerDenoiser",
    "xdncnn": "XDnCNNDenoiser",
}


def method(name: str) -> Callable[..., Any]:
    """The solver of a name such as ``"admm"``.

    Raises:
        ValueError: there is none.
    """
    if name not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {name!r}")
    return METHODS[name]


def weight_file(name: str) -> Path:
    """A weight file by path, or a shipped one by the name of its recipe, ``drunet-natural-gray-fast``, the newest or
    ``...@1``.

    Raises:
        FileNotFoundError: there is neither.
    """
    if Path(name).is_file():
        return Path(name)
    base, _, version = name.partition("@")
    folder = Path(weights_file).parent
    shipped = {f.stem.rpartition("-v")[0]: f for f in sorted(folder.glob("*.safetensors"))}
    found = folder / f"{base}-v{version}.safetensors" if version else shipped.get(base)
    if found is None or not found.is_file() or base not in shipped:
        raise FileNotFoundError(f"no file {name}, and no such shipped weights; `pnp info` lists them")
    return found


def prior(name: str, channels: int = 1, *, complex: bool = False) -> Any:
    """The prior of a field (natural, ct, mri, radio, kappa), or that of a weight file or of shipped weights."""
    if name in FIELDS:
        return denoisers.default_denoiser(name, channels, complex=complex)
    path = weight_file(name)
    kind = _KINDS.get(family_of(path))
    if kind is None:
        raise WeightFileError(f"{path.name}: not the weights of a denoiser (family {family_of(path)!r} in its card)")
    return getattr(denoisers, kind)(str(path.resolve()))


def operator(name: str) -> Any:
    """What ``Radon``, ``FILE.py:NAME`` or ``MODULE:NAME`` names: a class or function that makes an operator, or one;
    the code of a file is run.

    Raises:
        ValueError: there is no such operator, or its code fails. FileNotFoundError: no such file.
    """
    place, _, attribute = name.rpartition(":")
    if not place:
        found = getattr(operators, name, None)
        if not (isinstance(found, type) and hasattr(found, "A")):
            raise ValueError(f"operator: expected an operator of pnp, FILE.py:NAME or MODULE:NAME, got {name!r}")
        return found
    try:
        if place.endswith(".py"):
            if not Path(place).is_file():
                raise FileNotFoundError(f"no file {place}")
            spec = importlib.util.spec_from_file_location(Path(place).stem, place)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
        return getattr(module, attribute)
    except FileNotFoundError:
        raise
    except (Exception, SystemExit) as error:  # the user's code raises anything
        words = " ".join(str(error).split())
        raise ValueError(f"operator: {name}: {type(error).__name__}: {words}") from error
