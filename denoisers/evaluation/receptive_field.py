"""How far a network looks."""

import copy
import math

import torch
from torch import Tensor, nn

from ..base import Denoiser

__all__ = ["convolution_field", "probe", "receptive_field", "stride_of"]


def convolution_field(sizes: list[int], strides: list[int] | None = None) -> int:
    r"""Side in pixels of what one output of a chain of convolutions sees,

    .. math:: r = 1 + \sum_l (k_l - 1) \prod_{i<l} s_i

    for kernel sizes k and strides s. (A chapter that has :math:`\prod_{i \le l}` counts too much once there is a
    stride.)

    >>> convolution_field([3, 3, 3], [1, 2, 1])
    9
    """
    strides = [1] * len(sizes) if strides is None else strides
    field, step = 1, 1
    for size, stride in zip(sizes, strides, strict=True):
        field, step = field + (size - 1) * step, step * stride
    return field


def stride_of(model: nn.Module) -> int:
    """Pixels after which the network repeats itself: the product of all strides, patches and poolings in it."""
    step = 1
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
            stride = module.stride
            step *= max(stride) if isinstance(stride, tuple) else int(stride or 1)
    return step


class _AtOneLevel(nn.Module):
    """A denoiser as a network of images only."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x: Tensor) -> Tensor:
        low, high = self.denoiser.sigma_range or (0.0, 0.2)
        return self.denoiser(x, (low + high) / 2)


def _sees_all(model: nn.Module) -> bool:
    """Whether a part of the network is known to join all pixels, or is for images of one size."""
    whole = (nn.MultiheadAttention, nn.InstanceNorm2d, nn.GroupNorm)
    return any(
        (isinstance(m, whole) and not getattr(m, "track_running_stats", False))
        or hasattr(m, "image_shape")
        or getattr(m, "radius", 0) == math.inf
        for m in model.modules()
    )


def _kinds(model: nn.Module, channels: int | None) -> list[tuple[int, torch.dtype]]:
    """Channels and precisions that the network may take; several where a function holds it and nothing is seen."""
    if channels is None and isinstance(model, Denoiser):
        channels = model.channels
    if channels is None:
        first = next((m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d)), None)
        channels = first or getattr(model, "channels", None)
    own = [p.dtype for p in model.parameters() if p.is_floating_point()][:1]
    return [(c, d) for c in ([channels] if channels else [1, 3]) for d in own or [torch.float32, torch.float64]]


def probe(model: nn.Module, channels: int | None = None) -> tuple[nn.Module, Tensor]:
    """A copy of a network in eval mode, of images only, and a small image that it takes, of zeros.

    Raises:
        ValueError: it takes none, or gives an image of another size.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    network = copy.deepcopy(_AtOneLevel(model) if isinstance(model, Denoiser) else model).eval()
    reasons = []
    for kind, dtype in _kinds(model, channels):
        x = torch.zeros(1, kind, 32, 32, dtype=dtype, device=device)
        try:
            out = network(x)
        except RuntimeError as error:
            reasons.append(f"{kind} channels, {dtype}: {error}")
            continue
        if out.shape[-2:] != x.shape[-2:]:
            raise ValueError(f"model: it makes {tuple(out.shape)} of {tuple(x.shape)}; expected the size to be kept")
        return network, x
    raise ValueError(f"model: it does not take a small image; its attribute channels may help ({'; '.join(reasons)})")


@torch.no_grad()
def receptive_field(
    model: nn.Module, channels: int | None = None, *, largest: int = 260, step: int | None = None
) -> float:
    """Distance in pixels at which a pixel still moves an output, measured; infinite for networks that see it all.

    A NaN goes where a number would go, whatever the weights, so it marks what depends on a pixel; one is placed at
    every phase of the network's stride. The side of the field is twice this radius and one.

    Args:
        model: a denoiser, or a network of images (B, channels, H, W) that keeps their size; measured in eval mode, on
            a copy. One with an attribute ``radius`` is trusted. Attention, instance and group normalisation see
            everything, and so does a network for one size of images (an attribute ``image_shape``).
        channels: of the image; by default what the denoiser, or the first convolution, takes.
        largest: side of the largest image that is tried.
        step: pixels after which the network repeats itself; by default :func:`stride_of`, which knows modules only,
            not functions such as ``F.max_pool2d``.

    Raises:
        ValueError: the network changes the size, or does not run on such images.

    >>> receptive_field(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 5, padding=2)))
    3
    """
    known = getattr(model, "radius", None)
    if known is not None:
        return known
    if _sees_all(model):
        return math.inf
    step = step or stride_of(model)
    network, small = probe(model, channels)
    side = step * math.ceil(32 / step)
    while side <= largest:
        centre, radius = side // 2, 0
        for place in range(centre, centre + step):
            x = small.new_zeros(1, small.shape[1], side, side)
            x[..., place, place] = float("nan")
            touched = torch.nonzero(network(x).isnan().any(1)[0])
            if len(touched):
                radius = max(radius, int((touched - place).abs().max()))
            if radius >= centre - step:
                break  # too small an image
        else:
            return radius
        side *= 2
    return math.inf
