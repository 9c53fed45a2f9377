"""What a file of measured data gives, whatever its format: data, the operator that measured them, noise, provenance."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self, get_args, get_type_hints

from torch import Tensor

__all__ = ["Measurement"]


def _short(value: Any) -> str:
    shape = getattr(value, "shape", ())
    return f"[{' x '.join(map(str, shape))}]" if len(shape) else f"{value}"


@dataclass(frozen=True, repr=False)
class Measurement:
    """Measured data and how they were measured: y (B, ...) = A x + noise, B slices, scans or one.

    ``build(**arguments)`` is A, such as :class:`operators.MRI` with ``mask`` and ``coil_maps``; ``noise_std`` is what
    the file says of the noise, per real component and in the units of y: a number, per slice (B,) or per datum; None
    where it says nothing, and solvers estimate it. ``provenance`` says in words and numbers where y comes from: file,
    format, instrument, what was corrected. ``of_object``: a detector has seen an object, which knows no pixels, so that
    reports may advise finer ones.

    >>> import torch
    >>> from operators import Inpainting
    >>> m = Measurement(torch.ones(1, 1, 2, 2), Inpainting, {"mask": torch.eye(2)}, noise_std=0.1)
    >>> m.operator().A(m.y).flatten().tolist()
    [1.0, 0.0, 0.0, 1.0]
    """

    y: Tensor
    build: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    noise_std: float | Tensor | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    of_object: bool = field(default=False, kw_only=True)

    def __repr__(self) -> str:
        """Shapes, not values."""
        said = "; ".join(f"{name} {_short(value)}" for name, value in self.provenance.items())
        told = ", ".join(f"{name}={_short(value)}" for name, value in self.arguments.items())
        noise = "unknown" if self.noise_std is None else _short(self.noise_std)
        return f"y {_short(self.y)} of {self.kind}({told}); noise {noise}; {said}"

    @property
    def kind(self) -> str:
        """Name of the operator's class; of a function that makes one, the first class that it says it gives."""
        given: Any = self.build
        if not isinstance(given, type):
            with suppress(NameError, TypeError):  # names that are not there, objects that have no hints
                given = get_type_hints(given).get("return", given)
        first = next(iter(get_args(given)), given)
        return getattr(first if isinstance(first, type) else self.build, "__name__", type(self.build).__name__)

    def operator(self, **changes: Any) -> Any:
        """The operator; ``changes`` replace arguments or add others, such as ``image_shape`` or ``cell``."""
        op = self.build(**{**self.arguments, **changes})
        if self.of_object:
            op.of_object = True
        return op

    def changed(self, said: str, **changes: Any) -> Self:
        """The measurement after a correction, ``said`` in a word or two, which ``provenance`` keeps in its order."""
        provenance = dict(changes.pop("provenance", self.provenance))
        provenance["corrections"] = (*provenance.get("corrections", ()), said)
        return replace(self, provenance=provenance, **changes)
