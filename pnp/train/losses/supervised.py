"""Losses: functions of an estimate and its target, (B, C, H, W) each, to a mean over the samples."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Clamped", "FourierLoss", "PerceptualLoss", "SSIMLoss", "WeightedSum", "vgg_features"]

Loss = Callable[[Tensor, Tensor], Tensor]


def check_alike(x: Tensor, target: Tensor, *, loss: str | None = None) -> None:
    """Raise where shapes differ, which would be stretched to each other, or a ``loss`` of real images sees others."""
    if x.shape != target.shape:
        raise ValueError(f"x, target: shapes differ, {tuple(x.shape)} and {tuple(target.shape)}")
    if loss is not None and (x.is_complex() or target.is_complex()):
        raise TypeError(f"x, target: {loss} is for real images; compare magnitudes, x.abs(), or parts")


class SSIMLoss(nn.Module):
    r"""1 - structural similarity, with uniform windows inside the image.

    .. math:: 1 - \mathrm{mean}\, \frac{(2 \mu_x \mu_y + c_1) (2 \sigma_{xy} + c_2)}
                   {(\mu_x^2 + \mu_y^2 + c_1) (\sigma_x^2 + \sigma_y^2 + c_2)}, \quad c_1 = (0.01 R)^2, c_2 = (0.03 R)^2

    Args:
        window: side of the windows; 7 in fastMRI.
        stride: 1: sliding; ``window``: blocks side by side, as in the IPPy course (window 11), which leave out what is
            left over at the right and lower border.
        unbiased: covariances over n - 1 (fastMRI, scikit-image) or over n (the IPPy course).
        data_range: R, the span of intensities; a number or (B,).

    The middle of the target's range is taken off before squares are taken, so that images far from zero keep their
    digits; half precision is computed in single.

    Raises:
        ValueError: a window of fewer than two pixels, no stride, a range that is not positive; shapes that differ,
            images smaller than the window. TypeError: complex images.

    Wang et al. 2004, doi:10.1109/TIP.2003.819861.

    >>> x = torch.rand(1, 1, 22, 22)
    >>> SSIMLoss()(x, x).item(), SSIMLoss.blocks()(x, x).item()
    (0.0, 0.0)
    """

    def __init__(
        self, window: int = 7, *, stride: int = 1, unbiased: bool = True, data_range: float | Tensor = 1.0
    ) -> None:
        super().__init__()
        if window < 2 or stride < 1:
            raise ValueError(f"window, stride: expected at least 2 and 1 pixels, got {window} and {stride}")
        if not bool((torch.as_tensor(data_range) > 0).all()):
            raise ValueError(f"data_range: expected positive numbers, got {data_range}")
        self.window, self.stride, self.unbiased, self.data_range = window, stride, unbiased, data_range

    @classmethod
    def blocks(cls, window: int = 11) -> "SSIMLoss":
        """The course's: windows side by side, biased covariances."""
        return cls(window, stride=window, unbiased=False)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        check_alike(x, target, loss="SSIMLoss")
        if x.ndim != 4 or min(x.shape[-2:]) < self.window:
            raise ValueError(
                f"x: expected images (B, C, H, W) as large as a window of {self.window}, got {tuple(x.shape)}"
            )
        dtype = torch.promote_types(torch.promote_types(x.dtype, target.dtype), torch.float32)
        x, target = x.to(dtype), target.to(dtype)
        count = self.window**2
        bias = count / (count - 1) if self.unbiased else 1.0
        span = torch.as_tensor(self.data_range, dtype=dtype, device=x.device).reshape(-1, 1, 1, 1)
        c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2

        def mean(v: Tensor) -> Tensor:
            return F.avg_pool2d(v, self.window, self.stride)

        middle = (target.detach().amax((-2, -1), keepdim=True) + target.detach().amin((-2, -1), keepdim=True)) / 2
        x, target = x - middle, target - middle
        mx, my = mean(x), mean(target)
        vx, vy = bias * (mean(x * x) - mx * mx), bias * (mean(target * target) - my * my)
        vxy = bias * (mean(x * target) - mx * my)
        mx, my = mx + middle, my + middle
        value = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
        return 1 - value.mean()


class FourierLoss(nn.Module):
    r"""Distance of the orthonormal spectra, mean over frequencies: :math:`|H (F x - F y)|^p` of the complex
    difference (the IPPy course's text), or :math:`\big||Fx| - |Fy|\big|^p` of the magnitudes (its code). Real or
    complex images.

    Args:
        magnitude: compare magnitudes; phases, so places, do not count then.
        cutoff: frequencies below this many cycles per pixel, 0 to 0.5, are left out, H; 0: none.
        power: p, at least 1 (below it the derivative at zero is infinite); the IPPy course's are 1 and 2.

    Raises:
        ValueError: ``cutoff`` or ``power`` is out of range; shapes that differ.

    Evangelista, Computational imaging, chapter "End-to-End Image Reconstruction methods", and the library IPPy of the
    course, github.com/devangelista2/IPPy.

    By Parseval's theorem the complex distance without cutoff and p = 2 is the mean squared error:

    >>> x, y = torch.rand(2, 1, 1, 8, 8)
    >>> bool(torch.isclose(FourierLoss()(x, y), F.mse_loss(x, y)))
    True
    """

    def __init__(self, *, magnitude: bool = False, cutoff: float = 0.0, power: float = 2.0) -> None:
        super().__init__()
        if not 0 <= cutoff <= 0.5:
            raise ValueError(f"cutoff: expected 0 to 0.5 cycles per pixel, got {cutoff}")
        if not power >= 1:
            raise ValueError(f"power: expected at least 1, got {power}")
        self.magnitude, self.cutoff, self.power = magnitude, cutoff, power

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        check_alike(x, target)
        a, b = torch.fft.fft2(x, norm="ortho"), torch.fft.fft2(target, norm="ortho")
        distance = (a.abs() - b.abs()).abs() if self.magnitude else (a - b).abs()
        if self.cutoff:
            rows, columns = (torch.fft.fftfreq(n, device=x.device, dtype=distance.dtype) for n in x.shape[-2:])
            distance = distance * (torch.hypot(rows[:, None], columns[None]) >= self.cutoff)
        return distance.pow(self.power).mean()


class PerceptualLoss(nn.Module):
    r"""Distance of features, :math:`\sum_l \lambda_l \,\mathrm{mean} |\phi_l(x) - \phi_l(y)|^2`.

    Args:
        features: a module, images (B, 3, H, W) -> features or a list of them; it is frozen. See :func:`vgg_features`.
        weights: one for each feature map.

    Gray images are repeated to three channels; no mean is taken off, as in the IPPy course. Johnson, Alahi, Fei-Fei
    2016, doi:10.1007/978-3-319-46475-6_43.

    >>> x = torch.rand(1, 1, 8, 8)
    >>> PerceptualLoss(nn.Conv2d(3, 4, 3))(x, x).item()
    0.0
    """

    def __init__(self, features: nn.Module, weights: Sequence[float] = (1.0,)) -> None:
        super().__init__()
        self.features = features.eval().requires_grad_(False)
        self.weights = tuple(weights)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        check_alike(x, target, loss="PerceptualLoss")
        maps = []
        for image in (x, target):
            seen = self.features(image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image)
            maps.append([seen] if isinstance(seen, Tensor) else list(seen))
        if len(maps[0]) != len(self.weights):
            raise ValueError(f"weights: {len(self.weights)} for {len(maps[0])} feature maps")
        return torch.stack([w * F.mse_loss(a, b) for w, a, b in zip(self.weights, *maps)]).sum()


def vgg_features() -> nn.Module:
    """VGG16 of ImageNet up to its third layer of the third block (16 modules of torchvision, which loads the weights
    from its cache or the network), as in the course.

    Raises:
        ImportError: torchvision is missing.
    """
    try:
        from torchvision.models import VGG16_Weights, vgg16
    except ImportError as error:
        raise ImportError("vgg_features needs torchvision: pip install torchvision") from error
    return nn.Sequential(*list(vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features.children())[:16])


class WeightedSum(nn.Module):
    """Sum of losses with weights.

    >>> loss = WeightedSum((1.0, F.mse_loss), (0.2, SSIMLoss()), (0.1, FourierLoss(magnitude=True)))
    >>> x = torch.rand(1, 1, 8, 8)
    >>> loss(x, x).item()
    0.0
    """

    def __init__(self, *terms: tuple[float, Loss]) -> None:
        super().__init__()
        self.terms = terms
        self.modules_ = nn.ModuleList(loss for _, loss in terms if isinstance(loss, nn.Module))

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        check_alike(x, target)
        return torch.stack([weight * loss(x, target) for weight, loss in self.terms]).sum()


class Clamped(nn.Module):
    """A loss of the estimate clamped to [0, 1], as the released Mixer is trained: no gradient where it saturates.

    >>> Clamped(F.mse_loss)(torch.full((1, 1, 1, 1), 1.5), torch.ones(1, 1, 1, 1)).item()
    0.0
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        check_alike(x, target, loss="Clamped")
        return self.loss(x.clamp(0, 1), target)
