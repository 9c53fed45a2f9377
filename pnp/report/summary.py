"""A result in ten lines, and as plain numbers."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from denoisers.weights.writing import written

from .findings import LEVELS

if TYPE_CHECKING:
    from ..result import Result

__all__ = ["checked_told", "summary", "to_json"]


def summary(result: "Result") -> str:
    """One line for each finding, aligned; the level in front, what to do behind an arrow."""
    health, count = result.health, len(result.history)
    bad = sum(f.level != "fine" for f in health.findings) if health else 0
    said = "nothing to look at" if not bad else f"{bad} finding{'s' if bad > 1 else ''} to look at"
    lines = [f"{result.state.method}: {result.reason} after {count} iterations; {said}"]
    for f in health.findings if health else []:
        text = f"  {f.level:5}  {f.topic:12} {f.seen}"
        if f.cause and f.level != "fine":
            text += f" -> {f.cause}: {f.remedy}" if f.remedy else f" -> {f.cause}"
        lines.append(text)
    return "\n".join(lines)


def plain(value: Any) -> Any:
    """Only numbers, words, lists and dictionaries; what is not finite becomes ``None``."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return plain((value.real, value.imag) if value.is_complex() else value.tolist())
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else str(value)


def checked_told(told: Any) -> Any:
    """What :func:`to_json` wrote, read again by a file's reader, as far as it is shown; ``None``, of solves that have
    not ended, as it is.

    Raises:
        ValueError: it is something else.
    """
    if told is None:
        return None
    kinds = {"method": str, "reason": str, "iterations": int, "findings": list, "report": dict, "history": dict}
    words = ("level", "topic", "seen", "cause", "remedy")
    whole = isinstance(told, dict) and all(isinstance(told.get(name), kind) for name, kind in kinds.items())
    if not (
        whole
        and all(isinstance(f, dict) and all(isinstance(f.get(w), str) for w in words) for f in told["findings"])
        and all(isinstance(curve, list) for curve in told["history"].values())
    ):
        raise ValueError("its report is not one that pnp writes")
    return told


def to_json(result: "Result", path: str | Path | None = None) -> str:
    """Everything but the images, as JSON; written to ``path``, at once or not at all, if given."""
    health = result.health
    told: dict[str, Any] = {
        "method": result.state.method, "reason": result.reason, "reasons": result.reasons,
        "iterations": len(result.history), "shape": list(result.x.shape),
        "level": health.level if health else LEVELS[0], "causes": health.causes if health else [],
        "findings": health.findings if health else [], "report": result.report,
        "measured": {k: v for k, v in health.measured._asdict().items() if k != "residual"} if health else {},
        "history": {
            name: [getattr(r, name) for r in result.history] for name in ("step", "residual", "sigma", "gamma")
        },
    }  # fmt: skip
    text = json.dumps(plain(told), indent=1, allow_nan=False)
    if path is not None:
        with written(path) as partial:
            partial.write_text(text + "\n")
    return text
