"""A progress bar for a solve."""

from typing import Any

from .result import Record

__all__ = ["ProgressBar"]


class ProgressBar:
    """Callback of :meth:`pnp.Solver.solve` that shows the iteration, its pace, and the largest residual of the batch.

    >>> import torch
    >>> from operators import Identity
    >>> from pnp import PnPADMM, TVDenoiser
    >>> solver = PnPADMM(Identity((8, 8)), TVDenoiser(), noise_std=0.1)
    >>> solver.solve(torch.rand(1, 1, 8, 8), callback=ProgressBar(disable=True)).reason
    'converged'
    """

    def __init__(self, **options: Any) -> None:
        from tqdm import tqdm

        self.bar = tqdm(unit="it", **options)

    def __call__(self, state: Any, record: Record) -> None:
        """Advance by one iteration."""
        self.bar.set_postfix(residual=f"{float(record.residual.max()):.1e}", refresh=False)
        self.bar.update()
