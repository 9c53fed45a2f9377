"""Which denoiser fits the data: candidates are compared by how well they predict data that were left out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.shapes import check_seed

from ..likelihood import Ball
from ..result import Result
from ..solver import Solver
from ..solvers.admm import PnPADMM
from .holdout import Holdout, held_out

__all__ = ["DenoiserChoice", "choose_denoiser"]


class DenoiserChoice(NamedTuple):
    """A denoiser for each sample, and why.

    Attributes:
        index: of the choice, (B,).
        denoisers: what was compared, D of them.
        criterion: misfit of the data left out less that of the first denoiser, (D, B); lower is better.
        noise: its standard deviation, (D, B), by groups of these data.
        reason: why, in a sentence for each sample.
        calls: of each denoiser by the comparison, for each sample.
        results: the solve of all data by each denoiser that was chosen for a sample, by index.
    """

    index: Tensor
    denoisers: list[Any]
    criterion: Tensor
    noise: Tensor
    reason: list[str]
    calls: list[int]
    results: dict[int, Result]

    @property
    def x(self) -> Tensor:
        """The reconstruction (B, C, ...) of each sample with its denoiser."""
        return torch.stack([self.results[i].x[b] for b, i in enumerate(self.index.tolist())])

    def plot(self, path: str | None = None) -> Any:
        """Criteria of all denoisers and samples; needs matplotlib (extra ``examples``)."""
        from ..plot import plot_curve

        number = torch.arange(len(self.denoisers), device="cpu").to(self.criterion)
        curves = [(number, self.criterion[:, b], self.noise[:, b]) for b in range(len(self.index))]
        names = [_name(d) for d in self.denoisers]
        return plot_curve(
            curves, self.index, label="misfit of data left out, less that of the first", names=names, path=path
        )


def _name(denoiser: Any) -> str:
    name = getattr(denoiser, "card", {}).get("name", "")
    return f"{type(denoiser).__name__} {name}".strip()


@torch.no_grad()
def choose_denoiser(
    op: Any,
    y: Tensor,
    denoisers: Sequence[Any],
    *,
    solver: type[Solver] = PnPADMM,
    held_out: Tensor | None = None,
    seed: int = 0,
    **options: Any,
) -> DenoiserChoice:
    r"""The one of several denoisers that predicts data that were left out best, for each sample.

    .. math:: \min_D f(A \hat x_D, y_\mathrm{out}), \quad \hat x_D \text{ from the data left in}

    about 5 % of the data are left out, as :func:`pnp.choose_strength` does with ``rule="holdout"``. Where two denoisers
    differ by less than one standard deviation of the difference between them, the earlier one is taken: put the one
    that you trust most first.

    Args:
        op: operator or likelihood, as of solvers.
        denoisers: at least two.
        solver: a method with a fixed point.
        held_out: which data to leave out, booleans that broadcast to (1, *op.out_shape).
        seed: of what is left out.
        options: of the solver: ``noise_std``, ``strength``, ``stop``, ...

    Raises:
        ValueError: there are fewer than two denoisers, or method or likelihood have nothing to be compared by.

    Stone 1974, doi:10.1111/j.2517-6161.1974.tb00994.x.

    >>> from denoisers import TVDenoiser
    >>> from operators import Inpainting, random_mask
    >>> op = Inpainting(random_mask((32, 32), 0.7, seed=0))
    >>> y = op(torch.linspace(0, 1, 32).expand(1, 1, 32, 32))
    >>> nothing = lambda x, sigma: 0 * x
    >>> choose_denoiser(op, y, [nothing, TVDenoiser()], noise_std=0.02).index.tolist()
    [1]
    """
    if not isinstance(denoisers, Sequence):
        raise TypeError(f"denoisers: expected a list of at least two, got {type(denoisers).__name__}")
    denoisers = list(denoisers)
    if len(denoisers) < 2:
        raise ValueError(f"denoisers: expected at least two to choose from, got {len(denoisers)}")
    seed = check_seed(seed)
    if not (isinstance(solver, type) and issubclass(solver, Solver)):
        raise TypeError(f"solver: expected a class of solvers, such as PnPADMM, got {type(solver).__name__}")
    solvers = [solver(op, denoiser, **options) for denoiser in denoisers]
    first = solvers[0]
    if not first.settles or isinstance(first.likelihood, Ball):
        raise ValueError(
            f"solver: {type(first).__name__} on {type(first.likelihood).__name__} has no misfit to compare"
        )
    out = _left_out(first, y, held_out, seed)
    states = [each.begin(y) for each in solvers]
    runs = [Holdout(each, y, state, out=out) for each, state in zip(solvers, states, strict=True)]
    base = runs[0].start
    each = torch.stack([run.misfit_from(base) for run in runs])  # (D, B, groups)
    index = torch.zeros(len(y), dtype=torch.long, device=y.device)
    for d in range(1, len(runs)):
        for b in range(len(index)):
            difference = each[d, b] - each[int(index[b]), b]
            if float(difference.sum()) < -float(difference.std()) * len(difference) ** 0.5:
                index[b] = d
    reason = [f"{_name(denoisers[i])} predicts the data that were left out best" for i in index.tolist()]
    results = {i: solvers[i].solve(y, state=states[i]) for i in sorted({*index.tolist()})}
    noise = each.std(2) * each.shape[2] ** 0.5
    return DenoiserChoice(index, denoisers, each.sum(2), noise, reason, [run.calls for run in runs], results)


def _left_out(solver: Solver, y: Tensor, chosen: Tensor | None, seed: int) -> Tensor:
    if chosen is None:
        return held_out(solver.op, y, seed)
    return torch.as_tensor(chosen, dtype=torch.bool, device=y.device).expand(1, *solver.op.out_shape)
