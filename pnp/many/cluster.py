"""Workers of Ray, on this machine or on many; files and answers lie where all of them see them."""

import logging
import os
import signal
import threading
from typing import Any

from ..io.opening import package
from .work import Outcome, Setup, Task, Worker

__all__ = ["Cluster"]


class Cluster:
    """Ray's actors, one worker each; those that die are made anew.

    Args:
        setup: of the workers.
        count: number of them.
        address: of a running cluster, ``"auto"`` for the one of this machine; ``"local"``: one is started, and ended.
    """

    def __init__(self, setup: Setup, count: int, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self.ray = package("ray", "cluster")
        self.setup, self.count = setup, count
        self.started = not self.ray.is_initialized()
        if self.started:
            local = {"num_cpus": count, "include_dashboard": False} if address == "local" else {}
            self._start(address, **local)
        gpus = 1 if setup.job.device.startswith("cuda") else 0
        self.kind = self.ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(Worker)
        self.idle: list[Any] = []
        self.working: dict[Any, tuple[Any, Task]] = {}

    def _start(self, address: str, **local: Any) -> None:
        handler = signal.getsignal(signal.SIGTERM)
        try:
            self.ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
        except (ConnectionError, ValueError) as error:  # no such cluster
            raise ValueError(f"cluster: {address!r}: {error}") from error
        except Exception as error:  # Ray's own are of no kind; it gives itself half a minute
            raise RuntimeError(f"cluster: Ray does not start: {error} Or join a cluster: ray start --head") from error
        finally:  # Ray has put its own there, which would end the driver without closing what it holds
            if threading.current_thread() is threading.main_thread() and handler is not None:
                signal.signal(signal.SIGTERM, handler)

    @property
    def free(self) -> bool:
        return len(self.working) < self.count

    @property
    def busy(self) -> bool:
        return bool(self.working)

    def give(self, task: Task) -> None:
        """Hand a task to a worker that waits, or to a new one."""
        actor = self.idle.pop() if self.idle else self.kind.remote(self.setup)
        self.working[actor.work.remote(task)] = (actor, task)

    def take(self) -> tuple[Task, Outcome]:
        """The next outcome."""
        (reference, *_), _ = self.ray.wait(list(self.working), num_returns=1)
        actor, task = self.working.pop(reference)
        try:
            outcome = self.ray.get(reference)
        except self.ray.exceptions.RayActorError as error:
            said = str(error).strip().splitlines()
            return task, Outcome("again", f"its worker ended: {said[0] if said else 'no reason given'}")
        self.idle.append(actor)
        return task, outcome

    def close(self) -> None:
        """End the workers, and the cluster where it was started here."""
        for actor in (*self.idle, *(actor for actor, _ in self.working.values())):
            self.ray.kill(actor)
        if self.started:
            self.ray.shutdown()
