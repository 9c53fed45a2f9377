"""What is done to a file of measured data: how it is read, and how it is solved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from operators.shapes import as_constant

from ..arguments import check_arguments, check_deviation
from ..fingerprints import fingerprint
from ..io import Measurement, read_images
from ..io import open as open_measurement
from ..io.opening import named
from ..replay import replay
from ..result import Result
from ..solver import Solver
from ..stopping import Stop
from .corrections import correction
from .named import method, operator, prior

__all__ = ["Bench", "Job"]


@dataclass(frozen=True)
class Job:
    """Settings for any number of files; what is not set is what the file says, or the default of :class:`pnp.PnPADMM`.

    Attributes:
        reader: options of the format's reader, such as ``slices``.
        operator: name of an operator, ``"Radon"``, ``"FILE.py:NAME"``, instead of the file's; ``None``: that of the
            file.
        arguments: of the operator, in place of the file's or beside them.
        corrections: of the data, one after the other: ``"centre"``, ``"stripes"``, ``"whiten"``, ``"outliers"``,
            ``"weights"``.
        prior: a field (``"natural"``, ``"ct"``, ``"mri"``, ``"radio"``), shipped weights, or a weight file.
        method: ``"admm"``, ``"hqs"``, ``"drs"``, ``"pgd"``, ``"fista"``, ``"red"``, ``"pdhg"``, ``"snore"``,
            ``"diffpir"``.
        strength: of the prior, or ``"auto"``.
        noise_std: of the data, in their units; ``None``: the file's, or estimated.
        stop: when a solve ends; a mapping changes attributes of what is usual for the method and the field.
        device: where it runs, ``"cpu"``, ``"cuda"``.
        solver: a function of the :class:`pnp.io.Measurement` that makes the solver, in place of all but ``reader`` and
            ``device``.

    Raises:
        ValueError, TypeError, FileNotFoundError: there is no such method, prior or operator; a value does not fit.

    >>> Job(method="best")
    Traceback (most recent call last):
    ValueError: method: expected one of admm, hqs, drs, pgd, fista, red, pdhg, snore, diffpir, got 'best'
    """

    reader: Mapping[str, Any] = field(default_factory=dict)
    operator: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    corrections: tuple[str, ...] = ()
    prior: str | None = None
    method: str = "admm"
    strength: float | str = 1.0
    noise_std: float | None = None
    stop: Stop | Mapping[str, Any] | None = None
    device: str = "cpu"
    solver: Callable[[Measurement], Solver] | None = None

    def __post_init__(self) -> None:
        method(self.method)
        stop = self.stop
        if isinstance(stop, Mapping):
            if unknown := set(stop) - {f.name for f in fields(Stop)}:
                raise ValueError(
                    f"stop: expected some of tolerance, max_iter, growth, got {', '.join(sorted(unknown))}"
                )
            stop = Stop(**stop)
        check_arguments(self.strength, stop, None)
        check_deviation(self.noise_std)
        if self.noise_std is not None and not isinstance(self.noise_std, int | float):
            raise TypeError(f"noise_std: expected None or a number, the same for every file, got {self.noise_std!r}")
        for name in self.corrections:
            correction(name)
        if self.prior is not None:
            prior(self.prior)
        if self.operator is not None:
            operator(self.operator)
        torch.device(self.device)

    def read(self, path: str | Path) -> Measurement:
        """The measurement of a file; of bare arrays and images where the job names the operator."""
        if self.operator is None:
            found = open_measurement(path, **self.reader)
            return self._corrected(path, replace(found, arguments={**found.arguments, **self.arguments}))
        built = operator(self.operator)
        build = built if isinstance(built, type) or not hasattr(built, "A") else _given(built)
        with named(path):
            y = _bare(Path(path))
        said = {"file": Path(path).name, "format": "bare data"}
        return self._corrected(path, Measurement(y, build, dict(self.arguments), provenance=said))

    def _corrected(self, path: str | Path, found: Measurement) -> Measurement:
        with named(path):
            for name in self.corrections:
                found = correction(name)(found)
        return found

    def told(self) -> dict[str, Any]:
        """The settings as plain values, by which answers of other settings are known."""
        return {
            name: fingerprint(value) if name in ("reader", "arguments", "solver") or isinstance(value, Stop) else value
            for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__)
            if value not in (None, {}, ())
        }


def _given(op: Any) -> Callable[..., Any]:
    """A builder of an operator that is there."""

    def build(**arguments: Any) -> Any:
        if arguments:
            raise ValueError(f"operator: is made already, so that it takes no {', '.join(arguments)}")
        return op

    return build


def _bare(path: Path) -> torch.Tensor:
    """Data (B, ...) of an array ``y``, or of images."""
    if path.suffix.lower() not in (".npy", ".npz"):
        return torch.stack([image.float() for image in read_images(path, None)])
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        array = loaded
    else:
        with loaded:
            if "y" not in loaded.files:
                raise ValueError("holds no y, the data")
            array = loaded["y"]
    y = as_constant("y", array)
    return y.to(torch.complex64) if y.is_complex() else y.float()


class Bench:
    """Solves one file after the other; what they share, prior and operator, is made once."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._priors: dict[tuple[Any, ...], Any] = {}
        self._op: tuple[Any, Any] = (None, None)

    def solver(self, found: Measurement) -> Solver:
        """The solver for a measurement."""
        if self.job.solver is not None:
            return self.job.solver(found).to(self.job.device)
        op = self.operator(found)
        noise = found.noise_std if self.job.noise_std is None else self.job.noise_std
        stop = self.job.stop
        settings: dict[str, Any] = {"noise_std": noise, "strength": self.job.strength}
        settings["stop"] = stop if isinstance(stop, Stop) else None
        key = (op.field, op.in_shape[0], op.in_dtype.is_complex)
        if key not in self._priors:
            wanted = self.job.prior
            self._priors[key] = None if wanted is None else prior(wanted, op.in_shape[0], complex=key[2])
        made = method(self.job.method)(op, self._priors[key], **settings).to(self.job.device)
        made.stop = replace(made.stop, **stop) if isinstance(stop, Mapping) else made.stop
        self._priors[key] = made.denoiser  # where none was named: the default
        return made

    def operator(self, found: Measurement) -> Any:
        """The operator of a measurement, that of the file before where it is the same."""
        key = [fingerprint(found.build), fingerprint(found.arguments)]
        if _whole(key) and key == self._op[0]:
            return self._op[1]
        self._op = (key, found.operator())
        return self._op[1]

    def count(self, found: Measurement) -> int:
        """How many images a solve of the measurement gives."""
        return len(self._data(found, self.operator(found).out_shape))

    def _data(self, found: Measurement, shape: tuple[int, ...]) -> torch.Tensor:
        return found.y if self.job.operator is None else _batched(found.y, shape)

    def solve(self, found: Measurement, *, checkpoint: str | Path | None = None, callback: Any = None) -> Result:
        """Reconstruct; from a ``checkpoint`` on, where there is one."""
        solver = self.solver(found)
        y = self._data(found, solver.op.out_shape).to(self.job.device)
        if checkpoint is not None and Path(checkpoint).exists():
            return replay(checkpoint, solver, y, callback=callback, checkpoint=checkpoint)
        return solver.solve(y, callback=callback, checkpoint=checkpoint)


def _batched(y: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Bare data with the axes of length one that files leave out, batch first."""
    long = [n for n in shape if n != 1]
    kept = y.squeeze() if y.numel() > 1 else y
    if list(kept.shape[kept.ndim - len(long) :]) == long and kept.ndim - len(long) in (0, 1):
        return kept.reshape(-1, *shape)
    return y


def _whole(told: Any) -> bool:
    """Whether a fingerprint says all of a value."""
    if isinstance(told, dict):
        return all(map(_whole, told.values()))
    return all(map(_whole, told)) if isinstance(told, list) else told is not None
