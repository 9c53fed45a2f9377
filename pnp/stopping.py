"""When a solve ends, and what the end is called."""

from dataclasses import dataclass

__all__ = ["MESSAGES", "Stop"]

MESSAGES = {
    "converged": "the fixed-point residual fell below the tolerance",
    "max_iter": "the iterations ran out before the residual fell below the tolerance; try a larger max_iter, "
    "Stop(tolerance=..., max_iter=...)",
    "stopped": "the callback asked to stop",
    "diverged": "the iterates grew without bound; the best finite one is returned. Try a larger strength, check the "
    "operator with operators.check(op), and whether noise_std is in the units of y",
    "not_finite": "an iterate was not finite; the best finite one is returned. Check the operator with "
    "operators.check(op), and the denoiser on the adjoint image",
}


@dataclass(frozen=True)
class Stop:
    r"""Each sample ends by itself, at the latest after ``max_iter`` iterations.

    Attributes:
        tolerance: relative fixed-point residual, :math:`\sqrt{\|\Delta x\|^2 + \|\Delta u\|^2} / \|x\|` from one
            iteration to the next, below which a sample has converged (not before the schedule's end); where
            few values are far above all others, of :math:`6 \|x\|_1 / \sqrt N`, as far as a fifth of :math:`\|x\|`,
            in place of that. Methods whose own is another have it where no ``Stop`` is given.
        max_iter: number of iterations.
        growth: a sample diverges when its norm exceeds this multiple of the first iterate's, and of A* y over the gain.
    """

    tolerance: float = 1e-3
    max_iter: int = 200
    growth: float = 1e3

    def __post_init__(self) -> None:
        for name in ("tolerance", "growth"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name}: expected a number, got {value!r}")
        if not self.tolerance >= 0:
            raise ValueError(f"tolerance: expected a number >= 0, got {self.tolerance}")
        if isinstance(self.max_iter, bool) or not isinstance(self.max_iter, int) or self.max_iter < 1:
            raise ValueError(f"max_iter: expected a number of iterations >= 1, got {self.max_iter!r}")
        if not self.growth > 1:
            raise ValueError(f"growth: expected a number > 1, got {self.growth}")
