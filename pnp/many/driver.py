"""Many files, one job: who works on which, what is left to do, what went wrong."""

from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from denoisers.weights.writing import new_folder

from ..io import ENDINGS, FORMATS
from ..io.writing import WRITTEN
from .claims import claim_of, forget
from .job import Job
from .processes import Here, Processes
from .standing import Standing, standing
from .work import Outcome, Setup, Task

__all__ = ["Many", "reconstruct_many"]


class Many(NamedTuple):
    """What became of files.

    Attributes:
        written: answers that were made now.
        before: answers that were there before, of the same data and settings.
        failed: files without an answer, and why.
    """

    written: list[Path]
    before: list[Path]
    failed: dict[Path, str]

    def __str__(self) -> str:
        count = len(self.written) + len(self.before) + len(self.failed)
        head = f"{count} files: {len(self.written)} written, {len(self.before)} there before, {len(self.failed)} failed"
        return "\n".join([head, *self.faults])

    @property
    def faults(self) -> list[str]:
        """A line for each file without an answer."""
        return [f"  {path}: {words}" for path, words in self.failed.items()]


def reconstruct_many(
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    job: Job | None = None,
    *,
    workers: int = 1,
    cluster: str | None = None,
    root: str | Path | None = None,
    ending: str = ".npz",
    pixel: tuple[float, str] | None = None,
    retries: int = 2,
    overwrite: bool = False,
    quiet: bool = False,
) -> Many:
    """Reconstruct the measurements of many files, each to a file of the same name in the folder ``out``.

    An answer is whole or absent. Beside it ``NAME.json`` says what it was made of, and with which report; what is there
    already of the same data and settings is left alone. So the same call after a stop, a crash or a kill -9 continues
    where it was, and gives the bits that single solves give. A file is claimed by one process at a time, also where
    several calls share a folder. Broken files do not stop the others; files whose process dies are tried again.

    Args:
        paths: files that :func:`pnp.io.open` reads.
        out: folder of the answers.
        job: settings, :class:`pnp.Job`; ``None``: defaults.
        workers: 1: this process; more: as many processes, each with its own solver. With more than one, scripts need
            ``if __name__ == "__main__":``, as everywhere in multiprocessing.
        cluster: Ray's workers instead: ``"local"`` starts Ray here, ``"auto"`` or an address joins a cluster, whose
            machines see the same files by the same names (extra ``cluster``).
        root: folder whose folders the answers keep; ``None``: they lie side by side.
        ending: format of the answers, :func:`pnp.io.writing.write_images`.
        pixel: side of a pixel and its unit, for formats that say so.
        retries: how often a file is tried again whose process died, or that could not be read or written for a reason
            that may pass.
        overwrite: replace answers of other data or settings, and other files of their names.
        quiet: no progress bar, with the number of files and the time left, on the error stream.

    Raises:
        ValueError: two files would have the same answer; no files; a number below its least. FileExistsError: an answer
            of other settings is there. ImportError: a package is missing.

    >>> import tempfile
    >>> import numpy as np
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.savez(folder / "scan.npz", y=np.ones((16, 16), "f4"), mask=np.ones((16, 16), "f4"), noise_std=0.1)
    >>> _ = (folder / "broken.npz").write_text("none")
    >>> files = sorted(folder.iterdir())
    >>> print(str(reconstruct_many(files, folder / "out", quiet=True)).splitlines()[0])
    2 files: 1 written, 0 there before, 1 failed
    >>> len(reconstruct_many(files, folder / "out", quiet=True).before)
    1
    """
    job = job or Job()
    _check(workers=workers, retries=retries, ending=ending)
    paths = [paths] if isinstance(paths, str | Path) else paths
    tasks = _tasks([Path(p) for p in paths], Path(out).expanduser(), root, ending)
    new_folder("out", out)
    setup = Setup(job, retries, overwrite, pixel)
    settings = job.told()
    found = Many([], [], {})
    todo: deque[Task] = deque()
    for task in tasks:
        state, words = standing(task.place, task.path, settings)
        if state == Standing.DONE:
            found.before.append(task.place)
            forget(claim_of(task.place))
        elif state == Standing.OTHER and not overwrite and "other settings" in words:
            raise FileExistsError(f"{task.place} {words}; overwrite=True (--force on the command line) replaces it")
        else:
            todo.append(task)
    if todo:
        _run(todo, found, setup, workers if len(todo) > 1 else 1, cluster, quiet)
    return found


def _check(*, workers: Any, retries: Any, ending: str) -> None:
    for name, value, least in (("workers", workers, 1), ("retries", retries, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name}: expected a whole number >= {least}, got {value!r}")
    if ending not in WRITTEN:
        raise ValueError(f"ending: expected one of {', '.join(sorted(WRITTEN))}, got {ending!r}")


def _tasks(paths: list[Path], out: Path, root: str | Path | None, ending: str) -> list[Task]:
    """Files and the places of their answers, each its own."""
    if not paths:
        raise ValueError("paths: expected at least one file")
    places: dict[Path, Path] = {}
    tasks = []
    for path in paths:
        name = path.name if root is None else path.relative_to(root)
        place = out / Path(name).with_name(f"{_stem(path.name)}{ending}")
        if place in places:
            other = "; root= keeps their folders" if root is None and places[place].name == path.name else ""
            raise ValueError(f"paths: {places[place]} and {path} would both be {place}{other}")
        places[place] = path
        tasks.append(Task(path, place))
    sources = {path.resolve() for path in paths}
    for place in places:
        if place.resolve() in sources:
            raise ValueError(f"out: {place} is measured data, which no answer replaces; name another folder")
    return tasks


def _stem(name: str) -> str:
    """A file's name without the end by which its format is known; DICOM's 1.2.840.3 has none."""
    endings = sorted({e for f in FORMATS for e in f.endings} | ENDINGS, key=len, reverse=True)
    known = next((e for e in endings if name.lower().endswith(e)), "")
    return name[: len(name) - len(known)] or name


def _run(todo: deque[Task], found: Many, setup: Setup, workers: int, cluster: str | None, quiet: bool) -> None:
    """Hand out the tasks, one to a worker at a time, until each has its outcome."""
    from tqdm import tqdm

    total = len(todo) + len(found.before)
    tries: Counter[Path] = Counter()
    if cluster is not None:
        from .cluster import Cluster

        hands: Any = Cluster(setup, workers, cluster)
    else:
        hands = Here(setup) if workers == 1 else Processes(setup, workers)
    try:
        with tqdm(total=total, initial=len(found.before), unit="file", disable=quiet) as bar:
            while todo or hands.busy:
                while todo and hands.free:
                    hands.give(todo.popleft())
                task, outcome = hands.take()
                tries[task.path] += 1
                if outcome.status == "again":
                    if tries[task.path] <= setup.retries:
                        todo.append(task)
                        continue
                    claim_of(task.place).unlink(missing_ok=True)
                _note(found, task, outcome)
                bar.set_postfix(failed=len(found.failed), refresh=False)
                bar.update()
    except KeyboardInterrupt as stop:
        done = len(found.written) + len(found.before)
        stop.args = (f"stopped, {done} of {total} files are done; the same call continues",)
        raise
    finally:
        hands.close()


def _note(found: Many, task: Task, outcome: Outcome) -> None:
    match outcome.status:
        case "written":
            found.written.append(task.place)
        case "before":
            found.before.append(task.place)
        case "stop":
            raise ImportError(outcome.words)
        case _:
            found.failed[task.path] = outcome.words
