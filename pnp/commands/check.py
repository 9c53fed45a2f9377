"""Test an operator: adjoint, linearity, normal operator, derivatives ...; status 1 where it fails.

``FILE.py:NAME`` or ``MODULE:NAME`` names an operator, or a function without arguments that makes one.
"""

import argparse
from typing import Any

import operators

from ..many.named import operator
from .common import put

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("operator", help="FILE.py:NAME or MODULE:NAME; its code is run")
    p.add_argument("--shape", type=int, nargs="+", help="of the images, C H W, where the operator has no in_shape")


def run(given: argparse.Namespace) -> int:
    """Print the doctor's table."""
    op = _found(given.operator)
    report = operators.check(op, in_shape=None if given.shape is None else tuple(given.shape))
    if not given.quiet or not report.ok:
        put(given, report)
    put(given, ok=report.ok, findings=[f._asdict() for f in report.findings])
    return 0 if report.ok else 1


def _found(name: str) -> Any:
    if ":" not in name:
        raise ValueError(f"operator: expected FILE.py:NAME or MODULE:NAME, got {name!r}")
    found = operator(name)
    if hasattr(found, "A") and not isinstance(found, type):
        return found
    try:
        return found()
    except (Exception, SystemExit) as error:  # the user's code raises anything
        words = " ".join(str(error).split())
        raise ValueError(f"operator: {name}: {type(error).__name__}: {words}") from error
