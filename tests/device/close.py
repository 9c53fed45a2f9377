"""Comparing what a device gives with what the CPU gives."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

DEVICE = torch.device("cuda")


def on(x: Any) -> Any:
    """Tensors, modules, lists of them on the device."""
    if isinstance(x, list | tuple):
        return type(x)(map(on, x))
    return x.to(DEVICE) if isinstance(x, Tensor | torch.nn.Module) else x


def assert_close(found: Tensor, wanted: Tensor, rtol: float = 1e-6) -> None:
    """``found`` is on the device, and ``wanted`` up to a share of its largest value."""
    assert found.is_cuda and found.dtype == wanted.dtype and found.shape == wanted.shape
    error = (found.detach().cpu() - wanted.detach()).abs().amax()
    assert float(error) <= rtol * float(wanted.detach().abs().amax()), float(error)


@contextlib.contextmanager
def kept_exact() -> Iterator[None]:
    """Without TF32, whose factors have 11 bits."""
    kept = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = kept
