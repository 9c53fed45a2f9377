"""The operator doctor: ``check(op)`` tests any object with a method ``A`` and says what is wrong with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..base import LinearOperator
from ..linalg import column, power_norm
from ..linalg import dot as _dot
from .findings import ADVICE, ERRORS, Finding, Report, first_causes

__all__ = ["check"]


@dataclass(frozen=True)
class _Patient:
    """The object and the random images and data that it is tested on."""

    op: Any
    in_shape: tuple[int, ...]
    complex_images: bool
    dtype: torch.dtype
    seed: int
    held: int = 1  # samples that the operator's constants hold

    @property
    def batch(self) -> int:
        """Samples that it is tested on."""
        return 3 if self.held == 1 else self.held

    def image(self, n: int, dtype: torch.dtype | None = None) -> Tensor:
        return self._random((self.batch, *self.in_shape), self.complex_images, n, dtype or self.dtype)

    def data(self, n: int, dtype: torch.dtype | None = None) -> Tensor:
        like = self.op.A(self.image(0, dtype))
        return self._random(tuple(like.shape), like.is_complex(), n, dtype or self.dtype)

    def _random(self, shape: tuple[int, ...], complex_values: bool, n: int, dtype: torch.dtype) -> Tensor:
        g = torch.Generator().manual_seed(1000 * self.seed + n)
        kind = torch.complex128 if complex_values else torch.float64
        values = torch.randn(*shape, generator=g, dtype=kind, device="cpu")
        return values.to(_device(self.op), dtype.to_complex() if complex_values else dtype)

    def finding(self, name: str, value: float, *, solve: float | None = None) -> Finding:
        double = self.dtype == torch.float64
        tolerance = solve or (1e-9 if double else 1e-4)
        passed = value <= tolerance  # False for NaN
        hint = "; an error of this size points at single precision inside" if double and 1e-9 < value < 1e-6 else ""
        return Finding(name, passed, value, tolerance, "" if passed else ADVICE[name] + hint)

    def has(self, *methods: str) -> bool:
        return all(callable(getattr(self.op, method, None)) for method in methods)


def _device(op: Any) -> torch.device:
    for source in ("buffers", "parameters"):
        for tensor in getattr(op, source, tuple)():
            return tensor.device
    return torch.device("cpu")


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products in double precision, whose range holds the squares of single precision's."""
    return _dot(a.to(_double(a)), b.to(_double(b)))


def _double(a: Tensor) -> torch.dtype:
    return torch.complex128 if a.is_complex() else torch.float64


def _error(a: Tensor, b: Tensor) -> float:
    """Largest distance of a sample from its reference, relative to the reference; infinite for another shape."""
    if a.shape != b.shape:
        return float("inf")
    a, b = a.detach(), b.detach()
    size, error = dot(b, b).sqrt(), dot(a - b, a - b).sqrt()
    return float((error / torch.where(size > 0, size, torch.ones_like(size))).max())


def _skip(name: str, what: str) -> Finding:
    return Finding(name, None, 0.0, 0.0, f"no {what}: not tested")


def _verdict(name: str, passed: bool, detail: str) -> Finding:
    return Finding(name, passed, 0.0 if passed else 1.0, 0.0, "" if passed else f"{detail}: {ADVICE[name]}")


def _outside(p: _Patient) -> Iterator[Finding]:
    """Shapes, finiteness, precision and device of what comes back."""
    x = p.image(1)
    results = {"A": p.op.A(x)}
    if not torch.equal(x, p.image(1)):
        yield _verdict("argument kept", False, "A")
        return
    declared = getattr(p.op, "out_shape", None) or tuple(results["A"].shape[1:])
    expected = {"A": (p.batch, *declared), "A_adjoint": tuple(x.shape)}
    kinds = {"A": results["A"].is_complex(), "A_adjoint": p.complex_images}
    if p.has("A_adjoint"):
        y = p.data(1)
        results["A_adjoint"] = p.op.A_adjoint(y)
        yield _verdict("argument kept", torch.equal(y, p.data(1)), "A_adjoint")
    wrong = [f"{k} gave {tuple(v.shape)}, not {expected[k]}" for k, v in results.items() if v.shape != expected[k]]
    yield _verdict("shape", not wrong, "; ".join(wrong))
    moved = [f"{k} gave {v.device} for {x.device}" for k, v in results.items() if v.device != x.device]
    yield _verdict("device", not moved, "; ".join(moved))
    yield _verdict("finite", all(bool(torch.isfinite(v).all()) for v in results.values()), "not finite")
    lost = []
    for real in (torch.float64, torch.float32):
        for name in results:
            try:
                y = getattr(p.op, name)(p.image(1, real) if name == "A" else p.data(1, real))
            except (RuntimeError, TypeError, ValueError) as error:
                lost.append(f"{name} of {real} raised {type(error).__name__}")
                continue
            kind = real.to_complex() if kinds[name] else real
            lost += [f"{name} of {real} gave {y.dtype}, not {kind}"] if y.dtype != kind else []
    yield _verdict("dtype", not lost, "; ".join(lost))


def _behaviour(p: _Patient) -> Iterator[Finding]:
    """Linearity, memory between calls, independence of the samples of a batch."""
    x, v = p.image(1), p.image(2)
    ax, av = p.op.A(x), p.op.A(v)
    gaps = [_error(p.op.A(0.7 * x - 1.3 * v), 0.7 * ax - 1.3 * av), _error(p.op.A(1e3 * x), 1e3 * ax)]
    zero = dot(p.op.A(0 * x), p.op.A(0 * x)).sqrt() / dot(ax, ax).sqrt().clamp_min(torch.finfo(p.dtype).tiny)
    yield p.finding("linear", max(*gaps, float(zero.detach().max())))

    names = {"A": (x, v), "A_adjoint": (p.data(1), p.data(2))} if p.has("A_adjoint") else {"A": (x, v)}
    first = {name: getattr(p.op, name)(pair[0]) for name, pair in names.items()}
    for name, pair in names.items():  # something else in between, then again
        getattr(p.op, name)(pair[1])
    # the adjoint first: it now follows A of another image than before
    again = [_error(getattr(p.op, name)(names[name][0]), first[name]) for name in reversed(names)]
    yield p.finding("hidden state", max(*again, _error(p.op.A(x), ax)))

    gaps = []
    for name, (value, _) in names.items():
        call: Callable[[Tensor], Tensor] = getattr(p.op, name)
        if p.held > 1:  # each sample has constants of its own: it must not feel what another one holds
            others = torch.cat((value[:1], names[name][1][1:]))
            gaps.append(_error(call(others)[:1], first[name][:1]))
            continue
        gaps.append(_error(call(value.flip(0)).flip(0), first[name]))
        gaps.append(_error(torch.cat([call(value[i : i + 1]) for i in range(p.batch)]), first[name]))
    yield p.finding("batch", max(gaps))


def _adjoint(p: _Patient) -> Iterator[Finding]:
    """Inner products and the normal operator."""
    if not p.has("A_adjoint"):
        yield from (_skip("adjoint", "A_adjoint"), _skip("normal", "A_adjoint"))
        return
    x, y = p.image(3), p.data(4)
    ax, aty = p.op.A(x).detach(), p.op.A_adjoint(y).detach()
    left, right = dot(ax, y), dot(x, aty)
    size = (dot(ax, ax) * dot(y, y)).sqrt()
    found = p.finding("adjoint", float(((left - right).abs() / torch.where(size > 0, size, 1.0)).max()))
    ratio = left / right
    if not found.passed:
        factor = float(ratio[0])
        derived = getattr(type(p.op), "A_adjoint", None) is LinearOperator.A_adjoint
        if derived:
            advice = "; it is derived from A, which must cut the graph for a part of x (detach, no_grad, .data)"
        elif abs(factor - 1) > 1e-3 and float((ratio - factor).abs().max()) < 1e-4 * abs(factor):
            advice = f"; multiply A_adjoint by {factor:.6g}"
        elif not isinstance(p.op, LinearOperator):
            advice = ""
        else:
            advice = "; without A_adjoint it would be derived from A"
        found = found._replace(message=found.message + advice)
    yield found
    gaps = [_error(p.op.A_adjoint_A(x), p.op.A_adjoint(ax))] if p.has("A_adjoint_A") else []
    gaps += [_error(p.op.A_A_adjoint(y), p.op.A(aty))] if p.has("A_A_adjoint") else []
    yield p.finding("normal", max(gaps)) if gaps else _skip("normal", "A_adjoint_A")


def _derivatives(p: _Patient) -> Iterator[Finding]:
    """Autograd against the adjoint, once and twice."""
    if not p.has("A_adjoint"):
        yield from (_skip("vjp", "A_adjoint"), _skip("gradgrad", "A_adjoint"))
        return
    x, v, y = p.image(5), p.image(6), p.data(7)
    expected, av = p.op.A_adjoint(y), p.op.A(v).detach()
    x.requires_grad_()
    y.requires_grad_()
    with torch.enable_grad():
        ax, aty = p.op.A(x), p.op.A_adjoint(y)
        if not ax.requires_grad:
            yield _verdict("vjp", False, "A cuts the graph (detach, numpy, no_grad)")
            yield _verdict("gradgrad", False, "A cuts the graph")
            return
        gaps = [_error(torch.autograd.grad(dot(ax, y.detach()).sum(), x, retain_graph=True)[0], expected)]
        gaps += [_error(p.op.A_vjp(x.detach(), y.detach()), expected)] if p.has("A_vjp") else []
        yield p.finding("vjp", max(gaps))
        if not aty.requires_grad:
            yield _verdict("gradgrad", False, "A_adjoint cuts the graph")
            return
        # against autograd's own adjoint, so that a wrong A_adjoint is not reported a third time
        (normal,) = torch.autograd.grad(dot(ax, av).sum(), x, retain_graph=True)
        (slope,) = torch.autograd.grad(0.5 * dot(ax, ax).sum(), x, create_graph=True)
        second = torch.autograd.grad(dot(slope, v).sum(), x)[0] if slope.requires_grad else torch.zeros_like(v)
        yield p.finding("gradgrad", _error(second, normal))


def _solves(p: _Patient) -> Iterator[Finding]:
    """Norm, the proximal map and its units."""
    if not p.has("A_adjoint"):
        yield from (_skip("norm", "A_adjoint"), _skip("prox_l2", "A_adjoint"), _skip("units", "A_adjoint"))
        return
    start = p.image(8)[: p.held]
    size = float((dot(p.op.A(start), p.op.A(start)).detach().sqrt() / dot(start, start).sqrt()).max())
    yield _verdict("not zero", size > 0, "A x = 0")
    with torch.no_grad():
        unit = size or 1.0  # squares of the scaled operator are within range
        value = unit * power_norm(lambda x: p.op.A_adjoint(p.op.A(x) / unit) / unit, start)
    own = float(p.op.norm()) if p.has("norm") else value
    found = p.finding("norm", abs(own - value) / value if value else abs(own), solve=1e-2)
    yield found._replace(message=found.message or f"||A|| = {value:.6g}")
    if not p.has("prox_l2"):
        yield from (_skip("prox_l2", "prox_l2"), _skip("units", "prox_l2"))
        return
    z, y = p.image(9), p.data(10)
    gamma = torch.logspace(-0.3, 0.6, p.batch, dtype=p.dtype, device=z.device) / (value or 1.0) ** 2
    x = p.op.prox_l2(z, y, gamma).detach()
    g, solve = column(gamma, x), 1e-6 if p.dtype == torch.float64 else 1e-3
    yield p.finding("prox_l2", _error(x + g * p.op.A_adjoint(p.op.A(x)), z + g * p.op.A_adjoint(y)), solve=solve)
    yield p.finding("units", _error(p.op.prox_l2(1e-6 * z, 1e-6 * y, gamma) / 1e-6, x), solve=solve)


def _held(p: _Patient) -> int:
    """Number of samples that come of one, those that the constants hold."""
    y = p.op.A(p.image(0)[:1])
    alone = isinstance(y, Tensor) and y.ndim > 1 and isinstance(p.op, LinearOperator)
    return len(y) if alone and tuple(y.shape[1:]) == tuple(p.op.out_shape) else 1


def _run(exam: Callable[[_Patient], Iterator[Finding]], p: _Patient) -> Iterator[Finding]:
    try:
        yield from exam(p)
    except Exception as error:  # whatever a foreign object raises is a finding, not a crash of the doctor
        what = (exam.__doc__ or "").rstrip(".").lower()
        hint = next((f"; {advice}" for words, advice in ERRORS.items() if words in str(error)), "")
        yield Finding("raised", False, 1.0, 0.0, f"{type(error).__name__} while testing {what}: {error}{hint}")


def check(
    op: Any, *, in_shape: tuple[int, ...] | None = None, dtype: torch.dtype | None = None, seed: int = 0
) -> Report:
    """Test an operator, ours or foreign: any object with ``A``; ``A_adjoint``, ``prox_l2`` ... where it has them.

    Random batches of three test shapes, linearity, hidden state, independence of the samples, the adjoint in the real
    inner product, the normal operator, autograd once and twice, precision, device, the norm, the proximal map and its
    freedom from units.

    Args:
        op: the object; ``A`` takes (B, *in_shape). Images are complex where ``op.in_dtype`` is.
        in_shape: (C, H, W), where the object does not have it as ``in_shape``.
        dtype: ``torch.float64`` or ``torch.float32``; by default double, or single where ``A`` refuses double.
        seed: of the random images.

    Raises:
        TypeError: ``op`` has no method ``A``, or ``dtype`` is another one.
        ValueError: ``in_shape`` is not known.

    >>> from operators.image.gradient import Gradient
    >>> report = check(Gradient((6, 5)))
    >>> report.ok
    True
    >>> print(check(Gradient((6, 5)), dtype=torch.float32))  # doctest: +ELLIPSIS
    Gradient, images (1, 6, 5), float32: all well
    ...
    """
    if not callable(getattr(op, "A", None)):
        raise TypeError(f"op: expected an object with a method A, got {type(op).__name__}; see operators.as_operator")
    if dtype not in (None, torch.float64, torch.float32):
        raise TypeError(f"dtype: expected torch.float64, torch.float32 or None, got {dtype}")
    shape = in_shape if in_shape is not None else getattr(op, "in_shape", None)
    if shape is None:
        raise ValueError("in_shape: the object does not tell it; pass in_shape=(C, H, W)")
    complex_images = getattr(op, "in_dtype", torch.float32).is_complex
    findings: list[Finding] = []
    for real in (dtype,) if dtype else (torch.float64, torch.float32):
        p = _Patient(op, tuple(shape), complex_images, real, seed)
        try:
            p = replace(p, held=_held(p))
            y = op.A(p.image(0))
            if not isinstance(y, Tensor):
                raise TypeError(f"A returned {type(y).__name__}, not a torch.Tensor")
            break
        except Exception as error:  # the doctor reports it
            findings = [Finding("runs", False, 1.0, 0.0, f"A raised {type(error).__name__}: {error}")]
    else:
        return Report(f"{type(op).__name__}, images {tuple(shape)}", tuple(findings))
    exams = (_outside, _behaviour, _adjoint, _derivatives, _solves)
    findings = [finding for exam in exams for finding in _run(exam, p)]
    return Report(f"{type(op).__name__}, images {tuple(shape)}, {str(p.dtype)[6:]}", first_causes(findings))
