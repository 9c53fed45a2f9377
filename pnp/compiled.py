"""Networks of a solver as torch.compile makes them: fewer and larger kernels, or a graph that a GPU replays."""

import warnings
from typing import Any

import torch
from torch import nn

__all__ = ["compile_denoisers"]


def compile_denoisers(solver: Any, options: dict[str, Any]) -> None:
    """Replace the denoisers of a solver, and of those within it, by compiled ones; those that were given stay as they
    are. With a warning, and without doing so, where nothing compiles."""
    device = next((t.device for t in (*solver.parameters(), *solver.buffers())), torch.device("cpu"))
    solvers = [m for m in solver.modules() if hasattr(m, "likelihood") and hasattr(m, "denoiser")]
    given = [d for m in solvers for d in getattr(m, "denoisers", [m.denoiser])]
    made = {d: d.compiled(**options) for d in given}
    why = _fails(options, device)
    if not why and all(one is other for one, other in made.items()):
        why = f"{', '.join(sorted({type(d).__name__ for d in given}))}: evaluates its network in a way of its own"
    if why:
        warnings.warn(f"compile: {why}; the solver stays as it is", RuntimeWarning, stacklevel=3)
        return
    for m in solvers:
        m.denoiser = made[m.denoiser]
        if hasattr(m, "denoisers"):
            m.denoisers = nn.ModuleList(made[d] for d in m.denoisers)


def _fails(options: dict[str, Any], device: torch.device) -> str:
    """Why nothing can be compiled; empty where it can."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.compile(lambda v: torch.relu(2 * v + 1), **options)(torch.ones(8, device=device))
    except Exception as error:  # of torch's, or of the compiler that it calls
        told = " ".join(str(error).split())
        return f"the compiler does not work here ({told if len(told) <= 200 else told[:200] + '...'})"
    return ""
