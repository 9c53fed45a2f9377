"""Tensors of a file into a network: what does not fit is named."""

import torch
from torch import Tensor, nn

__all__ = ["WeightFileError", "fill", "mismatch", "not_finite"]


class WeightFileError(ValueError):
    """A weight file that is truncated, altered, or not one of ours."""


def mismatch(state: dict[str, Tensor], like: dict[str, Tensor]) -> str:
    """In which way tensors are not those of a network whose own are ``like``: a name, a shape or a kind of number; or
    nothing.

    >>> import torch
    >>> mismatch({"w": torch.zeros(2)}, {"w": torch.zeros(3)})
    "'w' has shape (2,), expected (3,)"
    """
    missing, extra = sorted(like.keys() - state.keys()), sorted(state.keys() - like.keys())
    if missing:
        return f"{missing[0]!r} is missing" + (f", and {len(missing) - 1} more" if missing[1:] else "")
    if extra:
        return f"{extra[0]!r} belongs to another network" + (f", and {len(extra) - 1} more" if extra[1:] else "")
    for name, value in like.items():
        found = state[name]
        if not isinstance(found, Tensor):
            return f"{name!r} is a {type(found).__name__}, expected a tensor"
        if found.shape != value.shape:
            return f"{name!r} has shape {tuple(found.shape)}, expected {tuple(value.shape)}"
        if (found.is_floating_point(), found.is_complex()) != (value.is_floating_point(), value.is_complex()):
            return f"{name!r} holds {found.dtype}, expected {value.dtype}"
    return ""


def not_finite(state: dict[str, Tensor]) -> str:
    """Name of a tensor that holds NaN or infinite values, or nothing."""
    parts = {k: torch.view_as_real(v) if v.is_complex() else v for k, v in state.items()}
    return next((k for k, v in parts.items() if v.is_floating_point() and not bool(torch.isfinite(v).all())), "")


def fill(network: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load tensors from the file ``source`` into a network.

    Raises:
        WeightFileError: they are not this network's; the first that is not is named.
    """
    wrong = mismatch(state, network.state_dict())
    if wrong:
        raise WeightFileError(f"weights: {source} does not hold the network of its card, {wrong}")
    network.load_state_dict(state)
