"""A page for the browser of a saved solve, a checkpoint or an answer as .npz: images, errors, misfit, curves, report,
settings; one HTML file that asks no address for anything."""

import argparse
from pathlib import Path

from ..view import write_page
from .common import put

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("result", help="file of Result.save, of reconstruct --save or --checkpoint, or an answer as .npz")
    p.add_argument("--to", "--out", dest="to", help="page to write (default: RESULT.html beside it)")
    p.add_argument("--reference", help="file of the true image: adds the error")
    p.add_argument("--uncertainty", help="file of the pixels' standard deviations (reconstruct --uncertainty)")
    p.add_argument("--force", action="store_true", help="replace the page, if it is there")


def run(given: argparse.Namespace) -> None:
    """Write the page."""
    source = Path(given.result)
    place = Path(given.to) if given.to is not None else source.with_name(f"{source.name}.html")
    if place.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--to: {place} is the name of no page, expected NAME.html")
    write_page(source, place, reference=given.reference, uncertainty=given.uncertainty, overwrite=given.force)
    put(given, place, page=str(place))
