"""Masks: shapes, weights, and what is not one (the laws are in test_concrete)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.image.mask import Identity, Inpainting, random_mask
from operators.shapes import image_axes, with_channels


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.01, 1), st.integers(0, 99))
def test_random_mask_keeps_an_exact_share(height, width, keep, seed):
    if round(keep * height * width) == 0:
        with pytest.raises(ValueError, match="keep"):
            random_mask((height, width), keep, seed=seed)
        return
    mask = random_mask((height, width), keep, seed=seed)
    assert mask.dtype == torch.bool and int(mask.sum()) == round(keep * height * width)
    assert torch.equal(mask, random_mask((height, width), keep, seed=seed))


def test_random_masks_differ_by_seed_and_have_no_favourite_pixel():
    masks = torch.stack([random_mask((6, 7), 0.3, seed=s) for s in range(400)]).double()
    assert (masks.mean(0) - 0.3).abs().max() < 0.1  # four standard deviations of a fair share


def test_channels_come_from_the_mask_or_the_argument():
    assert Inpainting(torch.ones(3, 4, 5)).in_shape == (3, 4, 5)
    assert Inpainting(torch.ones(4, 5), channels=3).in_shape == (3, 4, 5)
    assert Inpainting(torch.ones(2, 1, 4, 5), channels=3).in_shape == (3, 4, 5)
    assert with_channels(torch.ones(2, 3, 4, 5), 1).shape == (2, 3, 4, 5)


def test_pseudo_inverse_undoes_the_weights():
    weights = torch.tensor([[0.0, 0.5], [2.0, 1e60]], dtype=torch.float64)  # beyond single precision
    op = Inpainting(weights)
    x = torch.tensor([[[[3.0, 4.0], [5.0, 6.0]]]], dtype=torch.float64)
    assert op.A_dagger(op(x)).flatten().tolist() == pytest.approx([0, 4, 5, 6])
    assert op.norm() == 1e60


def test_gradient_with_respect_to_the_weights():
    weights = torch.tensor([[0.3, 0.5], [2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    z = torch.arange(4.0, dtype=torch.float64).reshape(1, 1, 2, 2)
    assert torch.autograd.gradcheck(lambda w: Inpainting(w).prox_l2(z, 2 - z, 0.7), (weights,))
    assert Inpainting(weights).norm() == 2.0


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: Inpainting([[1.0]]), TypeError, "mask"),  # pyright: ignore
        (lambda: Inpainting(torch.ones(4, 4), channels=0), ValueError, "channels"),
        (lambda: Inpainting(torch.ones(3, 1, 4, 4))(torch.ones(2, 1, 4, 4)), ValueError, "mask: holds 3"),
        (lambda: Inpainting(torch.ones(4, 4)).A_dagger(torch.ones(1, 4)), ValueError, "y"),
        (lambda: Identity((4, 4)).A_dagger(torch.ones(1, 4)), ValueError, "y"),
        (lambda: Identity(4), ValueError, "image_shape"),  # pyright: ignore
        (lambda: image_axes((4, 0)), ValueError, "image_shape"),
        (lambda: image_axes((4.5, 3)), ValueError, "image_shape"),  # pyright: ignore
        (lambda: random_mask((4, 4, 4), 0.5), ValueError, "image_shape"),  # pyright: ignore
    ],
)
def test_bad_arguments_are_named(call, error, word):
    with pytest.raises(error, match=word):
        call()
