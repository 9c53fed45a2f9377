"""Solves on disk: saved, continued after a stop or a kill, repeated, compared."""

import copy
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from denoisers.weights import refuse_existing, tensors_hash
from denoisers.weights.writing import written

from .arguments import no_solver
from .fingerprints import module_settings, tensor_hash
from .report.summary import checked_told
from .state import State, placed

if TYPE_CHECKING:
    from .bookkeeping import Run
    from .result import Result
    from .solver import Solver

__all__ = ["Comparison", "compare", "described", "read_saved", "replay", "save", "saved_card"]

_FORMAT = 3  # 1 had one norm for all samples, 2 no hash of its tensors
_PARTS = {"likelihood.op": "operator", "likelihood": "likelihood", "denoiser": "denoiser", "y": "data", "x0": "x0"}


class Comparison(NamedTuple):
    """How two saved solves differ.

    Attributes:
        first: number of the first iteration whose residuals differ, from 1; ``None``: none of those that both have.
        residual: relative difference of the residuals there.
        image: relative difference of the last images, :math:`\\|x_a - x_b\\| / \\|x_a\\|`.
        settings: what differs of solver, operator, denoiser and data: name -> (of a, of b).
    """

    first: int | None
    residual: float
    image: float
    settings: dict[str, tuple[Any, Any]]

    def __str__(self) -> str:
        where = "no iteration differs" if self.first is None else (
            f"iteration {self.first} is the first that differs, its residual by {100 * self.residual:.2g} %"
        )  # fmt: skip
        lines = [f"{where}; last images by {100 * self.image:.2g} %"]
        return "\n".join([*lines, *(f"  {name}: {a} | {b}" for name, (a, b) in self.settings.items())])


def described(solver: "Solver", y: Tensor, x0: Tensor | None = None) -> dict[str, Any]:
    """Settings and fingerprints of everything that an answer depends on: name -> number, word, or hash of a tensor."""
    kept = {"solver": type(solver).__name__, "y": tensor_hash(y), **dict(module_settings(solver))}
    return kept if x0 is None else {**kept, "x0": tensor_hash(x0)}


# ---- writing


def save(
    path: str | Path, run: "Run", settings: dict[str, Any], x0: Tensor | None = None, *,
    answer: dict[str, Tensor] | None = None, told: Any = None,
) -> None:  # fmt: skip
    """Write a run, finished or not, with what it depends on, at once or not at all; other files are not replaced.
    ``answer`` and the report ``told`` of a finished one are for those who look at it.

    Raises:
        FileExistsError: another kind of file is there. OSError: it cannot be written.
    """
    from safetensors.torch import save_file

    if Path(path).exists() and saved_card(path) is None:
        refuse_existing(path, overwrite=False)
    tensors: dict[str, Tensor] = {}
    rows = [torch.stack((r.residual, r.sigma, r.gamma)) for r in run.history]
    kept = {
        "state": run.state.to_dict(), "reasons": run.reasons, "bound": run.bound, "best": list(run.best),
        "best_residual": run.best_residual, "rows": torch.stack(rows) if rows else torch.zeros(0, device="cpu"),
        "x0": x0,
        "answer": answer,
    }  # fmt: skip
    card = {"format": _FORMAT, "kind": "pnp solve", "settings": settings, "tree": _packed(kept, tensors, "solve"),
            "told": told, "torch": str(torch.__version__), "sha256": tensors_hash(tensors)}  # fmt: skip
    with written(path) as partial:
        save_file(tensors, partial, metadata={"solve": json.dumps(card)})


def _packed(value: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """``value`` with its tensors moved to ``tensors`` under their names."""
    if isinstance(value, Tensor):
        real = torch.view_as_real(value.detach().resolve_conj()) if value.is_complex() else value.detach()
        tensors[name] = real.cpu().contiguous().clone()
        return {"tensor": name, "complex": value.is_complex()}
    if isinstance(value, Mapping):
        return {"map": {k: _packed(v, tensors, f"{name}.{k}") for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return [_packed(v, tensors, f"{name}.{i}") for i, v in enumerate(value)]
    return value


# ---- reading


def saved_card(path: str | Path) -> dict[str, Any] | None:
    """What a file says of itself; ``None``: it is not a saved solve."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {}).get("solve", "null"))
    except (SafetensorError, OSError, ValueError):
        return None
    return card if isinstance(card, dict) and card.get("kind") == "pnp solve" else None


def read_saved(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings, and what was kept; ``answer``, if the solve had ended, with its report."""
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise FileNotFoundError(f"path: no file {path}")
    card = saved_card(path)
    if card is None:
        raise ValueError(f"path: {path} is not a saved solve, or damaged")
    if (found := card.get("format")) != _FORMAT:
        raise ValueError(f"path: {path} has the format {found}, expected {_FORMAT}; another version wrote it")
    try:
        tensors = load_file(path)
        if tensors_hash(tensors) != card["sha256"]:
            raise ValueError("its tensors do not have the hash of its card")
        kept = _unpacked(card["tree"], tensors)
        _check_kept(kept)
        return {**card["settings"]}, {"told": checked_told(card.get("told")), **kept}
    except (AttributeError, IndexError, KeyError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"path: {path} is damaged, or was changed: {error}") from error


def _check_kept(kept: dict[str, Any]) -> None:
    """Raise where what was kept of a run is not whole."""
    state = State.from_dict(kept["state"])
    batch, rows, best = len(state.x), kept["rows"], kept["best"]
    sizes = [kept["bound"], kept["best_residual"]]
    images = [v for v in (kept["x0"], *best, *(kept["answer"] or {}).values()) if v is not None]
    fits = (
        rows.is_floating_point()
        and (not len(rows) or rows.shape[1:] == (3, batch))
        and all(v.shape == (batch,) and v.dtype == state.residual.dtype for v in sizes)
        and len(best) == 2
        and all(isinstance(v, Tensor) for v in images)
        and all(len(v) == batch for v in best)
        and [type(word) for word in kept["reasons"]] == [str] * batch
        and (kept["answer"] is None or "x" in kept["answer"])
    )
    if not fits:
        raise ValueError("its parts do not fit each other")


def _unpacked(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(v, tensors) for v in value]
    if isinstance(value, dict) and "map" in value:
        return {k: _unpacked(v, tensors) for k, v in value["map"].items()}
    if isinstance(value, dict):
        real = tensors[value["tensor"]]
        return torch.view_as_complex(real) if value["complex"] else real
    return value


def _differences(a: dict[str, Any], b: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {k: (a.get(k, "absent"), b.get(k, "absent")) for k in sorted({*a, *b}) if a.get(k) != b.get(k)}


def _refuse(path: str | Path, differing: dict[str, tuple[Any, Any]]) -> None:
    told = []
    for name, (old, new) in list(differing.items())[:4]:
        part = next(
            (what for prefix, what in _PARTS.items() if name == prefix or name.startswith(f"{prefix}.")), "solver"
        )
        told.append(f"{part}: {name} was {old}, is {new}")
    more = f", and {len(differing) - 4} more" if len(differing) > 4 else ""
    raise ValueError(f"path: {path} was saved of another solve; {'; '.join(told)}{more}")


def replay(
    path: str | Path,
    solver: "Solver",
    y: Tensor,
    *,
    until: int | None = None,
    callback: Callable[..., bool | None] | None = None,
    checkpoint: str | Path | None = None,
    every: int = 10,
) -> "Result":
    """Continue a solve that :meth:`Result.save` or ``solve(..., checkpoint=path)`` has kept, or repeat its beginning.

    With ``until`` iterations in all, at most: fewer than were made repeat the solve from its start, more continue it;
    ``None`` ends where ``solver.stop`` ends it. On the CPU, with the same versions and number of threads, bit for bit
    what one uninterrupted solve gives, history and report included.

    Args:
        path: the file.
        solver, y: as they were; ``stop`` may be another one.
        callback, checkpoint, every: as of :meth:`Solver.solve`.

    Raises:
        ValueError: the file is not a saved solve; or operator, denoiser, data or settings are not those of it: the
            message names what differs. FileNotFoundError: no such file.
    """
    if until is not None and (isinstance(until, bool) or not isinstance(until, int) or until < 1):
        raise ValueError(f"until: expected a number of iterations >= 1, got {until!r}")
    if not hasattr(solver, "begin"):
        raise no_solver(solver)
    settings, kept = read_saved(path)
    kept = placed(kept, y.device)
    now = described(solver, y, kept["x0"])
    if differing := {k: v for k, v in _differences(settings, now).items() if k.split(".")[-1] != "stop"}:
        _refuse(path, differing)
    solver = copy.copy(solver)
    solver.stop = dataclasses.replace(solver.stop, max_iter=until or solver.stop.max_iter)
    saving = {"checkpoint": checkpoint, "every": every}
    made = len(kept["rows"])
    if until is not None and until < made:
        return solver.solve(y, x0=kept["x0"], callback=callback, **saving)
    from .bookkeeping import Run

    run = Run(State.from_dict(kept["state"]), solver.stop)
    run.restore(kept)
    return solver.solve(y, state=run, callback=callback, **saving)


def compare(a: str | Path, b: str | Path) -> Comparison:
    """Where two saved solves begin to differ, by how much they end apart, and which settings are not the same.

    Raises:
        ValueError: a file is not a saved solve, or they are of images of different shapes. FileNotFoundError: no file.
    """
    (first, one), (second, two) = read_saved(a), read_saved(b)
    x, other = (State.from_dict(kept["state"]).x for kept in (one, two))
    if x.shape != other.shape:
        raise ValueError(f"b: images {tuple(other.shape)}, but a has {tuple(x.shape)}")
    both = min(len(one["rows"]), len(two["rows"]))
    rows, others = one["rows"][:both], two["rows"][:both]
    unlike = (rows != others).flatten(1).any(1).nonzero().flatten() if both else rows.new_zeros(0)
    start = int(unlike[0]) if len(unlike) else None
    apart = 0.0
    if start is not None:
        r, s = rows[start, 0], others[start, 0]
        apart = float(((r - s).abs() / r.abs().clamp_min(1e-30)).max())
    size = float(x.abs().double().square().sum().sqrt())
    image = float((x - other).abs().double().square().sum().sqrt()) / (size or 1.0)
    return Comparison(None if start is None else start + 1, apart, image, _differences(first, second))
