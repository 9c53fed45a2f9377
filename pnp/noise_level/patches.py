"""Noise of images from their small patches: what no image fills, noise does."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["chi2_quantile", "residues", "smallest_variance", "smoothest_blocks"]

_SIDE = 5
_MOST = 65_536  # patches that are looked at
_FEWEST = 400
_HELD = 1e-4


def smallest_variance(x: Tensor, noise: Tensor, whole: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Deviation of white noise in images (B, C, H, W), over that in two images ``noise`` (2, C, H, W), which hold
    noise and nothing else, (B,), and the deviation that a quarter of directions do not exceed, (B,); both infinite
    where there are too few patches.

    .. math:: \hat\sigma^2 = \lambda_{\min}(\Sigma_x, \Sigma_1) / \lambda_{\min}(\Sigma_2, \Sigma_1)

    the least generalised eigenvalue of the covariances of 5 x 5 patches, whose means are subtracted: images have
    little in some combination of neighbouring pixels, white noise the same in all. Of the patches the smoother half
    counts, so that edges do not. The least eigenvalue of the second noise is below one for want of patches. Where other
    eigenvalues are like the least, the patches hold noise and no texture.

    Args:
        whole: (B, C, H, W) booleans, pixels that count; patches with others are left out.

    Pyatykh, Hesser, Zheng 2013, doi:10.1109/TIP.2012.2221728; Liu, Tanaka, Okutomi 2013, doi:10.1109/TIP.2013.2283400.
    """
    white, bias, found = None, x.new_ones(2, dtype=torch.float64), []
    for i, one in enumerate(x):
        there = None if whole is None else whole[i if len(whole) > 1 else 0]
        covariance, count = _covariance(_patches(one, there))
        if count < _FEWEST:
            found.append(one.new_full((2,), math.inf))
            continue
        if white is None or there is not None:
            first, second = (_covariance(_patches(n, there))[0] for n in noise)
            white = _whitening(first)
            bias = _eigenvalues(second, white)
        found.append((_eigenvalues(covariance, white) / bias).clamp_min(0).sqrt().to(one.dtype))
    least, most = torch.stack(found).unbind(1)
    return least, most


def _whitening(covariance: Tensor) -> Tensor:
    """Its directions over the roots of their eigenvalues, but for those that hold next to no noise, only rounding."""
    values, vectors = torch.linalg.eigh(covariance)
    held = values > _HELD * values[-1]
    return vectors[:, held] / values[held].sqrt()


def _eigenvalues(covariance: Tensor, white: Tensor) -> Tensor:
    """The least, and the one at a quarter."""
    values = torch.linalg.eigvalsh(white.mT @ covariance @ white)
    return torch.stack((values[0], values[len(values) // 4]))


def _patches(x: Tensor, whole: Tensor | None) -> list[Tensor]:
    """Patches (n, 24) of each channel of (C, H, W): but for their means, in an orthonormal basis."""
    if min(x.shape[-2:]) < _SIDE:
        return []
    count = x.shape[0] * (x.shape[-2] - _SIDE + 1) * (x.shape[-1] - _SIDE + 1)
    stride = max(1, math.isqrt(count // _MOST))
    basis, found = _without_mean(_SIDE**2).to(x.device), []
    for k, channel in enumerate(x.double()):  # one by one: patches hold 25 times an image
        unfolded = F.unfold(channel[None, None], _SIDE, stride=stride)[0].mT
        if whole is not None:
            counts = F.unfold(whole[k][None, None].double(), _SIDE, stride=stride)[0].mT
            unfolded = unfolded[counts.amin(1) > 0]
        found.append(unfolded @ basis)
    return found


def _without_mean(n: int) -> Tensor:
    """Orthonormal basis (n, n - 1) of vectors of mean zero."""
    first = torch.ones(n, 1, dtype=torch.float64, device="cpu")
    return torch.linalg.qr(torch.cat((first, torch.eye(n, dtype=torch.float64, device="cpu")[:, : n - 1]), 1)).Q[:, 1:]


def _covariance(patches: list[Tensor]) -> tuple[Tensor, int]:
    """Of the half of the patches that varies less, channel by channel, which takes no second copy of them; and how many
    patches there are."""
    count = sum(len(some) for some in patches)
    if not count:
        return torch.zeros(0, device="cpu"), 0
    energies = [torch.linalg.vecdot(some, some) for some in patches]
    middle = torch.cat(energies).median()
    smooth = [some[energy <= middle] for some, energy in zip(patches, energies)]
    total = torch.stack([some.mT @ some for some in smooth]).sum(0)
    return total / sum(len(some) for some in smooth), count


def smoothest_blocks(x: Tensor, measured: Tensor, *, smooth: float = 0.02) -> Tensor:
    r"""Deviation of white noise in images (B, C, H, W) of which only some pixels are ``measured``, (B,); infinite
    where too few are.

    Quadratic surfaces are fitted to the measured pixels of blocks (to smaller blocks of small images, planes of tiny
    ones). The
    residues of n pixels are :math:`\sigma^2` times :math:`\chi^2_{n - 6}` where the image is smooth, more elsewhere;
    the estimate lets the share ``smooth`` of the blocks, but at least ten, lie below that quantile.
    """
    found = []
    for one, there in zip(x.double(), measured):
        share = float(there.double().mean())
        degree, side = 2, max(8, math.ceil(math.sqrt(20 / max(share, 1e-6))))
        if one[0].numel() < 200 * side**2:
            side = max(6, math.ceil(math.sqrt(12 / max(share, 1e-6))))
        if one[0].numel() < 30 * side**2:
            degree, side = 1, max(4, math.ceil(math.sqrt(9 / max(share, 1e-6))))
        if min(one.shape[-2:]) < side:
            found.append(x.new_full((), math.inf))
            continue
        squares, freedom = residues(one, there.double(), side, degree)
        if len(squares) < 5:
            found.append(x.new_full((), math.inf))
            continue
        share = min(max(smooth, 10 / len(squares)), 0.5)
        found.append((squares / chi2_quantile(freedom, share)).quantile(share).clamp_min(0).sqrt().to(x.dtype))
    return torch.stack(found)


def residues(x: Tensor, measured: Tensor, side: int, degree: int) -> tuple[Tensor, Tensor]:
    """Sums of squares of each block's residues, and their degrees of freedom."""
    t = torch.linspace(-1, 1, side, dtype=torch.float64, device=x.device)
    rows, columns = (v.flatten() for v in torch.meshgrid(t, t, indexing="ij"))
    basis = torch.stack([rows**i * columns**j for i in range(degree + 1) for j in range(degree + 1 - i)], 1)
    basis = torch.linalg.qr(basis).Q
    count = x.shape[-2] * x.shape[-1] / side**2
    stride = max(side // 2, side * math.isqrt(int(count / 16_384)))
    values, there = (
        F.unfold(v[:, None], side, stride=stride).movedim(1, -1).flatten(0, 1) for v in (x * measured, measured)
    )
    enough = there.sum(1) >= basis.shape[1] + 4
    values, there = values[enough], there[enough]
    gram = torch.einsum("kp,lk,kq->lpq", basis, there, basis)
    gram = gram + 1e-9 * torch.eye(basis.shape[1], dtype=gram.dtype, device=gram.device)
    projected = values @ basis
    fitted = torch.linalg.solve(gram, projected[..., None])[..., 0]
    return values.square().sum(1) - (projected * fitted).sum(1), there.sum(1) - basis.shape[1]


def chi2_quantile(freedom: Tensor, probability: float) -> Tensor:
    """Wilson, Hilferty 1931, doi:10.1073/pnas.17.12.684: to 2 % for four degrees of freedom."""
    ninth = 2 / (9 * freedom)
    return freedom * (1 - ninth + torch.special.ndtri(torch.full_like(freedom, probability)) * ninth.sqrt()) ** 3
