"""The denoiser contract: levels, checks, plain callables."""

import pytest
import torch

from denoisers import Denoiser, TVDenoiser, as_denoiser
from denoisers.base import check_images, sigma_column


def test_sigma_column():
    x = torch.zeros(2, 1, 3, 3, dtype=torch.float64)
    assert sigma_column(0.5, x).dtype == torch.float64
    assert sigma_column(torch.tensor([0.1, 0.2]), x).shape == (2, 1, 1, 1)
    for bad in (-1.0, float("inf"), float("nan"), torch.zeros(3), torch.tensor(1j)):
        with pytest.raises(ValueError, match="sigma"):
            sigma_column(bad, x)


def test_any_callable_is_a_denoiser():
    d = as_denoiser(lambda x, sigma: x * (1 - sigma))
    assert isinstance(d, Denoiser) and as_denoiser(d) is d
    assert d(torch.ones(1, 1, 1, 1), 0.25).item() == 0.75
    with pytest.raises(TypeError, match="denoiser"):
        as_denoiser(3)  # pyright: ignore
    with pytest.raises(NotImplementedError):
        Denoiser()(torch.ones(1, 1, 1, 1), 0.1)


def test_images_are_checked():
    with pytest.raises(TypeError, match="torch"):
        check_images([1.0])  # pyright: ignore
    with pytest.raises(ValueError, match="channel"):
        check_images(torch.zeros(1, 3, 4, 4), 1)


@pytest.mark.parametrize("bad", [None, "0.1", "loud", object(), [0.1, "a"], 1j])
def test_what_is_no_level_is_named(bad):
    with pytest.raises((TypeError, ValueError), match="^sigma: "):
        sigma_column(bad, torch.zeros(1, 1, 3, 3))
    if not isinstance(bad, complex):
        with pytest.raises(TypeError, match="^sigma: "):
            TVDenoiser()(torch.zeros(1, 1, 3, 3), bad)
