"""What a reconstruction was made by, in plain values that can be compared later."""

import hashlib
import json
from typing import Any

import torch

from ..fingerprints import module_settings
from ..problem import Facts
from ..reconstructor import describe
from ..solver import Solver

__all__ = ["identity"]


def identity(solver: Solver, facts: Facts) -> dict[str, Any]:
    """Solver, operator, range of the noise, strength, denoiser and its hash, in plain values."""
    denoiser: Any = solver.denoiser
    op: Any = getattr(solver.likelihood, "measured", solver.op)
    card = getattr(denoiser, "card", {})
    digest = card.get("sha256") or hashlib.sha256(json.dumps(dict(module_settings(denoiser))).encode()).hexdigest()
    uneven = getattr(solver.likelihood, "deviations", None)  # of one noise level a datum the data are whitened
    noise = facts.noise_std if uneven is None else uneven[torch.isfinite(uneven)]
    return {
        "solver": type(solver).__name__,
        "operator": describe(op),
        "noise_std": [float(noise.min()), float(noise.max())],
        "strength": solver.strength if solver.expert is None else "by expert",
        "denoiser": type(getattr(denoiser, "function", denoiser)).__name__,
        "weights": digest,
    }
