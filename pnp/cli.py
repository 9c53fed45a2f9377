"""Plug-and-play reconstruction from the command line. `pnp COMMAND --help` tells what a command takes."""

import argparse
import importlib
import json
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Any, NoReturn

from .pipes import flushed_output

__all__ = ["main"]

_COMMANDS = {
    "reconstruct": "reconstruct images from measured data",
    "view": "a page in the browser of a reconstruction",
    "denoise": "remove noise from images",
    "info": "tell what a file is; list the shipped weights",
    "check": "test an operator",
    "demo": "a reconstruction of data that ship, as a figure",
    "train": "train a network by a recipe",
    "evaluate": "score trained weights",
    "export": "weights from a checkpoint",
    "recipes": "list the recipes of trainings",
    "passport": "measure what a denoiser does to units, symmetries, small changes",
}


def main(arguments: list[str] | None = None) -> None:
    """Command line; ``python -m pnp`` is the same.

    Results go to the standard output, all else to the error stream; with ``--json`` results are one object. Status 0:
    done; 1: a check failed, or some of many files; 2: an error, one sentence; 128 + number of the signal that stopped
    it, after which no file is left half written, or of SIGPIPE where nobody reads the output any more, as after
    ``| head``.
    """
    with flushed_output():
        _main(arguments)


def _main(arguments: list[str] | None) -> None:
    parser = _Parser(prog="pnp", description=__doc__)
    _Parser.json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    parser.add_argument("--version", action="version", version=f"pnp {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    runs = {}
    for name, words in _COMMANDS.items():
        module: Any = importlib.import_module(f".commands.{name}", __package__)
        p = commands.add_parser(
            name, help=words, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        p.add_argument("-q", "--quiet", action="store_true", help="results and errors only, no progress")
        p.add_argument("--json", action="store_true", help="results as one JSON object")
        module.options(p)
        runs[name] = module.run
    options = parser.parse_args(arguments, argparse.Namespace(facts={}))
    try:
        with warnings.catch_warnings(), _in_a_line(options.command), _terminable():
            if options.quiet:
                warnings.simplefilter("ignore")
            status = runs[options.command](options)
            _tell(options, options.facts)
            if sys.stdout is not None:
                sys.stdout.flush()  # a full disk is an error, too
    except BrokenPipeError:
        raise
    except (ArithmeticError, ImportError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        _end(parser, options, 2, _sentence(error))
    except KeyboardInterrupt as interrupt:
        number = getattr(interrupt, "number", signal.SIGINT)
        _end(parser, options, 128 + number, str(interrupt) or "stopped")
    if status:
        parser.exit(status)


def _end(parser: argparse.ArgumentParser, options: argparse.Namespace, status: int, words: str) -> NoReturn:
    with suppress(OSError):  # of the output, which may be what the error is about
        _tell(options, {**options.facts, "error": words})
    parser.exit(status, f"pnp {options.command}: {words}\n")


@contextmanager
def _in_a_line(command: str) -> Iterator[None]:
    """Warnings without the line of code that they come from."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"pnp {command}: warning: {' '.join(str(message).split())}\n"
    try:
        yield
    finally:
        warnings.formatwarning = before


class _Parser(argparse.ArgumentParser):
    """Errors of options, too, are JSON where that is asked for."""

    json = False

    def error(self, message: str) -> NoReturn:
        if self.json:
            print(json.dumps({"error": message}, indent=1, ensure_ascii=False))
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help tells what it takes\n")


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""

    number = signal.SIGTERM


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM (of SLURM, Docker, kill) raises where the command is; what is being written is taken away."""

    def stop(number: int, frame: Any) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(options: argparse.Namespace, facts: dict[str, Any]) -> None:
    if options.json:
        from .report.summary import plain

        print(json.dumps(plain(facts), indent=1, ensure_ascii=False, allow_nan=False))


def _sentence(error: BaseException) -> str:
    """One line that is not empty."""
    return " ".join(str(error).split()) or type(error).__name__


def _version() -> str:
    try:
        return metadata.version("pnp-imaging")
    except metadata.PackageNotFoundError:
        return "of a source tree that is not installed"
