"""Our operators as those of other libraries: deepinv's physics, scipy's linear operators."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base import LinearOperator

__all__ = ["to_deepinv", "to_scipy"]


def to_deepinv(op: LinearOperator, noise_model: Any = None) -> Any:
    """A ``deepinv.physics.LinearPhysics`` whose ``A``, adjoint, normal, ``prox_l2`` and ``A_dagger`` are ours.

    Images and data keep their shapes and kinds: native complex where ours are (deepinv's own MRI has two real channels
    instead). A call adds the noise of ``noise_model``, as deepinv's do.

    Args:
        op: the operator; parameters and device stay its own.
        noise_model: deepinv's; ``None``: no noise.

    Raises:
        TypeError: no :class:`LinearOperator`. ImportError: deepinv is missing.
    """
    if not isinstance(op, LinearOperator):
        raise TypeError(f"op: expected a LinearOperator, got {type(op).__name__}; see operators.as_operator")
    try:
        from deepinv.physics import LinearPhysics
    except ImportError as error:
        raise ImportError("to_deepinv needs deepinv: pip install 'pnp-imaging[deepinv]'") from error

    class Physics(LinearPhysics):
        """Our operator in deepinv's clothes; keywords of its calls are for physics that change, ours do not."""

        def __init__(self) -> None:
            super().__init__(**({} if noise_model is None else {"noise_model": noise_model}))
            self.op = op
            self.img_size = tuple(op.in_shape)

        def A(self, x: Tensor, **_: Any) -> Tensor:
            return self.op.A(x)

        def A_adjoint(self, y: Tensor, **_: Any) -> Tensor:
            return self.op.A_adjoint(y)

        def A_vjp(self, x: Tensor, v: Tensor) -> Tensor:
            return self.op.A_adjoint(v)

        def A_adjoint_A(self, x: Tensor, **_: Any) -> Tensor:
            return self.op.A_adjoint_A(x)

        def A_A_adjoint(self, y: Tensor, **_: Any) -> Tensor:
            return self.op.A_A_adjoint(y)

        def prox_l2(self, z: Tensor | float | None, y: Tensor, gamma: float | Tensor, **_: Any) -> Tensor:
            if not isinstance(z, Tensor):  # deepinv allows a number, or none
                z = torch.full_like(self.op.A_adjoint(y), 0.0 if z is None else z)
            return self.op.prox_l2(z, y, gamma)

        def A_dagger(self, y: Tensor, **_: Any) -> Tensor:
            return self.op.A_dagger(y)

        def __reduce__(self) -> tuple:  # a class made here cannot be found by its name
            return to_deepinv, (self.op, noise_model)

    return Physics()


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
