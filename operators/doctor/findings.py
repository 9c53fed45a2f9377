"""What the operator doctor hands back: a table for people, an object for tests."""

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["ADVICE", "ERRORS", "FOLLOWS", "Finding", "Report", "first_causes"]

# what each failure means and what to do about it
ADVICE = {
    "shape": "the declared shapes are not those of the results: correct in_shape / out_shape",
    "finite": "NaN or Inf for a finite image: look for a division by zero or an overflow",
    "dtype": "the result has another precision than the argument: cast constants with c.to(x.dtype), and take the "
    "real part in A_adjoint where images are real",
    "device": "the result lies on another device than the argument: keep constants as buffers",
    "linear": "A(a x + b v) is not a A(x) + b A(v): A has an offset, clips, takes magnitudes, or adds noise",
    "hidden state": "the same call gave different results: A or A_adjoint keeps something between calls, or is random",
    "batch": "a sample's result depends on the others in its batch: avoid statistics and reshapes over axis 0",
    "argument kept": "the argument was changed in place: start A and A_adjoint from a copy, x.clone()",
    "adjoint": "Re<Ax, y> is not Re<x, A_adjoint y>: gradients would point the wrong way",
    "normal": "A_adjoint_A(x) is not A_adjoint(A(x)) (or A_A_adjoint not A(A_adjoint(y)))",
    "vjp": "autograd's derivative of A is not A_adjoint: training and solving would disagree",
    "gradgrad": "second derivatives are wrong: write A and A_adjoint in differentiable torch operations",
    "prox_l2": "x + gamma A*A x is not z + gamma A*y at the result: wrong closed form, or solved too loosely",
    "units": "prox_l2(c z, c y) is not c prox_l2(z, y) for c = 1e-6: a tolerance in absolute units",
    "not zero": "A maps random images to zero: a mask of zeros, or a factor that underflows?",
    "norm": "norm() is not the largest singular value: step sizes would be wrong",
}

# what else a fault explains; faults in the order in which they are trusted
_VALUES = {"linear", "hidden state", "batch", "adjoint", "normal", "vjp", "gradgrad", "norm", "prox_l2", "units"}
FOLLOWS = {
    "shape": _VALUES | {"raised", "finite", "dtype", "not zero"},
    "device": _VALUES | {"raised", "finite", "dtype", "not zero"},
    "finite": _VALUES | {"raised", "not zero"},
    "argument kept": _VALUES | {"raised"},
    "dtype": _VALUES | {"raised"},
    "hidden state": _VALUES - {"hidden state"},
    "batch": _VALUES - {"hidden state", "batch"},
    "linear": _VALUES - {"hidden state", "batch", "linear"},
    "adjoint": {"vjp", "gradgrad", "norm", "prox_l2", "units"},
    "vjp": {"gradgrad"},
    "not zero": {"norm"},
    "raised": {"raised"},
}

# what a raised error says to those who know torch
ERRORS = {
    "in-place operation": "A changes its argument in place: start from a copy, x.clone()",
    "modified by an inplace": "A changes a tensor in place that its derivative needs: write it without +=, [...] = ",
    "numpy": "A leaves torch for numpy: write it in torch, or as a torch.autograd.Function with its own backward",
}


class Finding(NamedTuple):
    """One test: ``passed`` is None where the object lacks what is tested; ``value`` should not exceed ``tolerance``."""

    name: str
    passed: bool | None
    value: float
    tolerance: float
    message: str


def first_causes(findings: list[Finding]) -> tuple[Finding, ...]:
    """The findings, with failures that an earlier cause explains set to "not judged"."""
    failed = [f.name for f in findings if f.passed is False]
    out, seen = [], set()
    for f in findings:
        causes = [c for c in FOLLOWS if c in failed and f.name in FOLLOWS[c] and (c != f.name or c in seen)]
        if f.passed is False and causes:
            if f.name != "raised":
                out.append(f._replace(passed=None, message=f"not judged: may follow from {causes[0]!r}"))
        else:
            out.append(f)
            seen.add(f.name)
    return tuple(out)


@dataclass(frozen=True)
class Report:
    """What :func:`check` found; ``print(report)`` shows a table, ``assert report.ok`` serves in a test."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """No test failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The tests that failed."""
        return tuple(f for f in self.findings if f.passed is False)

    def raise_if_failed(self) -> None:
        """Raise AssertionError with the table unless all is well."""
        if not self.ok:
            raise AssertionError(str(self))

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        word = {True: "ok", False: "FAIL", None: "-"}
        rows = [f"{self.subject}: {'all well' if self.ok else f'{len(self.failures)} of the tests failed'}"]
        for f in self.findings:
            value = f"{f.value:9.2g} (at most {f.tolerance:.0e})" if f.tolerance else " " * 10
            rows.append(f"  {word[f.passed]:4}  {f.name:13} {value:28}{'' if f.passed else f.message}".rstrip())
        rows += [f"  {f.message}" for f in self.findings if f.passed and f.message]
        return "\n".join(rows)
