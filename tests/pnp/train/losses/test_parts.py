"""A part of the data has the noise and the weights of that part, whatever the operator."""

import pytest
import torch

from operators import MRI, NUFFT, Identity, Inpainting, Radon, Weighted, random_columns, random_mask
from pnp.likelihood import Gaussian
from pnp.train.losses.parts import part_of

SIDE = 12
POINTS = torch.linspace(-3, 3, 40).expand(2, 40)
OPERATORS = {
    "image": lambda: Identity((SIDE, SIDE)),
    "missing": lambda: Inpainting(random_mask((SIDE, SIDE), 0.6)),
    "mri": lambda: MRI(random_columns((SIDE, SIDE), 2.0)),
    "ct": lambda: Radon(SIDE, torch.arange(8) * (torch.pi / 8)),
    "points": lambda: NUFFT(POINTS, (SIDE, SIDE)),
    "weights of a line": lambda: Weighted(torch.full((40,), 2.0), dtype=torch.complex64) @ NUFFT(POINTS, (SIDE, SIDE)),
    "weights of data": lambda: Weighted(torch.full((1, 40), 2.0), dtype=torch.complex64) @ NUFFT(POINTS, (SIDE, SIDE)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_noise_of_each_datum_goes_with_it(name):
    op = OPERATORS[name]()
    keep = torch.ones(1, *op.out_shape, dtype=torch.bool)
    keep[..., ::2] = False
    if name == "ct":
        keep = torch.arange(8)[:, None].expand(1, 1, 8, op.out_shape[-1]) % 2 == 1
    deviations = 0.1 + torch.rand(1, *op.out_shape, generator=torch.Generator().manual_seed(0))
    part, cut = part_of(Gaussian(op, deviations), keep)
    assert isinstance(part, Gaussian) and part.deviations is not None
    same = cut(deviations).expand_as(part.deviations)
    assert torch.equal(part.deviations[same > 0], same[same > 0]) and bool(part.deviations[same == 0].isinf().all())
    assert int((same > 0).sum()) == int(keep.sum())
    x = torch.randn(1, *op.in_shape, dtype=op.in_dtype)
    assert torch.allclose(part.measured.A(x), cut(op.A(x)), atol=1e-4)
