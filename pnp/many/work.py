"""One file of many: claimed, looked at, solved, written."""

import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from denoisers.weights.writing import remove_partial

from ..io.provenance import provenance
from .answers import write_answer, write_card
from .claims import Again, claim_of, claimed
from .job import Bench, Job
from .standing import Standing, card_of, standing

__all__ = ["Outcome", "Task", "Worker"]

_PASSING = (MemoryError, OSError)  # what may be better another time
_LASTING = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class Task(NamedTuple):
    """A file, and where its answer goes."""

    path: Path
    place: Path


class Outcome(NamedTuple):
    """How it went: ``"written"``, ``"before"``, ``"failed"``, ``"again"`` or, where none can go well, ``"stop"``; and
    why."""

    status: str
    words: str = ""


@dataclass(frozen=True)
class Setup:
    """What every worker is told."""

    job: Job
    retries: int
    overwrite: bool
    pixel: tuple[float, str] | None = None


class Worker:
    """Works on tasks with one :class:`Bench`; errors are outcomes."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.bench = setup, Bench(setup.job)
        self.settings = setup.job.told()

    def process(self) -> int:
        """Number of the process."""
        return os.getpid()

    def work(self, task: Task) -> Outcome:
        """Do one task, unless it is done."""
        try:
            task.place.parent.mkdir(parents=True, exist_ok=True)
            with claimed(claim_of(task.place)) as attempt:
                return self._claimed(task, attempt)
        except Again as error:
            return Outcome("again", _words(error.__cause__ or error))
        except ImportError as error:  # of every file
            return Outcome("stop", _words(error))
        except Exception as error:  # readers of broken files and the users' own code raise anything
            return Outcome("failed", _words(error))

    def _claimed(self, task: Task, attempt: int) -> Outcome:
        if attempt > 1 + self.setup.retries:
            raise ChildProcessError(f"the process that worked on it ended {attempt - 1} times")
        if attempt > 1:
            remove_partial(task.place)
            remove_partial(card_of(task.place))
        found, words = standing(task.place, task.path, self.settings)
        if found == Standing.DONE:
            return Outcome("before")
        ours = self.setup.overwrite or attempt > 1  # an image without its card is of a process that was killed
        if found == Standing.OTHER and not ours:
            raise FileExistsError(f"{task.place} {words}; overwrite=True (--force on the command line) replaces it")
        try:
            self._solve(task)
        except _LASTING:
            raise
        except _PASSING as error:
            if attempt > self.setup.retries:
                raise
            raise Again from error
        return Outcome("written")

    def _solve(self, task: Task) -> None:
        begun = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the report in the card says the same
            measured = self.bench.job.read(task.path)
            result = self.bench.solve(measured)
        told = provenance(result, measured.provenance)
        files = write_answer(task.place, result, told, measured, pixel=self.setup.pixel, overwrite=True)
        write_card(task.place, files, task.path, self.settings, result, told, time.monotonic() - begun)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
