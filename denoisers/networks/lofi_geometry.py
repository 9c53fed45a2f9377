"""Where LoFi looks: continuous coordinates, patch offsets around them, differentiable sampling of the image there."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PatchGeometry", "circle_offsets", "pixel_coordinates", "sample", "square_offsets"]


def pixel_coordinates(image_shape: tuple[int, int], *, device=None, dtype=None) -> Tensor:
    """Coordinates of all pixels of an H x W image, (H W, 2), as (row, column) in [-0.5, 0.5], both ends included.

    The first and last pixel centre lie at -0.5 and 0.5: pixel p of H has the coordinate p / (H - 1) - 0.5.

    >>> pixel_coordinates((1, 3))[:, 1].tolist()
    [-0.5, 0.0, 0.5]
    """
    axes = [
        torch.linspace(-0.5, 0.5, n, device=device, dtype=dtype)
        if n > 1
        else torch.zeros(1, device=device, dtype=dtype)
        for n in image_shape
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)


def sample(image: Tensor, points: Tensor) -> Tensor:
    """Bicubic values of images (B, C, H, W) at ``points`` (B, P, K, 2) -> (B, P, K, C), differentiable in both.

    ``points`` are (row, column) in pixels, (0, 0) being the centre of the first pixel. Outside the image it is
    mirrored about the centre of its edge pixels. Keys' kernel with a = -0.75 (doi:10.1109/TASSP.1981.1163711).

    >>> image = torch.arange(12.0).reshape(1, 1, 3, 4)
    >>> sample(image, torch.tensor([[[[1.0, 2.0]]]])).item()
    6.0
    """
    height, width = image.shape[-2:]
    extent = points.new_tensor([max(height - 1, 1), max(width - 1, 1)])
    grid = (2 * points / extent - 1).flip(-1)  # grid_sample wants (x, y) in [-1, 1]
    values = F.grid_sample(image, grid, mode="bicubic", padding_mode="reflection", align_corners=True)
    return values.permute(0, 2, 3, 1)  # (B, P, K, C)


def circle_offsets(rings: int, angles: int, radius: float) -> Tensor:
    """Offsets (rings, angles, 2) in pixels on concentric circles of radius 0 ... ``radius``; ring 0 is the centre.

    >>> circle_offsets(3, 4, 2.0)[2, 0].tolist()
    [2.0, 0.0]
    """
    r = torch.linspace(0, radius, rings)[:, None] if rings > 1 else torch.zeros(1, 1)
    angle = 2 * math.pi * torch.arange(angles) / angles
    return torch.stack((r * angle.cos(), r * angle.sin()), -1)


def square_offsets(rows: int, columns: int, radius: float) -> Tensor:
    """Offsets (rows, columns, 2) in pixels on a regular grid that spans -``radius`` ... ``radius`` on both axes.

    >>> square_offsets(3, 3, 1.0)[0, 0].tolist()
    [-1.0, -1.0]
    """
    axes = [torch.linspace(-radius, radius, n) if n > 1 else torch.zeros(1) for n in (rows, columns)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


class PatchGeometry(nn.Module):
    r"""Learnable patch: the offsets, in pixels, of the N x M points that a coordinate network sees around its target.

    .. math:: p_{nm}(c) = c + s\,u\,\delta_{nm}

    with learnable offsets :math:`\delta` and scale s. ``unit`` u only sets the pace of learning, since an optimiser
    such as Adam moves :math:`\delta` by about its learning rate: pixels per unit of :math:`\delta`.

    Args:
        offsets: initial offsets (N, M, 2) in pixels, such as :func:`circle_offsets`, :func:`square_offsets`, or
            your own.
        unit: pixels per unit of the stored parameter; the paper's code works on a 128-pixel grid of length 2, 63.5.

    >>> PatchGeometry(circle_offsets(9, 9, 1.984)).pixels().shape
    torch.Size([9, 9, 2])
    """

    def __init__(self, offsets: Tensor, *, unit: float = 1.0) -> None:
        super().__init__()
        if offsets.ndim != 3 or offsets.shape[-1] != 2:
            raise ValueError(f"offsets: expected shape (N, M, 2), got {tuple(offsets.shape)}")
        self.unit = unit
        self.offsets = nn.Parameter(offsets.detach().clone() / unit)
        self.scale = nn.Parameter(torch.ones(1))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rings N and of angles M."""
        return self.offsets.shape[0], self.offsets.shape[1]

    def pixels(self, offsets: Tensor | None = None) -> Tensor:
        """``offsets`` (default: the learned ones) in pixels of whatever image is looked at."""
        return self.scale * self.unit * (self.offsets if offsets is None else offsets)
