"""What a reconstruction was made by, in plain values that can be compared later."""

import hashlib
import json
from typing import Any

from denoisers.weights import tensors_hash

from ..fingerprints import fingerprint
from ..problem import Facts
from ..reconstructor import describe
from ..solver import Solver

__all__ = ["identity"]


def identity(solver: Solver, facts: Facts) -> dict[str, Any]:
    """Solver, operator, range of the noise, strength, denoiser and its hash, in plain values."""
    denoiser: Any = solver.denoiser
    op: Any = getattr(solver.likelihood, "measured", solver.op)
    card = getattr(denoiser, "card", {})
    state = denoiser.state_dict()
    digest = card.get("sha256") or (tensors_hash(state) if state else _held(denoiser))
    return {
        "solver": type(solver).__name__,
        "operator": describe(op),
        "noise_std": [float(facts.noise_std.min()), float(facts.noise_std.max())],
        "strength": solver.strength if solver.expert is None else "by expert",
        "denoiser": type(getattr(denoiser, "function", denoiser)).__name__,
        "weights": digest,
    }


def _held(denoiser: Any) -> str:
    """Of a function, what it holds; of classical denoisers nothing."""
    function = getattr(denoiser, "function", None)
    return "" if function is None else hashlib.sha256(json.dumps(fingerprint(function)).encode()).hexdigest()
