"""One process on one device by torch alone, in the words of Lightning's Fabric that the loop uses."""

import contextlib
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from .tasks.base import moved

__all__ = ["OneDevice"]


class OneDevice:
    """What :class:`pnp.train.Trainer` takes as ``fabric`` where one process trains on one device, without Lightning.

    Args:
        device: where to train; ``None``: the first CUDA device where there is one, else the CPU.
        precision: ``"32-true"``, or ``"bf16-mixed"``: products in bfloat16, weights and gradients in single precision.

    Raises:
        ValueError: another precision, which takes ``lightning.Fabric``.

    >>> OneDevice("cpu", "bf16-mixed").device.type
    'cpu'
    """

    world_size, global_rank, is_global_zero = 1, 0, True

    def __init__(self, device: torch.device | str | None = None, precision: str = "32-true") -> None:
        if precision not in ("32-true", "bf16-mixed"):
            raise ValueError(f"precision: expected '32-true' or 'bf16-mixed', got {precision!r}; Fabric has others")
        found = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(found if device is None else device)
        self.strategy = SimpleNamespace(precision=SimpleNamespace(precision=precision))

    def setup(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The module moved, and evaluated in the precision; the optimiser has its tensors there, too."""
        before: list[Tensor] = [*module.parameters()]
        after: dict[Tensor, Tensor] = dict(
            zip(before, module.to(self.device).parameters(), strict=True)
        )  # mostly they are the same
        for group in optimizer.param_groups:
            group["params"] = [after[weight] for weight in group["params"]]
        kept = {after[weight]: state for weight, state in optimizer.state.items()}
        optimizer.state.clear()
        optimizer.state.update({w: {k: moved(v, self.device) for k, v in state.items()} for w, state in kept.items()})
        mixed = self.strategy.precision.precision == "bf16-mixed"
        return (_Mixed(module, self.device.type) if mixed else module), optimizer

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def all_reduce(self, value: Tensor, **_: Any) -> Tensor:
        return value

    def no_backward_sync(self, module: nn.Module, enabled: bool = True) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()

    def clip_gradients(
        self, module: nn.Module, optimizer: Any, *, max_norm: float, norm_type: float, error_if_nonfinite: bool
    ) -> Tensor:
        return nn.utils.clip_grad_norm_(module.parameters(), max_norm, norm_type, error_if_nonfinite)


class _Mixed(nn.Module):
    """A module under autocast, whose answers are in single precision."""

    def __init__(self, module: nn.Module, kind: str) -> None:
        super().__init__()
        self.module, self.kind = module, kind

    def forward(self, *given: Any) -> Tensor:
        with torch.autocast(self.kind, dtype=torch.bfloat16):
            return self.module(*given).float()
