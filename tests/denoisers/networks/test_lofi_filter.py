"""The learnable Fourier filter: identity at first, any size, the same response at every resolution."""

import pytest
import torch

from denoisers import NoiseFilter


@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (9, 22), (31, 8), (1, 1)])
def test_identity_at_first_for_every_size(shape):
    image = torch.randn(2, 1, *shape, dtype=torch.float64)
    out = NoiseFilter(16).double()(image)
    assert out.shape == (2, 2, *shape)
    assert torch.allclose(out[:, :1], image, atol=1e-12) and out[:, 1:].abs().max() < 1e-12


def test_pair_is_one_complex_image():
    image = torch.randn(1, 2, 9, 9, dtype=torch.float64)
    layer = NoiseFilter(9, 2, layout="pair").double()
    assert layer.outputs == 2 and torch.allclose(layer(image), image, atol=1e-12)


def test_same_gain_at_the_same_frequency_whatever_the_size():
    layer = NoiseFilter(54).double()  # 64 x 64 with the padding
    f = torch.fft.fftfreq(64, dtype=torch.float64)
    gain = 0.5 + 0.25 * (torch.cos(2 * torch.pi * f)[:, None] + torch.cos(2 * torch.pi * f)[None])
    with torch.no_grad():
        layer.response[0, ..., 0] = gain
    for n in (96, 51):
        g = torch.fft.fftfreq(n, dtype=torch.float64)
        expected = 0.5 + 0.25 * (torch.cos(2 * torch.pi * g)[:, None] + torch.cos(2 * torch.pi * g)[None])
        assert (layer.transfer((n, n))[0].real - expected).abs().max() < 3e-3  # bicubic error, seam included


def test_unchanged_at_its_own_size():
    layer = NoiseFilter(6)
    torch.nn.init.normal_(layer.response)
    assert torch.equal(torch.view_as_real(layer.transfer((16, 16))), layer.response)


def test_wrong_layout_is_named():
    with pytest.raises(ValueError, match="layout"):
        NoiseFilter(8, layout="both")
    with pytest.raises(ValueError, match="channels"):
        NoiseFilter(8, 3, layout="pair")
