"""Plug-and-play reconstruction from the command line. `pnp COMMAND --help` tells what a command takes."""

import argparse
import importlib
import warnings
from importlib import metadata
from typing import Any

__all__ = ["main"]

_COMMANDS = {
    "denoise": "remove noise from images",
    "reconstruct": "reconstruct an image from measured data",
    "train": "train a network by a recipe",
    "evaluate": "score trained weights",
    "export": "weights from a checkpoint",
    "recipes": "list the recipes of trainings",
    "info": "tell what a file is; list the shipped weights",
    "check": "test an operator",
}


def main(arguments: list[str] | None = None) -> None:
    """Command line; ``python -m pnp`` is the same.

    Results go to the standard output, all else to the error stream. Status 0: done; 1: the check failed; 2: an error,
    one sentence; 128 + number of the signal that stopped it.
    """
    parser = argparse.ArgumentParser(prog="pnp", description=__doc__)
    parser.add_argument("--version", action="version", version=f"pnp {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    runs = {}
    for name, words in _COMMANDS.items():
        module: Any = importlib.import_module(f".commands.{name}", __package__)
        p = commands.add_parser(
            name, help=words, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        p.add_argument("-q", "--quiet", action="store_true", help="results and errors only, no progress")
        module.options(p)
        runs[name] = module.run
    options = parser.parse_args(arguments)
    try:
        with warnings.catch_warnings():
            if options.quiet:
                warnings.simplefilter("ignore")
            status = runs[options.command](options)
    except (ArithmeticError, ImportError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        parser.exit(2, f"pnp {options.command}: {_sentence(error)}\n")
    except KeyboardInterrupt as interrupt:
        number = getattr(interrupt, "number", 2)
        parser.exit(128 + number, f"pnp {options.command}: {interrupt or 'stopped'}\n")
    if status:
        parser.exit(status)


def _sentence(error: Exception) -> str:
    """One line that is not empty."""
    return " ".join(str(error).split()) or type(error).__name__


def _version() -> str:
    try:
        return metadata.version("pnp-imaging")
    except metadata.PackageNotFoundError:
        return "of a source tree that is not installed"
