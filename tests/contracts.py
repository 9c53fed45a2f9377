"""The laws that every operator obeys, as functions to call from the tests of an operator.

``operator_laws(op)`` runs them all on an operator with a small image (at most a few hundred unknowns). The truth is
dense algebra: the operator is written out as a real matrix and compared with numpy-style linear algebra on it.
"""

import copy
import pickle
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import gradcheck

__all__ = [
    "adjoint_law",
    "algebra_law",
    "batch_law",
    "copy_law",
    "dagger_law",
    "dense",
    "dtype_law",
    "gradient_law",
    "linear_law",
    "normal_law",
    "operator_laws",
    "prox_law",
    "random_data",
    "random_image",
    "relative",
    "scale_law",
    "vjp_law",
]

Operator = Any  # duck typed: whatever has the methods of operators.LinearOperator

_MAPS = {torch.float64: 1e-10, torch.float32: 1e-5}  # one application
_SOLVES = {torch.float64: 1e-7, torch.float32: 2e-4}  # a linear system


def _random(shape: Sequence[int], complex_data: bool, dtype: torch.dtype, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    kind = torch.complex128 if complex_data else torch.float64
    return torch.randn(*shape, dtype=kind, generator=g).to(dtype.to_complex() if complex_data else dtype)


def random_image(op: Operator, *, batch: int = 3, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    """Random images (batch, *in_shape) of the operator's kind."""
    return _random((batch, *op.in_shape), op.in_dtype.is_complex, dtype, seed)


def random_data(op: Operator, *, batch: int = 3, dtype: torch.dtype = torch.float64, seed: int = 2) -> Tensor:
    """Random data (batch, *out_shape) of the operator's kind."""
    return _random((batch, *op.out_shape), op.out_dtype.is_complex, dtype, seed)


def _real(a: Tensor) -> Tensor:
    """(B, ...) -> (B, n) real numbers, in which the real inner product is the plain one."""
    return (torch.view_as_real(a.resolve_conj()) if a.is_complex() else a).flatten(1)


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (_real(a) * _real(b)).sum(1)


def relative(a: Tensor, b: Tensor) -> float:
    """Largest distance of a sample of ``a`` from that of ``b``, relative to the latter's norm."""
    assert a.shape == b.shape, (a.shape, b.shape)
    a, b = _real(a.detach()).double(), _real(b.detach()).double()
    size = torch.linalg.vector_norm(b, dim=1)
    error = torch.linalg.vector_norm(a - b, dim=1)
    return float((error / torch.where(size > 0, size, torch.ones_like(size))).max())


def dense(op: Operator, batch: int = 1) -> Tensor:
    """The operator as real matrices (batch, M, N) in float64: column j is A of unit image j."""
    complex_data = op.in_dtype.is_complex
    unit = torch.eye(2 * torch.Size(op.in_shape).numel() if complex_data else torch.Size(op.in_shape).numel()).double()
    columns = []
    for row in unit:
        x = torch.view_as_complex(row.reshape(-1, 2)) if complex_data else row
        columns.append(_real(op.A(x.reshape(1, *op.in_shape).expand(batch, *op.in_shape))))
    return torch.stack(columns, -1).detach()


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


def linear_law(op: Operator, *, dtype: torch.dtype = torch.float64, batch: int = 3) -> None:
    """A(a x + b v) = a A(x) + b A(v), a and b complex where images and data are."""
    x, v = (random_image(op, batch=batch, dtype=dtype, seed=s) for s in (1, 5))
    a, b = (0.7 - 1.3j, 2j) if op.in_dtype.is_complex and op.out_dtype.is_complex else (0.7, -1.3)
    assert relative(op.A(a * x + b * v), a * op.A(x) + b * op.A(v)) < _MAPS[dtype]
    assert float(op.A(0 * x).detach().abs().max()) == 0


def adjoint_law(op: Operator, *, dtype: torch.dtype = torch.float64, batch: int = 3) -> None:
    """<A x, y> = <x, A* y> in the real inner product, for each sample; shapes and kinds as declared."""
    x, y = random_image(op, batch=batch, dtype=dtype), random_data(op, batch=batch, dtype=dtype)
    ax, aty = op.A(x), op.A_adjoint(y)
    assert ax.shape == y.shape and aty.shape == x.shape
    assert ax.dtype == y.dtype and aty.dtype == x.dtype
    size = torch.linalg.vector_norm(_real(ax), dim=1) * torch.linalg.vector_norm(_real(y), dim=1)
    gap = (_inner(ax, y) - _inner(x, aty)).abs() / torch.where(size > 0, size, torch.ones_like(size))
    assert float(gap.detach().max()) < _MAPS[dtype]


def normal_law(op: Operator, *, dtype: torch.dtype = torch.float64, batch: int = 3) -> None:
    """A_adjoint_A and A_A_adjoint are what their names say; deepinv's A_vjp is the adjoint."""
    x, y = random_image(op, batch=batch, dtype=dtype), random_data(op, batch=batch, dtype=dtype)
    assert relative(op.A_adjoint_A(x), op.A_adjoint(op.A(x))) < _MAPS[dtype]
    assert relative(op.A_A_adjoint(y), op.A(op.A_adjoint(y))) < _MAPS[dtype]
    assert relative(op.A_vjp(x, y), op.A_adjoint(y)) < _MAPS[dtype]
    assert relative(op(x), op.A(x)) == 0


def vjp_law(op: Operator, *, dtype: torch.dtype = torch.float64, batch: int = 3) -> None:
    """Autograd's derivative of A is A*, that of A* is A, and the second derivative of |Ax|^2 / 2 is A* A."""
    x, y = random_image(op, batch=batch, dtype=dtype), random_data(op, batch=batch, dtype=dtype)
    aty, ax, normal = op.A_adjoint(y), op.A(x), op.A_adjoint_A(y0 := random_image(op, batch=batch, dtype=dtype, seed=7))
    x, y = x.requires_grad_(), y.requires_grad_()
    assert relative(torch.autograd.grad(_inner(op.A(x), y.detach()).sum(), x)[0], aty) < _MAPS[dtype]
    assert relative(torch.autograd.grad(_inner(op.A_adjoint(y), x.detach()).sum(), y)[0], ax) < _MAPS[dtype]
    energy = 0.5 * _inner(op.A(x), op.A(x)).sum()
    (first,) = torch.autograd.grad(energy, x, create_graph=True)
    (second,) = torch.autograd.grad(_inner(first, y0).sum(), x)
    assert relative(second, normal) < _MAPS[dtype]


def prox_law(op: Operator, *, dtype: torch.dtype = torch.float64, batch: int = 3) -> None:
    """prox_l2 and solve_normal solve the dense system, also with one gamma a sample and gamma = 0."""
    z, y = random_image(op, batch=batch, dtype=dtype), random_data(op, batch=batch, dtype=dtype)
    matrix = dense(op, batch)
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype)
    strength = 1 / torch.linalg.matrix_norm(matrix, 2).max() ** 2
    for gamma in (0.0, float(3 * strength), (torch.arange(1, batch + 1) * strength).to(dtype)):
        g = torch.as_tensor(gamma, dtype=torch.float64).expand(batch).reshape(-1, 1, 1)
        system, zr = eye + g * matrix.mT @ matrix, _real(z).double()
        target = torch.linalg.solve(system, zr + g[..., 0] * _apply(matrix.mT, _real(y).double()))
        assert relative(_real(op.prox_l2(z, y, gamma)), target) < _SOLVES[dtype]
        assert relative(_real(op.solve_normal(z, gamma)), torch.linalg.solve(system, zr)) < _SOLVES[dtype]


def dagger_law(op: Operator, *, dtype: torch.dtype = torch.float64, batch: int = 3) -> None:
    """A_dagger solves the normal equations; where the spectrum has a gap it is the pseudo-inverse."""
    y = random_data(op, batch=batch, dtype=dtype)
    x, aty = op.A_dagger(y), op.A_adjoint(y)
    assert relative(op.A_adjoint_A(x), aty) < 10 * _SOLVES[dtype]
    matrix = dense(op, batch)
    values = torch.linalg.svdvals(matrix)
    low = values / values.amax(1, keepdim=True)
    if bool(((low < 1e-12) | (low > 0.05)).all()):  # else conjugate gradients cannot see the smallest values
        target = _apply(torch.linalg.pinv(matrix, rtol=1e-9), _real(y).double())
        assert relative(_real(x), target) < 10 * _SOLVES[dtype]
    assert abs(op.norm() - float(values.max())) < 1e-2 * float(values.max())


def batch_law(op: Operator, *, dtype: torch.dtype = torch.float64, singles: Sequence[Operator] | None = None) -> None:
    """A batch gives what its samples give alone, in any order; the same call twice gives the same bits."""
    own = list(singles or [op] * 3)
    n = len(own)
    x, y = random_image(op, batch=n, dtype=dtype), random_data(op, batch=n, dtype=dtype)
    x = x * torch.tensor([10.0**i for i in range(n)], dtype=dtype).reshape(-1, *[1] * (x.ndim - 1))
    for name, value in (("A", x), ("A_adjoint", y), ("A_adjoint_A", x)):
        whole = getattr(op, name)(value)
        alone = torch.cat([getattr(one, name)(value[i : i + 1]) for i, one in enumerate(own)])
        assert relative(whole, alone) < 10 * _MAPS[dtype], name
        assert torch.equal(whole, getattr(op, name)(value)), name
        if singles is None:
            assert relative(getattr(op, name)(value.flip(0)).flip(0), whole) < 10 * _MAPS[dtype], name
    # seen through A, since rounding grows without bound along small singular values
    alone = torch.cat([one.A(one.A_dagger(y[i : i + 1])) for i, one in enumerate(own)])
    assert relative(op.A(op.A_dagger(y)), alone) < 100 * _MAPS[dtype]
    gamma = torch.arange(1, n + 1).to(dtype)
    alone = torch.cat([one.prox_l2(x[i : i + 1], y[i : i + 1], gamma[i : i + 1]) for i, one in enumerate(own)])
    assert relative(op.prox_l2(x, y, gamma), alone) < 10 * _MAPS[dtype]


def dtype_law(op: Operator, *, batch: int = 3) -> None:
    """The precision of the answer is that of the argument, and single precision agrees with double."""
    for name, make in (("A", random_image), ("A_adjoint", random_data), ("A_adjoint_A", random_image)):
        exact = getattr(op, name)(make(op, batch=batch))
        single = getattr(op, name)(make(op, batch=batch, dtype=torch.float32))
        assert exact.real.dtype == torch.float64 and single.real.dtype == torch.float32, name
        assert relative(single, exact) < _MAPS[torch.float32], name
    z, y = (make(op, batch=batch, dtype=torch.float32) for make in (random_image, random_data))
    assert op.prox_l2(z, y, 0.5).dtype == z.dtype and op.A_dagger(y).dtype == z.dtype


def scale_law(op: Operator, *, dtype: torch.dtype = torch.float64, batch: int = 3) -> None:
    """prox_l2(c z, c y) = c prox_l2(z, y) and A_dagger(c y) = c A_dagger(y) for c from 1e-8 to 1e8; 0 gives 0."""
    z, y = random_image(op, batch=batch, dtype=dtype), random_data(op, batch=batch, dtype=dtype)
    prox, dagger = op.prox_l2(z, y, 2.0), op.A_dagger(y)
    for c in (1e-8, 1e-3, 1e3, 1e8):
        assert relative(op.prox_l2(c * z, c * y, 2.0) / c, prox) < _SOLVES[dtype]
        assert relative(op.A_dagger(c * y) / c, dagger) < 100 * _SOLVES[dtype]
    y[0], z[0] = 0, 0
    assert float(op.prox_l2(z, y, 2.0)[0].detach().abs().max()) == 0
    if batch > 1:  # the others are what they were beside a sample that is not zero
        assert relative(op.prox_l2(z, y, 2.0)[1:], prox[1:]) < _SOLVES[dtype]


def gradient_law(op: Operator, *, batch: int = 2) -> None:
    """Derivatives of prox_l2 with respect to z, y and gamma agree with finite differences (float64)."""
    z, y = random_image(op, batch=batch).requires_grad_(), random_data(op, batch=batch).requires_grad_()
    gamma = (0.3 + torch.arange(batch).double()).requires_grad_()
    assert gradcheck(lambda *v: op.prox_l2(*v, rtol=1e-13), (z, y, gamma), fast_mode=True, eps=1e-5, atol=1e-4)


def copy_law(op: Operator, *, batch: int = 3) -> None:
    """A deep copy, a pickled copy and the training flag change nothing."""
    x = random_image(op, batch=batch)
    before = op.A(x)
    twins = [copy.deepcopy(op), pickle.loads(pickle.dumps(op)), copy.deepcopy(op).train(), copy.deepcopy(op).eval()]
    for twin in twins:
        assert torch.equal(twin.A(x), before)
        assert twin.in_shape == op.in_shape and twin.out_shape == op.out_shape
    assert all(not b.is_complex() for b in op.state_dict().values())


def algebra_law(op: Operator, *, dtype: torch.dtype = torch.float64, batch: int = 3) -> None:
    """Multiples, sums, adjoint and products act as their matrices do."""
    x, y = random_image(op, batch=batch, dtype=dtype), random_data(op, batch=batch, dtype=dtype)
    assert op.H.H is op or op.H.H.H is op.H  # the latter where op is itself an adjoint
    assert relative(op.H.A(y), op.A_adjoint(y)) == 0
    assert relative((2.5 * op - op).A(x), 1.5 * op.A(x)) < _MAPS[dtype]
    assert relative((op.H @ op).A(x), op.A_adjoint_A(x)) < _MAPS[dtype]
    adjoint_law(-2.0 * op, dtype=dtype, batch=batch)


def operator_laws(
    op: Operator, *, dtype: torch.dtype = torch.float64, singles: Sequence[Operator] | None = None
) -> None:
    """Assert every law; ``singles``: for constants with a batch axis, the operator of each sample alone."""
    n = len(singles or [op] * 3)
    for law in (linear_law, adjoint_law, normal_law, vjp_law, prox_law, dagger_law, scale_law, algebra_law):
        law(op, dtype=dtype, batch=n)
    batch_law(op, dtype=dtype, singles=singles)
    dtype_law(op, batch=n)
    copy_law(op, batch=n)
    if dtype == torch.float64:
        gradient_law(op, batch=n)
