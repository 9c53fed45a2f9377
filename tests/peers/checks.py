"""The checks, each a function of an operator and of what makes it; the truth is the operator's matrix.

What deepinv checks of its physics and mrpro of its operators, in double precision: adjoint, linearity, norm, pseudo-
inverse, tight frames, and derivatives in every way that torch has.
"""

import copy
import io
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import grad, jacfwd, jacrev, jvp, vjp, vmap

from operators import LinearOperator

from ..contracts import _real as real
from ..contracts import dense, random_data, random_image, relative

__all__ = ["CHECKS", "compiles"]

_EXACT, _SOLVED = 1e-9, 1e-6
_GAMMA = 0.7
CHECKS: dict[str, Callable[[LinearOperator, Callable[[], LinearOperator]], None]] = {}


def check(function: Callable) -> Callable:
    """Enter a check into the table under its name."""
    CHECKS[function.__name__.removeprefix("_").replace("_", " ")] = function
    return function


def energy(y: Tensor) -> Tensor:
    return (torch.view_as_real(y) if y.is_complex() else y).square().sum()


def pair(op: LinearOperator, batch: int = 2) -> tuple[Tensor, Tensor]:
    return random_image(op, batch=batch), random_data(op, batch=batch)


@cache
def matrix(make: Callable[[], LinearOperator]) -> Tensor:
    return dense(make())[0]


def solved(make: Callable, b: Tensor, gamma: float = _GAMMA) -> Tensor:
    """(I + gamma A* A)^-1 b by the matrix, as real numbers."""
    m = matrix(make)
    return torch.linalg.solve(torch.eye(m.shape[1]).double() + gamma * m.T @ m, real(b).T).T


def close(a: Tensor, b: Tensor, bound: float = _EXACT) -> None:
    error = relative(a, b)
    assert error < bound, f"off by {error:.1e}"


# ---- algebra


@check
def _adjoint(op, make):
    x, y = pair(op)
    close(real(op.A(x)), real(x) @ matrix(make).T)
    close(real(op.A_adjoint(y)), real(y) @ matrix(make))
    close(real(op.A_vjp(x, y)), real(y) @ matrix(make))
    assert op.H.H is op


@check
def _linear(op, make):
    x, v = random_image(op), random_image(op, seed=3)
    a, b = torch.tensor([0.3, -1.7, 2.0]).double().reshape(-1, *[1] * (x.ndim - 1)), -0.4
    y = op.A(x)
    close(op.A(a * x + b * v), a.reshape(-1, *[1] * (y.ndim - 1)) * y + b * op.A(v))


@check
def _norm(op, make):
    assert op.norm() == pytest.approx(float(torch.linalg.matrix_norm(matrix(make), 2)), rel=1e-3)
    x = random_image(op)
    assert bool((real(op.A(x)).norm(dim=1) <= op.norm() * (1 + 1e-3) * real(x).norm(dim=1)).all())


@check
def _pseudo_inverse(op, make):
    x = random_image(op)
    y = op.A(x)
    again = op.A_dagger(y)
    close(op.A(again), y, _SOLVED)
    close(op.A_dagger(op.A(again)), again, 1e-4)  # small singular values are beyond conjugate gradients
    close(real(op.A_dagger(y, max_iter=500)), real(again), 1e-4)


@check
def _prox(op, make):
    x, y = pair(op)
    close(real(op.prox_l2(x, y, _GAMMA)), solved(make, x + _GAMMA * op.A_adjoint(y)), _SOLVED)


@check
def _tight_frame(op, make):
    m = matrix(make)
    values = torch.linalg.svdvals(m)
    values = values[values > 1e-9 * values[0]]
    if float(values[-1]) < (1 - 1e-6) * float(values[0]):
        pytest.skip("is none")
    y = op.A(random_image(op))
    close(op.A_A_adjoint(y), float(values[0]) ** 2 * y, 1e-6)
    close(op.A_dagger(y), op.A_adjoint(y) / float(values[0]) ** 2, 1e-6)


# ---- derivatives


@check
def _backward(op, make):
    x, y = (v.requires_grad_() for v in pair(op))
    loss = energy(op.A_dagger(y)) + energy(op.prox_l2(x, y, _GAMMA)) + energy(op.A_adjoint_A(x))
    of_x, of_y = torch.autograd.grad(loss, (x, y))
    m = matrix(make)
    normal, prox = m.T @ m, solved(make, x.detach() + _GAMMA * op.A_adjoint(y.detach()))
    inverse = torch.linalg.inv(torch.eye(len(normal)).double() + _GAMMA * normal)
    close(real(of_x), 2 * prox @ inverse + 2 * real(x.detach()) @ normal @ normal, _SOLVED)
    dagger = torch.func.vjp(op.A_dagger, y.detach())[1](2 * op.A_dagger(y.detach()))[0]
    close(real(of_y - dagger), 2 * _GAMMA * prox @ inverse @ m.T, 1e-5)


@check
def _func_grad(op, make):
    x, y = pair(op)
    m = matrix(make)
    close(real(grad(lambda v: energy(op.A(v)))(x)), 2 * real(x) @ m.T @ m)
    close(real(grad(lambda v: energy(op.A_adjoint(v)))(y)), 2 * real(y) @ m @ m.T)
    close(real(grad(lambda v: energy(op.A_adjoint_A(v)))(x)), 2 * real(x) @ m.T @ m @ m.T @ m)


@check
def _func_vjp(op, make):
    x, y = pair(op)
    m, u = matrix(make), random_image(op, batch=2, seed=7)
    close(real(vjp(op.A, x)[1](y)[0]), real(y) @ m)
    close(real(vjp(op.A_adjoint, y)[1](x)[0]), real(x) @ m.T)
    close(real(vjp(lambda v: op.prox_l2(v, y, _GAMMA), x)[1](u)[0]), solved(make, u), _SOLVED)
    close(real(vjp(lambda v: op.prox_l2(x, v, _GAMMA), y)[1](u)[0]), _GAMMA * solved(make, u) @ m.T, _SOLVED)


@check
def _func_jvp(op, make):
    (x, y), (u, v) = pair(op), (random_image(op, batch=2, seed=7), random_data(op, batch=2, seed=8))
    m = matrix(make)
    close(real(jvp(op.A, (x,), (u,))[1]), real(u) @ m.T)
    close(real(jvp(op.A_adjoint, (y,), (v,))[1]), real(v) @ m)
    close(real(jvp(op.A_adjoint_A, (x,), (u,))[1]), real(u) @ m.T @ m)
    gamma = torch.full((2,), _GAMMA).double()
    out, slope = jvp(lambda *a: op.prox_l2(*a), (x, y, gamma), (u, v, torch.ones_like(gamma)))
    close(real(out), solved(make, x + _GAMMA * op.A_adjoint(y)), _SOLVED)
    change = u + _GAMMA * op.A_adjoint(v) + op.A_adjoint(y) - op.A_adjoint_A(out)
    close(real(slope), solved(make, change), _SOLVED)
    close(jvp(op.A_dagger, (y,), (v,))[1], op.A_dagger(v), _SOLVED)


@check
def _func_vmap(op, make):
    x, y = random_image(op, batch=6), random_data(op, batch=6)
    several, data = x.unflatten(0, (3, 2)), y.unflatten(0, (3, 2))
    for function, value in ((op.A, x), (op.A_adjoint, y), (op.A_adjoint_A, x)):
        close(vmap(function)(value.unflatten(0, (3, 2))).flatten(0, 1), function(value))
    # a hidden batch ends when all of its samples do, so residuals below the tolerance differ
    close(vmap(op.A_dagger)(data).flatten(0, 1), torch.cat([op.A_dagger(v) for v in data]), 1e-5)
    gammas = torch.tensor([0.1, 1.0, 5.0]).double()
    alone = torch.cat([op.prox_l2(*v) for v in zip(several, data, gammas)])
    close(vmap(op.prox_l2)(several, data, gammas).flatten(0, 1), alone, _SOLVED)
    close(vmap(lambda g: op.prox_l2(several[0], data[0], g))(gammas)[2], op.prox_l2(several[0], data[0], 5.0), _SOLVED)


@check
def _transforms_of_transforms(op, make):
    x, y = random_image(op, batch=3), random_data(op, batch=3)
    close(vmap(grad(lambda v: energy(op.A(v[None]))))(x), 2 * op.A_adjoint_A(x))
    proximal = vmap(grad(lambda v, d: energy(op.prox_l2(v[None], d[None], _GAMMA))))(x, y)
    close(real(proximal), 2 * solved(make, op.prox_l2(x, y, _GAMMA)), _SOLVED)
    total = grad(lambda v: energy(vmap(lambda one: op.A(one[None]))(v)))(x)
    close(total, 2 * op.A_adjoint_A(x))
    if not (op.in_dtype.is_complex or op.out_dtype.is_complex):
        for jacobian in (jacrev, jacfwd):
            rows = jacobian(op.A)(x[:1]).reshape(matrix(make).shape)
            close(rows, matrix(make))


@check
def _forward_mode(op, make):
    (x, y), (u, v) = pair(op), (random_image(op, batch=2, seed=7), random_data(op, batch=2, seed=8))
    for mode in (torch.enable_grad, torch.no_grad):
        with mode(), forward_ad.dual_level():
            a, b = forward_ad.make_dual(x, u), forward_ad.make_dual(y, v)
            slopes: list[Any] = [
                forward_ad.unpack_dual(t).tangent for t in (op.A(a), op.A_adjoint(b), op.prox_l2(a, b, _GAMMA))
            ]
        close(slopes[0], op.A(u))
        close(slopes[1], op.A_adjoint(v))
        close(real(slopes[2]), solved(make, u + _GAMMA * op.A_adjoint(v)), _SOLVED)


# ---- modes and copies


@check
def _inference_mode(op, make):
    x, y = pair(op)
    with torch.inference_mode():
        made = make()
        made.to(torch.float64)
        for fresh in (made, copy.deepcopy(op), pickle.loads(pickle.dumps(op))):
            one, two = pair(fresh, 1)
            fresh.A_adjoint_A(one), fresh.prox_l2(one, two, _GAMMA), fresh.A_dagger(two)
            made = fresh
            _still_differentiable(made, op, x, y)


@torch.inference_mode(False)
def _still_differentiable(made: LinearOperator, op: LinearOperator, x: Tensor, y: Tensor) -> None:
    with torch.enable_grad():
        x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
        loss = energy(made.A_adjoint_A(x)) + energy(made.A(x)) + energy(made.prox_l2(x, y, _GAMMA))
        theirs = energy(op.A_adjoint_A(x)) + energy(op.A(x)) + energy(op.prox_l2(x, y, _GAMMA))
        for a, b in zip(torch.autograd.grad(loss, (x, y)), torch.autograd.grad(theirs, (x, y)), strict=True):
            close(a, b, 1e-10)


@check
def _autocast(op, make):
    x, y = (v.to(torch.complex64 if v.is_complex() else torch.float32) for v in pair(op))
    calls = [
        lambda: op(x),
        lambda: op.A_adjoint(y),
        lambda: op.prox_l2(x, y, _GAMMA),
        lambda: op.A_dagger(y, max_iter=5),
    ]
    for call in calls:
        plain = call()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = call()
        assert inside.dtype == plain.dtype
        close(inside, plain, 1e-6)


@check
def _half_precision_is_refused(op, make):
    x, y = pair(op)
    for half in (torch.float16, torch.bfloat16):
        low, data = (v.to(torch.complex32 if v.is_complex() else half) for v in (x, y))
        calls = {
            "op": ("x", lambda v=low: op(v)),
            "A": ("x", lambda v=low: op.A(v)),
            "A_adjoint": ("y", lambda v=data: op.A_adjoint(v)),
            "A_dagger": ("y", lambda v=data: op.A_dagger(v)),
            "prox, z": ("z", lambda v=low: op.prox_l2(v, y, 1.0)),
            "prox, y": ("y", lambda v=data: op.prox_l2(x, v, 1.0)),
        }
        for name, call in calls.values():
            with pytest.raises(TypeError, match=f"^{name}.*: expected .*single or double precision, got torch"):
                call()


@check
def _copies(op, make):
    x, y = pair(op)
    kept = io.BytesIO()
    if op.state_dict():
        torch.save(op.state_dict(), kept)
    for other in (copy.copy(op), copy.deepcopy(op), pickle.loads(pickle.dumps(op)), copy.deepcopy(op).eval()):
        assert torch.equal(other.A(x), op.A(x)) and torch.equal(other.A_adjoint(y), op.A_adjoint(y))
        assert other.field == op.field and other.in_dtype == op.in_dtype and other.out_dtype == op.out_dtype


def compiles(op: LinearOperator, backend: str) -> None:
    """Values and gradients of compiled methods are those of the methods; no check of the table, since it is slow."""
    x, y = (v.requires_grad_() for v in pair(op))
    calls: list[tuple[Any, tuple[Tensor, ...]]] = [(op.A, (x,)), (op.A_adjoint, (y,))]
    calls += [(lambda z, v: op.prox_l2(z, v, _GAMMA), (x, y))]
    for call, arguments in calls:
        torch._dynamo.reset()
        quick = torch.compile(call, backend=backend)
        close(quick(*arguments).detach(), call(*arguments).detach())
        slopes = (torch.autograd.grad(energy(f(*arguments)), arguments) for f in (quick, call))
        for a, b in zip(*slopes, strict=True):
            close(a, b, _SOLVED)
