"""Random numbers of an iteration: numbered streams, so that a solve resumes with the same bits."""

import torch
from torch import Tensor

__all__ = ["normal", "poisson"]


def normal(like: Tensor, seed: int, step: int) -> Tensor:
    """White noise of deviation one per real component, in the shape of the batch ``like`` and alike for its samples.

    A sample's noise does not depend on what else is in its batch; other seeds give independent draws.

    >>> a, b = normal(torch.zeros(2, 1, 2, 2), 0, 5)
    >>> torch.equal(a, b)
    True
    """
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
    shape = like.shape[1:]
    if like.is_complex():
        parts = torch.randn(*shape, 2, generator=generator, dtype=torch.float64, device="cpu").to(like.real.dtype)
        noise = torch.view_as_complex(parts)
    else:
        noise = torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu").to(like.dtype)
    return noise.to(like.device).expand_as(like)


def poisson(rate: Tensor, seed: int, step: int) -> Tensor:
    """Counts of the expected numbers ``rate`` (B, ...), each sample from the same stream.

    >>> rate = torch.full((2, 1, 2, 2), 50.0)
    >>> a = poisson(rate, 0, 5)
    >>> torch.equal(a[0], a[1]), torch.equal(a, poisson(rate, 0, 6))
    (True, False)
    """
    rows = []
    for row in rate.cpu():
        generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
        rows.append(torch.poisson(row, generator))
    return torch.stack(rows).to(rate.device)
