"""The page: values as 16 bits in base64, curves as SVG, a script of its own; a browser needs nothing else."""

import base64
import html
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from denoisers.weights import refuse_existing
from denoisers.weights.writing import written

from ..report.summary import plain
from .content import Content, Panel, of_file, of_result, read_map, with_maps

if TYPE_CHECKING:
    from ..result import Result

__all__ = ["page", "write_page"]

_FOLDER = Path(__file__).parent
_MOST = 2**26  # bytes of values in a page
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def write_page(
    result: "Result | str | Path",
    path: str | Path,
    *,
    reference: Tensor | str | Path | None = None,
    uncertainty: Tensor | str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a page for the browser: image, misfit, curves, what the report found, settings; and give its path.

    Images zoom by the wheel and move by dragging, all together; shift and dragging change window and level, sliders
    the slice of volumes and batches; complex ones are shown by magnitude, phase, real or imaginary part. Values under
    the pointer are exact to 1/65535 of the image's range. The file asks no address for anything.

    Args:
        result: a :class:`pnp.Result`, a file that :meth:`pnp.Result.save` or a checkpoint wrote, or an answer ``.npz``.
        path: the page, ``NAME.html``.
        reference: the true image, or a file of it: adds the error.
        uncertainty: deviations of the pixels, such as :func:`pnp.uncertainty` gives, or a file of them.
        overwrite: replace a file that is there.

    Raises:
        ValueError: ``result`` is neither, or maps are of another shape. FileExistsError: there is a file.

    >>> import tempfile, torch
    >>> from operators import Identity
    >>> from pnp import PnPADMM, TVDenoiser
    >>> result = PnPADMM(Identity((16, 16)), TVDenoiser(), noise_std=0.1).solve(torch.rand(1, 1, 16, 16))
    >>> place = write_page(result, Path(tempfile.mkdtemp()) / "a.html", reference=torch.rand(1, 1, 16, 16))
    >>> "fixed-point residual" in place.read_text(), "://" in place.read_text()
    (True, False)
    """
    place = Path(path)
    refuse_existing(place, overwrite=overwrite)
    if isinstance(result, str | Path):
        content = of_file(result)
        x = _image(content)
    else:
        content, x = of_result(result), result.x.detach().cpu()
    maps = [None if m is None else m.detach().cpu() if isinstance(m, Tensor) else read_map(m)
            for m in (reference, uncertainty)]  # fmt: skip
    text = page(with_maps(content, x, *maps))
    with written(place) as partial:
        partial.write_text(text, encoding="utf-8")
    return place


def _image(content: Content) -> Tensor:
    """The image of a page's first panel, (N, C, H, W)."""
    import torch

    values = torch.from_numpy(content.panels[0].values)
    return values.movedim(-1, 1) if content.panels[0].kind == "colour" else values[:, None]


def page(content: Content) -> str:
    """The text of a page."""
    panels, thinned = _packed(content.panels)
    told = content.told
    curves = "".join(_curves(told.get("history", {}))) + _misfit_curve(content.misfit)
    parts = {
        "policy": _POLICY,
        "title": html.escape(content.title),
        "head": html.escape(_headline(told)),
        "note": html.escape(thinned),
        "findings": _findings(told.get("findings", [])),
        "curves": curves,
        "report": _tables(told.get("report", {})),
        "origin": _tables(content.provenance),
        "style": (_FOLDER / "page.css").read_text(encoding="utf-8"),
        "script": (_FOLDER / "page.js").read_text(encoding="utf-8"),
        "data": json.dumps({"panels": panels}).replace("<", "\\u003c"),
    }
    text = (_FOLDER / "page.html").read_text(encoding="utf-8")
    return re.sub(r"@@(\w+)@@", lambda found: parts[found[1]], text)


def _headline(told: dict[str, Any]) -> str:
    if not told:
        return ""
    bad = sum(f["level"] != "fine" for f in told.get("findings", []))
    said = f"; {bad} finding{'s' if bad != 1 else ''} to look at" if told.get("findings") else ""
    return f"{told.get('method', '')}: {told.get('reason', '')} after {told.get('iterations', 0)} iterations{said}"


# ---- values


def _packed(panels: Sequence[Panel]) -> tuple[list[dict[str, Any]], str]:
    """Panels as 16-bit values; every k-th slice of stacks that are too large, and a note of that."""
    total = sum(p.values.size * (4 if p.kind == "complex" else 2) for p in panels)
    step = math.ceil(total / _MOST)
    note = f"Every slice of {step} is shown." if step > 1 else ""
    return [_one(p, step if len(p.values) > 1 else 1) for p in panels], note


def _one(panel: Panel, step: int) -> dict[str, Any]:
    values = panel.values[::step]
    told = {"name": panel.name, "kind": panel.kind, "n": len(values), "h": values.shape[1], "w": values.shape[2],
            "step": step}  # fmt: skip
    parts = [np.real(values), np.imag(values)] if panel.kind == "complex" else [values]
    return {**told, "parts": [_sixteen(part) for part in parts]}


def _sixteen(values: np.ndarray) -> dict[str, Any]:
    """Values as 1 ... 65535 between the lowest and the highest; 0: not finite."""
    finite = np.isfinite(values)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    span = (high - low) or 1.0
    scaled = np.rint((np.where(finite, values, low).astype(np.float64) - low) / span * 65534) + 1
    stored = np.where(finite, scaled, 0).astype("<u2")
    return {"low": low, "high": high, "data": base64.b64encode(stored.tobytes()).decode()}


# ---- tables and curves


def _findings(findings: list[dict[str, Any]]) -> str:
    rows = []
    for f in findings:
        cause = f" <b>{html.escape(f['cause'])}</b>: {html.escape(f['remedy'])}" if f.get("cause") else ""
        level = f["level"] if f["level"] in ("fine", "look", "wrong") else "look"
        rows.append(f'<tr class="{level}"><td>{level}</td><td>{html.escape(f["topic"])}</td>'
                    f"<td>{html.escape(f['seen'])}{cause}</td></tr>")  # fmt: skip
    return "".join(rows)


def _tables(told: dict[str, Any]) -> str:
    return "".join(
        f"<tr><td>{html.escape(str(name))}</td><td>{html.escape(_short(value))}</td></tr>"
        for name, value in plain(told).items()
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 600 else f"{text[:600]} ..."


def _curves(history: dict[str, Any]) -> list[str]:
    names = {"residual": "fixed-point residual", "sigma": "denoiser strength sigma", "gamma": "data weight gamma"}
    return [
        curve(list(zip(*history[key], strict=True)), label, "iteration") for key, label in names.items()
        if history.get(key)
    ]  # fmt: skip


def _misfit_curve(misfit: np.ndarray | None) -> str:
    if misfit is None:
        return ""
    step = max(1, len(misfit) // 600)
    thin = [float(np.max(misfit[k : k + step])) for k in range(0, len(misfit), step)]
    words = "datum" if step == 1 else f"largest of {step} data each"
    return curve([thin], "misfit / noise", words)


def curve(lines: Sequence[Sequence[float | None]], title: str, below: str) -> str:
    """Curves as SVG, logarithmic; values that are not positive are gaps.

    >>> curve([[1.0, 0.1, 0.01]], "residual", "iteration").count("<polyline")
    1
    """
    width, height, left, top, bottom = 360, 190, 52, 24, 34
    values = [math.log10(v) for line in lines for v in line if v is not None and 0 < v < math.inf]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    count = max(len(line) for line in lines) if lines else 1

    def at(k: int, v: float) -> str:
        x = left + (width - left - 10) * (k / max(count - 1, 1))
        return f"{x:.1f},{top + (height - top - bottom) * (high - v) / (high - low):.1f}"

    drawn = []
    for line in list(lines)[:8]:
        points = [at(k, math.log10(v)) for k, v in enumerate(line) if v is not None and 0 < v < math.inf]
        drawn.append(f'<polyline points="{" ".join(points)}"/>')
    ticks = []
    for v in sorted({low, high, *(float(d) for d in range(math.ceil(low), math.floor(high) + 1))}):
        y = at(0, v).split(",")[1]
        ticks.append(f'<line x1="{left}" x2="{width - 10}" y1="{y}" y2="{y}"/>')
        if v in (low, high) or min(v - low, high - v) > 0.12 * (high - low):
            ticks.append(f'<text x="{left - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{10**v:.2g}</text>')
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">'
        f'<text x="{left}" y="14" class="title">{html.escape(title)}</text>{"".join(ticks)}{"".join(drawn)}'
        f'<text x="{left}" y="{height - 18}">1</text>'
        f'<text x="{width - 10}" y="{height - 18}" text-anchor="end">{count}</text>'
        f'<text x="{(left + width) / 2}" y="{height - 4}" text-anchor="middle">{html.escape(below)}</text></svg>'
    )
