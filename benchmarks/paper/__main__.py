"""The papers' claims beside what this library measures: measures rows, and writes docs/results.md.

Finished rows stay in results.json beside this file and are measured again only with --again; networks trained for them
stay in figures/paper, which may be deleted to train them again. A row that has not been measured is shown as such.
Verdicts are computed from the figures by each row's rule.

    python -m benchmarks.paper [ROW ...] [--list] [--budget SECONDS] [--again]
"""

import argparse
import datetime
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch

from . import page
from .papers import ABSENT, PAPERS, ROWS
from .row import Effort, Row, judged, told


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("rows", nargs="*", metavar="ROW", help="names of rows; default: all that have not been measured")
    p.add_argument("--list", action="store_true", help="print names, claims and times, and measure nothing")
    p.add_argument("--budget", type=float, metavar="SECONDS", help="of one idle core for each row; scales its steps")
    p.add_argument("--again", action="store_true", help="measure rows that are finished, too")
    p.add_argument("--page-only", action="store_true", help="write the page from what is there")
    p.add_argument("--data", default=os.environ.get("PNP_DATA"), help="folder of the data sets (or set PNP_DATA)")
    p.add_argument("--results", default=str(page.RESULTS), help="JSON file of the figures")
    p.add_argument("--page", default=str(page.PAGE), help="Markdown file that is written")
    p.add_argument("--pictures", default=str(page.PICTURES), help="folder of the rows' pictures, beside the page")
    p.add_argument("--kept", default="figures/paper", help="folder of trained networks")
    return p


def measured(row: Row, effort: Effort, budget: float | None) -> dict:
    """What results.json keeps of a row."""
    begin = time.process_time()
    figures = row.measure(effort)
    return {
        "figures": {name: round(float(value), 6) for name, value in figures.items()},
        "scale": round(effort.scale, 4),
        "budget": row.seconds if budget is None else budget,
        "cpu_seconds": round(time.process_time() - begin, 1),
        "date": datetime.date.today().isoformat(),
        "version": version("pnp-imaging"),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, write."""
    p = parser()
    options = p.parse_args(arguments)
    if unknown := set(options.rows) - ROWS.keys():
        p.error(f"no row {', '.join(sorted(unknown))}; --list prints them")
    if options.budget is not None and not 0 < options.budget < float("inf"):
        p.error(f"--budget: expected a positive number of seconds, got {options.budget:g}")
    if options.list:
        for row in ROWS.values():
            print(f"{row.name:24} {row.seconds:5.0f} s  {row.claim}")
        return
    try:
        found, pictures = page.read(Path(options.results)), Path(options.pictures)
    except ValueError as error:
        p.error(f"--results: {options.results} is not a JSON file, or is cut off ({error})")
    wanted = [] if options.page_only else [ROWS[name] for name in options.rows or ROWS]
    todo = [row for row in wanted if options.again or row.name not in found]
    if todo and (options.data is None or not Path(options.data).is_dir()):
        p.error(f"no data folder ({options.data}); pass --data or set PNP_DATA")
    torch.set_num_threads(1)
    for row in todo:
        scale = 1.0 if options.budget is None else options.budget / row.seconds
        result = measured(row, Effort(Path(options.data), scale, Path(options.kept), pictures), options.budget)
        found = page.read(Path(options.results)) | {row.name: result}  # another process may have added rows
        page.write(Path(options.results), found)
        figures = result["figures"]
        print(f"{row.name}: {judged(row, figures)}: {told(row.shown, figures)}", flush=True)
        Path(options.page).write_text(page.text(PAPERS, found, pictures, ABSENT))
    Path(options.page).write_text(page.text(PAPERS, found, pictures, ABSENT))
    if not todo and wanted:
        print("nothing to measure: --again measures finished rows", file=sys.stderr)


if __name__ == "__main__":
    main()
