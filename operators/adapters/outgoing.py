"""Our operators as those of other libraries: deepinv's physics, scipy's linear operators."""

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base import LinearOperator

__all__ = ["to_deepinv", "to_scipy"]


def to_deepinv(op: LinearOperator, noise_model: Any = None) -> Any:
    """A ``deepinv.physics.LinearPhysics`` whose ``A``, adjoint, normal, ``prox_l2`` and ``A_dagger`` are ours.

    Images and data keep their shapes and kinds: native complex where ours are (deepinv's own MRI has two real channels
    instead). A call adds the noise of ``noise_model``, as deepinv's do, where something is measured (``op.measured``).
    Clones and pickled copies keep the noise model, parameters and mode.

    Keywords of calls go to the noise model (``physics(x, sigma=0.1)``). Others are an error, since operators do not
    change: ``mask=`` takes a new operator. Options of deepinv's inner solvers are taken, and have no effect.

    Args:
        op: the operator; parameters and device stay its own.
        noise_model: deepinv's; ``None``: no noise.

    Raises:
        TypeError: no :class:`LinearOperator`. ImportError: deepinv is missing.
    """
    if not isinstance(op, LinearOperator):
        raise TypeError(f"op: expected a LinearOperator, got {type(op).__name__}; see operators.as_operator")
    return _physics()(op, noise_model)


@functools.cache
def _physics() -> Any:
    """The class, made when deepinv is first wanted."""
    try:
        from deepinv.physics import LinearPhysics
    except ImportError as error:
        raise ImportError("to_deepinv needs deepinv: pip install 'pnp-imaging[deepinv]'") from error

    return type("Physics", (_Ours, LinearPhysics), {})


class _Ours:
    """Our operator in deepinv's clothes: what a LinearPhysics has of us."""

    op: LinearOperator
    noise_model: Any
    noise: Any
    sensor: Any
    _modules: dict[str, Any]

    def __init__(self, op: LinearOperator, noise_model: Any) -> None:
        options: Any = {} if noise_model is None else {"noise_model": noise_model}
        super().__init__(**options)
        self.op = op
        self.img_size = tuple(op.in_shape)

    def forward(self, x: Tensor, **of_noise: Any) -> Tensor:
        clean = self.A(x, **of_noise)
        noisy = self.sensor(self.noise(clean, **of_noise))
        measured = self.op.measured
        return noisy if measured is None else torch.where(measured, noisy, clean)

    def update_parameters(self, **of_noise: Any) -> None:
        self._refuse(of_noise)

    def A(self, x: Tensor, **of_noise: Any) -> Tensor:
        self._refuse(of_noise)
        return self.op.A(x)

    def A_adjoint(self, y: Tensor, **of_noise: Any) -> Tensor:
        self._refuse(of_noise)
        return self.op.A_adjoint(y)

    def A_vjp(self, x: Tensor, v: Tensor) -> Tensor:
        return self.op.A_adjoint(v)

    def A_adjoint_A(self, x: Tensor, **of_noise: Any) -> Tensor:
        self._refuse(of_noise)
        return self.op.A_adjoint_A(x)

    def A_A_adjoint(self, y: Tensor, **of_noise: Any) -> Tensor:
        self._refuse(of_noise)
        return self.op.A_A_adjoint(y)

    def prox_l2(self, z: Tensor | float | None, y: Tensor, gamma: float | Tensor, **options: Any) -> Tensor:
        self._refuse(options, _OF_SOLVERS)
        if not isinstance(z, Tensor):  # deepinv allows a number, or none
            z = torch.full_like(self.op.A_adjoint(y), 0.0 if z is None else z)
        return self.op.prox_l2(z, y, gamma)

    def A_dagger(self, y: Tensor, **options: Any) -> Tensor:
        self._refuse(options, _OF_SOLVERS)
        return self.op.A_dagger(y)

    def _refuse(self, keywords: dict[str, Any], known: frozenset[str] = frozenset()) -> None:
        wrong = [k for k in keywords if k not in known and not hasattr(self.noise_model, k)]
        if wrong:
            raise TypeError(f"{wrong[0]}: this physics does not change; make a new operator, to_deepinv(op)")

    def __reduce__(self) -> tuple:  # a class made here cannot be found by its name
        own = {k: v for k, v in self.__dict__.items() if not _is_default(v)}
        own["_modules"] = {k: v for k, v in self._modules.items() if k != "noise_model"}
        noise = self.noise_model
        return _again, (self.op, type(noise), {k: v for k, v in noise.__dict__.items() if not _is_default(v)}), own

    def __setstate__(self, state: dict[str, Any]) -> None:
        noise = self.noise_model
        super().__setstate__(state)  # pyright: ignore[reportAttributeAccessIssue]
        self.noise_model = noise


_OF_SOLVERS = frozenset(("solver", "max_iter", "tol", "verbose"))


def _again(op: LinearOperator, kind: type, of_noise: dict[str, Any]) -> Any:
    """A physics with a noise model of that kind and state."""
    from deepinv.physics.noise import NoiseModel

    noise: Any = object.__new__(kind)
    NoiseModel.__init__(noise)
    noise.__dict__.update(of_noise)
    return to_deepinv(op, noise)


def _is_default(value: Any) -> bool:
    """Whether it is a function that deepinv takes where none is given, which cannot be pickled."""
    return getattr(value, "__name__", "") == "<lambda>" and value.__module__.startswith("deepinv")


def to_scipy(op: LinearOperator) -> Any:
    """A ``scipy.sparse.linalg.LinearOperator`` on flattened images and data, in double precision.

    From complex images to complex data it is complex. Where only one side is complex, its numbers come as pairs of
    real and imaginary part, so that scipy's adjoint is ours, that of the real inner product.

    >>> from operators import Identity
    >>> to_scipy(Identity((2, 3))).matvec(np.arange(6.0)).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    from scipy.sparse import linalg

    if not isinstance(op, LinearOperator):
        raise TypeError(f"op: expected a LinearOperator, got {type(op).__name__}; see operators.as_operator")
    native = op.in_dtype.is_complex and op.out_dtype.is_complex
    device = next((t.device for t in (*op.buffers(), *op.parameters())), torch.device("cpu"))

    def run(apply: Any, v: np.ndarray, shape: tuple[int, ...], is_complex: bool) -> np.ndarray:
        if np.iscomplexobj(v) and not native:  # the operator is real-linear, on each part
            return run(apply, np.real(v), shape, is_complex) + 1j * run(apply, np.imag(v), shape, is_complex)
        columns = torch.from_numpy(np.ascontiguousarray(v.T, dtype=np.complex128 if native else np.float64))
        if is_complex and not native:
            columns = torch.view_as_complex(columns.reshape(len(columns), -1, 2))
        with torch.no_grad():
            out = apply(columns.reshape(-1, *shape).to(device)).cpu().flatten(1)
        out = torch.view_as_real(out.resolve_conj()).flatten(1) if out.is_complex() and not native else out
        return out.numpy().T

    def forward(v: np.ndarray) -> np.ndarray:
        return run(op.A, v, tuple(op.in_shape), op.in_dtype.is_complex)

    def back(v: np.ndarray) -> np.ndarray:
        return run(op.A_adjoint, v, tuple(op.out_shape), op.out_dtype.is_complex)

    shapes = ((op.out_shape, op.out_dtype), (op.in_shape, op.in_dtype))
    make: Any = linalg.LinearOperator
    return make(
        tuple(int(np.prod(shape)) * (2 if kind.is_complex and not native else 1) for shape, kind in shapes),
        matvec=lambda v: forward(v.reshape(-1, 1)).ravel(),
        rmatvec=lambda v: back(v.reshape(-1, 1)).ravel(),
        matmat=forward,
        rmatmat=back,
        dtype=np.complex128 if native else np.float64,
    )
