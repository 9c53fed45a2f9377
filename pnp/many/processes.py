"""Workers on this machine: the driver itself, or processes that end with it."""

import contextlib
import multiprocessing
import signal
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from .work import Outcome, Setup, Task, Worker

__all__ = ["Here", "Processes"]


class Here:
    """The driver is the worker."""

    def __init__(self, setup: Setup) -> None:
        self.worker = Worker(setup)
        self.task: Task | None = None

    @property
    def free(self) -> bool:
        return self.task is None

    @property
    def busy(self) -> bool:
        return self.task is not None

    def give(self, task: Task) -> None:
        self.task = task

    def take(self) -> tuple[Task, Outcome]:
        assert self.task is not None
        task, self.task = self.task, None
        return task, self.worker.work(task)

    def close(self) -> None:
        """Nothing is left."""


class Processes:
    """Processes of their own, each with a pipe; the pipe's end tells them that the driver is gone."""

    def __init__(self, setup: Setup, count: int) -> None:
        self.setup, self.count = setup, count
        self.context = multiprocessing.get_context("spawn")
        self.idle: list[tuple[Any, Connection]] = []
        self.working: dict[Connection, tuple[Any, Task]] = {}

    @property
    def free(self) -> bool:
        return len(self.working) < self.count

    @property
    def busy(self) -> bool:
        return bool(self.working)

    def give(self, task: Task) -> None:
        """Hand a task to a process that waits, or to a new one."""
        while self.idle:
            process, pipe = self.idle.pop()
            with contextlib.suppress(OSError):  # it ended meanwhile
                pipe.send(task)
                self.working[pipe] = (process, task)
                return
            pipe.close()
        pipe, theirs = self.context.Pipe()
        threads = max(1, torch.get_num_threads() // self.count)
        process = self.context.Process(target=_serve, args=(self.setup, theirs, threads), daemon=True)
        process.start()
        theirs.close()
        self.working[pipe] = (process, task)
        with contextlib.suppress(OSError):  # it ended already: take() says so
            pipe.send(task)

    def take(self) -> tuple[Task, Outcome]:
        """The next outcome."""
        (pipe, *_) = wait(list(self.working))
        assert isinstance(pipe, Connection)
        process, task = self.working.pop(pipe)
        try:
            outcome = pipe.recv()
        except (EOFError, OSError):
            process.join()
            pipe.close()
            return task, Outcome("again", f"its process ended with {process.exitcode}")
        self.idle.append((process, pipe))
        return task, outcome

    def close(self) -> None:
        """End the processes: those that wait at once, those that work by SIGTERM, with their claims given back."""
        running = [process for process, _ in self.working.values()]
        for process in running:
            process.terminate()
        for pipe in (*self.working, *(pipe for _, pipe in self.idle)):
            pipe.close()
        for process in (*running, *(process for process, _ in self.idle)):
            process.join(10)
            if process.is_alive():
                process.kill()
                process.join()
        self.idle, self.working = [], {}


def _serve(setup: Setup, pipe: Connection, threads: int) -> None:
    """Work until the driver closes the pipe, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's
    signal.signal(signal.SIGTERM, _stopped)
    torch.set_num_threads(threads)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        worker = Worker(setup)
        while True:
            pipe.send(worker.work(pipe.recv()))


def _stopped(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
