"""Complex images and data as pairs of real channels."""

import pytest
import torch

from operators import MRI, Blur, KaiserSquires, RadioInterferometry, Slices, TwoChannels, Weighted, gaussian_kernel

from ..contracts import operator_laws, random_image, relative

MASK = (torch.arange(30).reshape(5, 6) * 7) % 3 > 0


def test_laws():
    operator_laws(TwoChannels(KaiserSquires((5, 6))))
    operator_laws(TwoChannels(MRI(MASK, torch.randn(2, 5, 6, dtype=torch.complex128))))
    uv = torch.randn(2, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    operator_laws(TwoChannels(RadioInterferometry(uv, (5, 6), unit="rad/pixel")))


def test_channels_are_real_parts_then_imaginary_parts():
    op = KaiserSquires((6, 7))
    x = random_image(op)
    assert torch.equal(TwoChannels(op)(x), torch.cat((op(x).real, op(x).imag), 1))
    mri = MRI(MASK, torch.randn(3, 5, 6, dtype=torch.complex128))
    x = random_image(mri)
    y = TwoChannels(mri)(torch.cat((x.real, x.imag), 1))
    assert y.shape == (3, 6, 5, 6) and torch.equal(torch.complex(y[:, :3], y[:, 3:]), mri(x))


def test_components_of_different_noise():
    op = KaiserSquires((6, 6))
    x = random_image(op)
    weights = torch.rand(2, 6, 6, dtype=torch.float64) + 0.5
    white = Weighted(weights) @ TwoChannels(op)
    y = op(x)
    assert relative(white(x), torch.cat((y.real, y.imag), 1) * weights) < 1e-14
    operator_laws(white)


def test_real_operators_have_nothing_to_part():
    with pytest.raises(ValueError, match="real already"):
        TwoChannels(Blur(gaussian_kernel(1.0), (8, 8)))
    with pytest.raises(TypeError, match="operator"):
        TwoChannels(torch.ones(2))  # type: ignore[arg-type]


def test_what_is_seen_and_measured_is_that_of_the_operator_within():
    maps = torch.randn(2, 5, 6, dtype=torch.complex64)
    maps[:, 0] = 0  # no coil sees the first row
    op = MRI(MASK, maps)
    pairs, stacked = TwoChannels(op), Slices(op, 3)
    assert pairs.support.shape[1:] == pairs.in_shape and stacked.support.shape[1:] == stacked.in_shape
    assert torch.equal(pairs.support, op.support.repeat(1, 2, 1, 1))
    assert torch.equal(pairs.measured, op.measured.expand(-1, *op.out_shape).repeat(1, 2, 1, 1))
    for k in range(3):
        assert torch.equal(stacked.support[:, :, k], op.support)
        assert torch.equal(stacked.measured[:, :, k], op.measured)
    assert Slices(Blur(gaussian_kernel(1.0), (8, 8)), 2).support is None
