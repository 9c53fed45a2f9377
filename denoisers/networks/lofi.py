"""LoFi, the local field: an image as a network of coordinates that reads a small patch around each of them."""

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from ..base import check_images
from .lofi_filter import NoiseFilter
from .lofi_geometry import PatchGeometry, circle_offsets, pixel_coordinates, sample

__all__ = ["LoFi", "MultiMLP", "PatchFinder", "mlp"]


def mlp(inputs: int, hidden: int, layers: int, outputs: int) -> nn.Sequential:
    """Linear layers with ReLU between them: ``layers`` hidden ones of ``hidden`` units, the last one linear.

    >>> len(mlp(2, 256, 3, 2))
    7
    """
    sizes = [inputs] + [hidden] * layers
    body: list[nn.Module] = []
    for a, b in zip(sizes, sizes[1:], strict=False):
        body += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*body, nn.Linear(sizes[-1], outputs))


class MultiMLP(nn.Module):
    r"""One MLP per angle, each reading all rings and channels along its spoke, and one MLP that mixes their answers.

    (P, N, M, C) -> (P, outputs): P patches of N rings x M angles. Large neighbourhoods stay cheap because the first
    layers' cost grows with the patch, not with its square. Khorashadizadeh et al. 2024, arXiv:2411.04995, III-A.

    >>> MultiMLP((9, 9), 1, 1)(torch.zeros(5, 9, 9, 1)).shape
    torch.Size([5, 1])
    """

    def __init__(self, shape: tuple[int, int], channels: int, outputs: int, *, width: int = 370, code: int = 100):
        super().__init__()
        rings, angles = shape
        self.spokes = nn.ModuleList(mlp(rings * channels, width, 3, code) for _ in range(angles))
        self.mixer = mlp(angles * code, width, 3, outputs)

    def forward(self, patch: Tensor) -> Tensor:
        codes = [spoke(patch[:, :, m].flatten(1)) for m, spoke in enumerate(self.spokes)]
        return self.mixer(torch.cat(codes, -1))


class PatchFinder(nn.Module):
    """Coordinate-conditioned patch geometry: T small MLPs that look at the patch and say where to look next.

    patch (P, K C) -> offsets (P, K, 2) in the units of :class:`PatchGeometry`. arXiv:2411.04995, III-C.

    >>> PatchFinder(81, 1).steps
    3
    """

    def __init__(self, points: int, channels: int, *, steps: int = 3, width: int = 128) -> None:
        super().__init__()
        self.steps = steps
        self.looks = nn.ModuleList(mlp(points * channels, width, 3, points * 2) for _ in range(steps))


class LoFi(nn.Module):
    r"""Local field: the image value at a continuous coordinate from the patch of the observed image around it.

    .. math:: \hat x(c) = \mathrm{NN}_\theta\big(\{y(c + p_{nm})\}_{nm}\big)

    Images (B, C, H, W) and coordinates (P, 2) or (B, P, 2), as (row, column) in [-0.5, 0.5], give (B, C_out, P);
    without coordinates the whole image is evaluated, (B, C_out, H, W). The patch keeps its size in pixels, so one
    network serves every resolution, and training on a few coordinates of an image needs memory for these only.

    Args:
        network: patches (P, N, M, C') -> (P, C_out), such as :class:`MultiMLP`.
        geometry: where the patch's N x M points lie.
        noise_filter: learnable Fourier filter ahead of the patch; its output joins the observed image as channels.
        finder: coordinate-conditioned geometry, used in place of the learned one.
        warp: map of coordinates (P, 2) -> (P, 2) (INR-LoFi), which learns where an image is displaced.
        residual: the network predicts what is to be subtracted from the observed value.

    Khorashadizadeh, Liaudat, Liu, McEwen, Dokmanić 2024, arXiv:2411.04995.

    >>> model = LoFi.paper()
    >>> model(torch.zeros(1, 1, 32, 32), torch.tensor([[0.0, 0.1]])).shape
    torch.Size([1, 1, 1])
    """

    def __init__(
        self,
        network: nn.Module,
        geometry: PatchGeometry,
        *,
        noise_filter: NoiseFilter | None = None,
        finder: PatchFinder | None = None,
        warp: nn.Module | None = None,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.geometry = geometry
        self.noise_filter = noise_filter
        self.finder = finder
        self.warp = warp
        self.residual = residual

    @classmethod
    def paper(
        cls,
        channels: int = 1,
        outputs: int | None = None,
        *,
        size: int = 128,
        filtered: str | None = None,
        finder_steps: int = 0,
        warped: bool = False,
    ) -> "LoFi":
        """The paper's network: 9 circles x 9 points out to 1.98 px, MultiMLP of width 370, direct output.

        Args:
            channels: channels of the observed image.
            outputs: channels of the answer; default: as many.
            size: side of the training images, which fixes the Fourier filter and the radius (size - 1) / size * 2 px.
            filtered: ``None``; ``"real"``: one filter a channel (LDCT, CelebA); ``"pair"``: the two channels are one
                complex image (mass mapping).
            finder_steps: T of the coordinate-conditioned geometry, 3 in the paper; 0: none.
            warped: add INR-LoFi's coordinate network.

        >>> sum(p.numel() for p in LoFi.paper().parameters())
        3446504
        """
        unit = (size - 1) / 2  # the paper's grid has length 2 over size - 1 pixels
        geometry = PatchGeometry(circle_offsets(9, 9, 8 / (2 * size) * unit), unit=unit)
        noise_filter = None if filtered is None else NoiseFilter(size, channels, layout=filtered)
        seen = channels + (0 if noise_filter is None else noise_filter.outputs)
        return cls(
            MultiMLP((9, 9), seen, channels if outputs is None else outputs),
            geometry,
            noise_filter=noise_filter,
            finder=PatchFinder(81, seen, steps=finder_steps) if finder_steps else None,
            warp=mlp(2, 256, 3, 2) if warped else None,
        )

    def forward(self, image: Tensor, coordinates: Tensor | None = None, *, max_memory: float = 512e6) -> Tensor:
        """Evaluate at ``coordinates``, or on every pixel in chunks that need about ``max_memory`` bytes."""
        check_images(image)
        field = image if self.noise_filter is None else torch.cat((self.noise_filter(image), image), 1)
        if coordinates is not None:
            return self._query(field, coordinates)
        grid = pixel_coordinates((image.shape[-2], image.shape[-1]), device=image.device, dtype=image.dtype)
        chunks = grid.split(self.chunk_size(field, max_memory))
        values = self._query(field, chunks[0])
        if torch.is_grad_enabled():
            values = torch.cat((values, *(self._query(field, c) for c in chunks[1:])), -1)
        elif len(chunks) > 1:  # one tensor for all: small ones between large ones keep the allocator from giving back
            first, values = values, values.new_empty(*values.shape[:-1], len(grid))
            for part, c in zip(values.split(len(chunks[0]), -1), chunks):
                part.copy_(first if c is chunks[0] else self._query(field, c))
        return rearrange(values, "b c (h w) -> b c h w", h=image.shape[-2])

    def chunk_size(self, field: Tensor, max_memory: float) -> int:
        """Number of coordinates that one pass may hold under ``max_memory`` bytes, at least 1."""
        if not max_memory > 0:
            raise ValueError(f"max_memory: expected a positive number of bytes, got {max_memory}")
        batch, channels = field.shape[:2]
        points = math.prod(self.geometry.shape)
        widths = [m.out_features for m in self.network.modules() if isinstance(m, nn.Linear)]
        floats = points * (3 * channels + 6) + 3 * sum(widths)  # patch and its coordinates, layers with their ReLU
        limit = int(max_memory / (field.element_size() * batch * floats))
        return max(1, min(16384, limit))  # beyond that a chunk leaves the caches and gains nothing

    def _query(self, field: Tensor, coordinates: Tensor) -> Tensor:
        """Value at coordinates (P, 2) or (B, P, 2) of the field (filtered and observed channels)."""
        batch, height, width = field.shape[0], *field.shape[-2:]
        if coordinates.shape[-1] != 2 or coordinates.ndim not in (2, 3):
            raise ValueError(f"coordinates: expected (P, 2) or (B, P, 2), got {tuple(coordinates.shape)}")
        if self.warp is not None:
            coordinates = self.warp(coordinates)
        centre = (coordinates.to(field.dtype) + 0.5) * coordinates.new_tensor([height - 1, width - 1])
        centre = centre.expand(batch, *centre.shape[-2:])[:, :, None]  # (B, P, 1, 2) in pixels
        patch = self._patch(field, centre)
        rings, angles = self.geometry.shape
        value = self.network(rearrange(patch, "b p (n m) c -> (b p) n m c", n=rings, m=angles))
        value = rearrange(value, "(b p) c -> b c p", b=batch)
        if self.residual:
            observed = sample(field[:, -value.shape[1] :], centre)[:, :, 0]
            value = rearrange(observed, "b p c -> b c p") - value
        return value

    def _patch(self, field: Tensor, centre: Tensor) -> Tensor:
        """Patches (B, P, K, C) around centres (B, P, 1, 2)."""
        patch = sample(field, centre + self.geometry.pixels().flatten(0, 1))
        if self.finder is None:
            return patch
        for look in self.finder.looks:
            offsets = rearrange(look(patch.flatten(2)), "b p (k d) -> b p k d", d=2)
            patch = sample(field, centre + self.geometry.pixels(offsets))
        return patch
