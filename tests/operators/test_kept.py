"""What operators keep of their constants follows these: changes in place, replacements, precisions, derivatives."""

import copy
import pickle

import pytest
import torch

from operators import MRI, Blur, Downsampling, Weighted, gaussian_kernel, motion_kernel
from operators.kept import Kept

NEW = gaussian_kernel(2.0)  # as large as the first below
OPERATORS = {
    "blur": lambda kernel: Blur(kernel, (16, 18)),
    "of zeros": lambda kernel: Blur(kernel, (16, 18), boundary="zero"),
    "valid": lambda kernel: Blur(kernel, (16, 18), boundary="valid"),
    "coarser": lambda kernel: Downsampling(2, (16, 18), filter=kernel),
}


def old():
    kernel = torch.zeros_like(NEW)
    kernel[1, 2] = 1.0
    return kernel


@pytest.fixture
def x():
    return torch.randn(2, 1, 16, 18, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
@pytest.mark.parametrize("how", ["in place", "replaced", "its memory", "through data", "through numpy"])
def test_a_changed_kernel_is_used(make, how, x):
    op = make(old())
    before = op(x)
    if how == "in place":
        op.kernel.copy_(NEW)
    elif how == "replaced":
        op.kernel = NEW.clone()[None, None]
    elif how == "its memory":
        op.kernel.data = NEW.clone()[None, None]
    elif how == "through data":
        op.kernel.data.copy_(NEW)
    else:
        op.kernel.numpy()[...] = NEW.numpy()
    assert not torch.allclose(op(x), before)
    torch.testing.assert_close(op(x), make(NEW)(x), rtol=0, atol=0)


@pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
def test_each_precision_has_its_own(make, x):
    op = make(NEW)
    single = op(x.float())
    assert (op(x).dtype, op(x.float()).dtype) == (torch.float64, torch.float32)
    torch.testing.assert_close(op(x), make(NEW)(x), rtol=0, atol=0)
    torch.testing.assert_close(op(x.float()), single, rtol=0, atol=0)


@pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
def test_a_kernel_has_its_derivative_whatever_was_kept(make, x):
    op = make(NEW)
    op(x)
    op.kernel.requires_grad_()
    with torch.no_grad():
        op(x)
    op(x).square().sum().backward()
    assert float(op.kernel.grad.abs().sum()) > 0
    with torch.no_grad():
        op.kernel -= 0.1 * op.kernel.grad / op.kernel.grad.abs().max()
        torch.testing.assert_close(op(x), make(op.kernel.detach())(x))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda op: pickle.loads(pickle.dumps(op))], ids=["copy", "pickle"])
def test_copies_begin_empty(copied, x):
    op = Blur(old(), (16, 18))
    before = op(x)
    assert len(pickle.dumps(op)) == len(pickle.dumps(Blur(old(), (16, 18))))
    other = copied(op)
    other.kernel.copy_(NEW)
    torch.testing.assert_close(op(x), before, rtol=0, atol=0)
    torch.testing.assert_close(other(x), Blur(NEW, (16, 18))(x), rtol=0, atol=0)


def test_it_is_made_once_also_in_inference_mode(x):
    op = Blur(motion_kernel(5, 0.3), (16, 18))
    with torch.inference_mode():
        op(x)
    assert op.spectrum(x) is op.spectrum(x) and not op.spectrum(x).is_inference()
    op(x.requires_grad_()).sum().backward()  # what inference mode made can be part of a graph
    weighted = Weighted(torch.ones(3))
    assert weighted.squared() is weighted.squared()
    weighted.weights.mul_(2)
    assert weighted.squared().tolist() == [4.0, 4.0, 4.0]


def test_a_mask_that_becomes_full_is_seen():
    mask, b = torch.ones(8, 8), torch.randn(1, 1, 8, 8, dtype=torch.complex64)
    op = MRI(mask, coil_maps=torch.ones(2, 8, 8, dtype=torch.complex64))
    full = op.solve_normal(b, 2.0)
    op.mask[..., 0] = 0.0
    assert not torch.allclose(op.solve_normal(b, 2.0), full)
    op.mask[..., 0] = 1.0
    torch.testing.assert_close(op.solve_normal(b, 2.0), full)


def test_what_a_change_would_not_be_noticed_of_is_not_kept():
    with torch.inference_mode():
        of = torch.ones(2)
    kept = Kept()
    first = kept(of, None, lambda: of.clone())
    with torch.inference_mode():
        of += 1
    assert first.tolist() == [1.0, 1.0] and kept(of, None, lambda: of.clone()).tolist() == [2.0, 2.0]
