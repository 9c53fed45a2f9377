"""Where an image comes from: versions, hashes of data and networks, settings."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

import torch

from ..replay import described
from ..report.summary import plain

if TYPE_CHECKING:
    from ..result import Result

__all__ = ["as_text", "provenance"]

_PARTS = {"likelihood.op": "operator", "denoiser": "denoiser", "likelihood": "likelihood"}


def provenance(result: "Result", measured: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What an answer was made of, in words, numbers and hashes, to be written beside it or into its file.

    Settings stand as they were given; the tensors of operator and denoiser are one hash each, so that two answers of
    equal provenance have equal values on equal machines. It holds no time, so that the same solve writes the same file.

    Args:
        result: of :meth:`pnp.Solver.solve`.
        measured: the provenance of a :class:`pnp.io.Measurement`.

    >>> import torch
    >>> from operators import Identity
    >>> from pnp import PnPADMM, TVDenoiser
    >>> told = provenance(PnPADMM(Identity((8, 8)), TVDenoiser(), noise_std=0.1).solve(torch.rand(1, 1, 8, 8)))
    >>> told["method"], told["operator"]["kind"], told["denoiser"]["kind"], len(told["data"]["hash"])
    ('PnPADMM', 'Identity', 'TVDenoiser', 16)
    """
    facts = result.state.facts
    told: dict[str, Any] = {
        "software": {"pnp": _version(), "torch": torch.__version__, "python": platform.python_version()},
        "data": dict(plain(dict(measured or {}))),
        "method": result.state.method,
        "noise_std": plain(facts.noise_std),
        "iterations": len(result.history),
        "reasons": list(result.reasons),
    }
    if result.source is None:
        return told
    solver, y, x0, _ = result.source
    settings = described(solver, y, x0)
    told["data"]["hash"] = settings.pop("y")
    settings.pop("solver")
    digests: dict[str, Any] = {}
    for name, value in settings.items():
        part = next((word for key, word in _PARTS.items() if name == key or name.startswith(f"{key}.")), "settings")
        entry = told.setdefault(part, {})
        short = name.removeprefix(next((k for k, w in _PARTS.items() if w == part), "")).removeprefix(".")
        if _is_hash(value):
            digests.setdefault(part, hashlib.sha256()).update(f"{short} {value}".encode())
        elif short == "":
            entry["kind"] = value
        elif "." not in short:
            entry[short] = value
    for part, digest in digests.items():
        told[part]["hash"] = digest.hexdigest()[:16]
    return told


def as_text(told: Mapping[str, Any]) -> str:
    """One line of ASCII, as headers of files take it."""
    return json.dumps(plain(dict(told)), allow_nan=False)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 16 and set(value) <= set("0123456789abcdef")


def _version() -> str:
    try:
        return metadata.version("pnp-imaging")
    except metadata.PackageNotFoundError:
        return "source tree"
