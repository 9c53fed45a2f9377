"""Wider networks that start as what a narrower one has learnt, or as two of it side by side."""

import torch
from torch import Tensor, nn

__all__ = ["is_twin", "is_wider", "twinned", "widened"]


def is_wider(network: nn.Module, state: dict[str, Tensor]) -> bool:
    """Whether the convolutions of ``network`` have whole multiples of the channels that ``state`` has."""
    own = network.state_dict()
    if own.keys() != state.keys():
        return False
    shapes = [(own[k].shape, v.shape) for k, v in state.items()]
    if any(len(new) != len(old) or any(n % o for n, o in zip(new, old, strict=True)) for new, old in shapes):
        return False
    return any(all(n > o for n, o in zip(new[:2], old[:2], strict=True)) for new, old in shapes if len(old) == 4)


def widened(network: nn.Module, state: dict[str, Tensor], *, uneven: float = 0.3, seed: int = 0) -> dict[str, Tensor]:
    r"""Weights for ``network`` with which it does what the narrower network of ``state`` does.

    Channel j of a layer becomes channel :math:`j \bmod w` of the narrower one, and what a filter reads of a channel is
    shared by its copies: :math:`W'_{ji} = s_{ji} W_{j \bmod w,\, i \bmod v}` with :math:`\sum s = 1` over the copies
    of i. Shares differ by up to ``uneven`` of each, at random, so that copies learn different things.

    Raises:
        ValueError: the network is none that :func:`is_wider`.

    Chen, Goodfellow, Shlens 2016, arXiv:1511.05641.

    >>> conv = nn.Conv2d(4, 1, 1, bias=False)
    >>> bool(torch.isclose(widened(conv, {"weight": torch.ones(1, 2, 1, 1)})["weight"].sum(), torch.tensor(2.0)))
    True
    """
    own = network.state_dict()
    if own.keys() != state.keys() or any(v.ndim != own[k].ndim for k, v in state.items()):
        raise ValueError("start: another network, not a narrower one")
    transposed = {f"{name}.weight" for name, m in network.named_modules() if isinstance(m, nn.ConvTranspose2d)}
    generator, out = torch.Generator().manual_seed(seed), {}
    for name, value in state.items():
        times = [new // old for new, old in zip(own[name].shape, value.shape, strict=True)]
        if [n * t for n, t in zip(value.shape, times, strict=True)] != list(own[name].shape):
            raise ValueError(f"start: {name} has shape {tuple(value.shape)}, no part of {tuple(own[name].shape)}")
        wide = value.repeat(times)
        if value.ndim == 4:
            inputs = 0 if name in transposed else 1
            channels, copies = value.shape[inputs], times[inputs]
            noise = torch.rand(wide.shape[1 - inputs], copies, channels, generator=generator, device="cpu") * 2 - 1
            shares = (1 + uneven * (noise - noise.mean(1, keepdim=True))).flatten(1) / copies
            wide = wide * (shares if inputs else shares.T)[..., None, None]
        out[name] = wide
    return out


def is_twin(network: nn.Module, state: dict[str, Tensor]) -> bool:
    """Whether ``network`` has the channels of two networks of ``state`` that share the last channel they read."""
    own = network.state_dict()
    if own.keys() != state.keys() or any(v.ndim != 4 or own[k].ndim != 4 for k, v in state.items()):
        return False
    firsts = [k for k, v in state.items() if own[k].shape[1] == 2 * v.shape[1] - 1 and v.shape[1] > 1]
    rest = [(own[k].shape[:2], v.shape[:2]) for k, v in state.items() if k not in firsts[:1]]
    return bool(firsts) and all(tuple(new) == (2 * old[0], 2 * old[1]) for new, old in rest)


def twinned(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights for ``network`` with which it is the network of ``state`` on each of two parts of an image.

    Filters between the parts are zero, and learn: a prior of complex images starts as one of real images that is used
    on real and imaginary part. The last channel that both read, a map of the noise level, is one for both.

    Raises:
        ValueError: the network is none that :func:`is_twin`.

    >>> conv = nn.Conv2d(3, 2, 1, bias=False)
    >>> twinned(conv, {"weight": torch.tensor([[[[5.0]], [[7.0]]]])})["weight"].flatten(1).tolist()
    [[5.0, 0.0, 7.0], [0.0, 5.0, 7.0]]
    """
    if not is_twin(network, state):
        raise ValueError("start: another network, not one of two parts")
    own, out = network.state_dict(), {}
    for name, value in state.items():
        wide = torch.zeros(own[name].shape, dtype=value.dtype, device="cpu")
        (rows, columns), shared = value.shape[:2], int(own[name].shape[1] != 2 * value.shape[1])
        alone = columns - shared
        wide[:rows, :alone] = wide[rows:, alone : 2 * alone] = value[:, :alone]
        if shared:
            wide[:, -1] = torch.cat((value[:, -1], value[:, -1]))
        out[name] = wide
    return out
