"""A penalty on denoisers that are not firmly non-expansive."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from operators.linalg import column, dot

from .supervised import check_alike

__all__ = ["NonExpansive", "reflected_norm"]


def reflected_norm(denoise: Callable[[Tensor], Tensor], x: Tensor, *, steps: int = 5, seed: int = 0) -> Tensor:
    r""":math:`\|2 D'(x) - I\|_2` of each sample, (B,), from below, with derivatives by what D learns.

    ``steps`` of power iteration, without derivatives; then the norm along the vector that they found.

    >>> reflected_norm(lambda x: 0.2 * x, torch.ones(2, 1, 4, 4)).tolist()
    [0.6000000238418579, 0.6000000238418579]
    """
    with torch.enable_grad():
        seen = x.detach().requires_grad_()
        out = denoise(seen)
        along = torch.zeros_like(out, requires_grad=True)
        (pulled,) = torch.autograd.grad(out, seen, along, create_graph=True)
    v = torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(seed), device="cpu").to(x).expand_as(x)
    for _ in range(steps):
        w = 2 * torch.autograd.grad(pulled, along, v, retain_graph=True)[0] - v
        w = w / column(dot(w, w).sqrt().clamp_min(1e-30), w)
        v = 2 * torch.autograd.grad(out, seen, w, retain_graph=True)[0] - w
        v = v / column(dot(v, v).sqrt().clamp_min(1e-30), v)
    with torch.enable_grad():
        rest = 2 * torch.autograd.grad(out, seen, w, create_graph=True)[0] - w
        return dot(rest, rest).sqrt()


class NonExpansive(nn.Module):
    r"""Penalty on a denoiser D that is not firmly non-expansive:

    .. math:: \lambda \frac1B \sum_b \max\big(\|2 D'(\tilde x_b) - I\|, 1 - \varepsilon\big), \qquad
        \tilde x = \varrho x + (1 - \varrho) D(x + n)

    where 2D - I is non-expansive everywhere, PnP-DRS, PGD and HQS converge. :math:`\varrho` is drawn at random.

    Args:
        weight: :math:`\lambda`, above 0.
        margin: :math:`\varepsilon`, 0 to 1.
        steps: of power iteration.

    Raises:
        ValueError: one of them is out of range.

    Pesquet, Repetti, Terris, Wiaux 2021, doi:10.1137/20M1387961.

    >>> NonExpansive(1.0)(lambda x: 2 * x, torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).item()
    3.0
    """

    def __init__(self, weight: float = 1e-5, *, margin: float = 0.05, steps: int = 5) -> None:
        super().__init__()
        if not 0 < weight < float("inf"):
            raise ValueError(f"weight: expected a positive number, got {weight!r}")
        if not 0 <= margin < 1:
            raise ValueError(f"margin: expected a number from 0 to below 1, got {margin!r}")
        if not isinstance(steps, int) or steps < 1:
            raise ValueError(f"steps: expected at least one, got {steps!r}")
        self.weight, self.margin, self.steps = float(weight), float(margin), steps

    def forward(self, denoise: Callable[[Tensor], Tensor], x: Tensor, noisy: Tensor, *, seed: int = 0) -> Tensor:
        """The penalty of ``denoise`` between clean images ``x`` and what it makes of ``noisy`` ones."""
        check_alike(x, noisy)
        with torch.no_grad():
            share = torch.rand(len(x), generator=torch.Generator().manual_seed(seed), device="cpu").to(x)
            clean = denoise(noisy)
        between = clean + column(share, x) * (x - clean)
        norms = reflected_norm(denoise, between, steps=self.steps, seed=seed)
        return self.weight * norms.clamp_min(1 - self.margin).mean()
