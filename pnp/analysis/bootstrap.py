"""The equivariant bootstrap: data made of the answer, turned, and solved again."""

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..solver import Solver
from .simulate import simulated
from .spread import chunks
from .transforms import transform_of

__all__ = ["bootstrap_draws"]


def bootstrap_draws(
    solver: Solver, y: Tensor, count: int, seed: int, kinds: tuple[str, ...], batch: int
) -> tuple[Tensor, Iterator[tuple[Tensor, Tensor]], dict[str, Any]]:
    """The answer, its draws with which samples of them are good, and what is told of them."""
    result = solver.solve(y)
    x, facts = result.x, result.state.facts
    likelihood = solver.likelihood.with_noise(facts.noise_std)
    again = solver.with_op(likelihood)
    told: dict[str, Any] = {"facts": facts, "answer": result.reason}

    def images() -> Iterator[tuple[Tensor, Tensor]]:
        failed = 0
        for draws in chunks(count, len(x), batch):
            turned = [transform_of(kinds, tuple(x.shape[1:]), seed, k) for k in draws]
            data = simulated(likelihood, torch.cat([g(x) for g in turned]), y, seed, draws)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # the answer's own solve has said it
                found = again.solve(data)
            good = torch.tensor([r not in ("diverged", "not_finite") for r in found.reasons], device=x.device)
            failed += int((~good).sum())
            for g, image, fine in zip(turned, found.x.chunk(len(draws)), good.chunk(len(draws)), strict=True):
                yield g.back(image), fine
        if failed:
            told["left out"] = f"{failed} draws, which diverged"
            warnings.warn(f"uncertainty: {failed} draws diverged and are left out", RuntimeWarning, stacklevel=2)

    return x, images(), told
