"""docs/results.md, from the figures that are kept."""

import json
from collections.abc import Sequence
from pathlib import Path

from .row import Row, judged, told

__all__ = ["PAGE", "PICTURES", "RESULTS", "read", "text", "write"]

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[2] / "docs" / "results.md"
PICTURES = PAGE.parent / "pictures"

_HEAD = """# The papers' claims

Four papers stand behind this library. Each row is a claim of one of them, its figure as printed, and what
`python -m benchmarks.paper ROW` measures here. Trainings take a minute of one core where the papers took hours or days
of a GPU, on smaller networks and images, so most rows compare an order or a trend, not a figure. A verdict is computed
from the figures by the rule that stands below each table; `python -m benchmarks.paper --list` prints the rows,
`--budget SECONDS` changes the work. Seconds are those that one busy core spent on the row; networks that other rows or
earlier runs trained are read from disk and cost none.
"""


def read(path: Path) -> dict[str, dict]:
    """Kept figures by row."""
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: Path, found: dict[str, dict]) -> None:
    """Keep figures, in the order of their names; another process reads the old file or the new one."""
    beside = path.with_suffix(".partial")
    beside.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    beside.replace(path)


def text(
    papers: dict[str, list[Row]],
    found: dict[str, dict],
    pictures: Path | None = None,
    absent: Sequence[tuple[str, str]] = (),
) -> str:
    """The page; with the pictures that lie in a folder below it, and claims that have no row, with the reason."""
    parts = [_HEAD, counts(papers, found)]
    for title, rows in papers.items():
        parts.append(f"## {title}\n")
        parts.append("| row | claim | printed | measured | data and budget | verdict |\n|---|---|---|---|---|---|")
        parts += [line(row, found.get(row.name)) for row in rows]
        parts.append("")
        missed = [row for row in rows if row.why and _verdict(row, found) in ("same trend", "not reached")]
        if missed:
            parts += ["What the rest lacks:", ""]
            parts += [f"- `{row.name}`: {told(row.why, found[row.name]['figures'])}" for row in missed]
            parts.append("")
        if pictures is not None:
            shown = [row for row in rows if row.name in found and (pictures / f"{row.name}.png").exists()]
            parts += [f"![{row.claim}]({pictures.name}/{row.name}.png)\n" for row in shown]
        parts += ["Rules:", ""]
        parts += [f"- `{row.name}`: {row.rule}" for row in rows]
        parts.append("")
    parts.append("## What has no row\n\n| claim | why not |\n|---|---|")
    parts += [f"| {claim} | {why} |" for claim, why in absent]
    return "\n".join(parts) + "\n"


def line(row: Row, result: dict | None) -> str:
    """One row of a table."""
    if result is None:
        cells = [row.name, row.claim, row.printed, "not run", row.budget, "not run"]
    else:
        steps = "" if result["scale"] == 1 else f", {result['scale']:.2g} of the usual steps"
        work = f"{row.budget}; {result['cpu_seconds']:.0f} s{steps}, {result['date']}, {result['version']}"
        figures = result["figures"]
        cells = [row.name, row.claim, row.printed, told(row.shown, figures), work, f"**{judged(row, figures)}**"]
    cells[0] = f"`{cells[0]}`"
    return "| " + " | ".join(cells) + " |"


def _verdict(row: Row, found: dict[str, dict]) -> str:
    return judged(row, found[row.name]["figures"]) if row.name in found else "not run"


def counts(papers: dict[str, list[Row]], found: dict[str, dict]) -> str:
    """How many rows have which verdict."""
    rows = [row for rows in papers.values() for row in rows]
    verdicts = [_verdict(row, found) for row in rows]
    kinds = ("reproduced", "same trend", "not reached", "not run")
    told = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in kinds if kind in verdicts)
    return f"Of {len(rows)} rows: {told}.\n"
