"""Convolutions in strips: what the sums give, for every size."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisers import LoFiDenoiser
from denoisers.evaluation import strips


@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5])
def test_toom_cook(taps):
    torch.manual_seed(0)
    a, g, b = strips.toom_cook(taps)
    x, w = torch.randn(taps + 3).double(), torch.randn(taps).double()
    expected = F.conv1d(x[None, None], w[None, None])[0, 0]
    assert torch.allclose(a @ ((g @ w) * (b @ x)), expected, atol=1e-12)


@settings(deadline=None)
@given(
    batch=st.integers(1, 3), channels=st.sampled_from([1, 3, 32]), outputs=st.sampled_from([1, 32, 40]),
    size=st.sampled_from([3, 5, 7]), height=st.integers(4, 23), width=st.integers(4, 19), rows=st.integers(1, 30),
)  # fmt: skip
def test_strips_are_the_convolution(batch, channels, outputs, size, height, width, rows):
    torch.manual_seed(0)
    x = torch.randn(batch, channels, height, width)
    weight, bias = torch.randn(outputs, channels, size, size), torch.randn(outputs)
    expected = F.conv2d(F.pad(x.double(), (size // 2,) * 4, mode="reflect"), weight.double(), bias.double())
    got = torch.full(expected.shape, torch.nan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "_rows_at_once", lambda *_: rows)
        for image, top, strip in strips.conv_strips(x, weight, bias):
            got[image, :, top : top + strip.shape[2]] = strip[0]
    assert float((got - expected).abs().max() / expected.abs().max()) < 5e-6


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # within torch
def test_field_with_and_without_derivatives():
    denoiser = LoFiDenoiser()
    x, v = torch.rand(2, 1, 37, 41), torch.rand(2, 1, 37, 41)
    with torch.no_grad():
        quick = denoiser(x, 0.1)
    tracked = denoiser(x.clone().requires_grad_(), 0.1)
    assert tracked.grad_fn is not None
    assert torch.allclose(quick, tracked, atol=2e-6)
    assert torch.equal(quick[1:], denoiser(x[1:], 0.1))  # images know nothing of each other
    forward = torch.func.jvp(lambda t: denoiser(t, 0.1), (x,), (v,))[1]
    backward = torch.autograd.functional.jvp(lambda t: denoiser(t, 0.1), x, v)[1]
    assert isinstance(backward, torch.Tensor) and torch.allclose(forward, backward, atol=1e-5)


def test_trainable_fields_keep_their_derivatives():
    denoiser = LoFiDenoiser().requires_grad_(False)
    denoiser.fields[2].head.weight.requires_grad_()  # pyright: ignore
    denoiser(torch.rand(1, 1, 20, 20), 0.1).sum().backward()
    assert denoiser.fields[2].head.weight.grad is not None  # pyright: ignore
