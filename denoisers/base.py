"""What a denoiser is: a module with ``forward(x, sigma)`` and the noise range it was trained on."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .modes import Lasting, holds, is_trusted

__all__ = ["CallableDenoiser", "Denoiser", "Wrapper", "as_denoiser", "sigma_column"]


def sigma_column(sigma: float | Tensor, x: Tensor) -> Tensor:
    """Noise level as a column that broadcasts against images, (B, 1, 1, 1), in the precision of ``x``.

    Args:
        sigma: noise standard deviation in the units of ``x``, >= 0: a number or one value per sample, (B,).
        x: images (B, C, H, W).

    Raises:
        TypeError: ``sigma`` is not a number. ValueError: it is negative, not finite, or has neither 1 nor B values.

    >>> sigma_column(0.1, torch.zeros(2, 1, 4, 4)).shape
    torch.Size([2, 1, 1, 1])
    """
    if torch.is_tensor(sigma) and torch.is_complex(sigma):
        raise ValueError("sigma: a noise level is real, got a complex tensor")
    try:
        s = torch.as_tensor(sigma, dtype=x.real.dtype, device=x.device).reshape(-1)
    except (TypeError, ValueError, RuntimeError) as error:  # torch's own, which depends on what it is
        raise TypeError(f"sigma: expected a number or a tensor of them, got {sigma!r}") from error
    if s.numel() not in (1, x.shape[0]):
        raise ValueError(f"sigma: expected one value or {x.shape[0]} (one per sample), got {s.numel()}")
    if not is_trusted(s) and holds((s.detach() >= 0) & torch.isfinite(s.detach())) is False:
        raise ValueError(f"sigma: a noise level is finite and not negative, got {s.detach().tolist()}")
    return s.expand(x.shape[0]).reshape(-1, 1, 1, 1)


def check_images(x: Tensor, channels: int | None = None) -> None:
    """Raise unless ``x`` is a non-empty batch of real floating images (B, C, H, W) with ``channels`` channels."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x: expected a torch.Tensor, got {type(x).__name__}")
    if x.is_complex():
        raise TypeError("x: this denoiser works on real images; wrap it (solvers do) or pass real and imaginary part")
    if not x.is_floating_point():
        raise TypeError(f"x: expected floating point images, got {x.dtype}")
    if x.ndim != 4:
        raise ValueError(f"x: expected images of shape (B, C, H, W), got {tuple(x.shape)}")
    if x.numel() == 0:
        raise ValueError(f"x: empty batch or image, shape {tuple(x.shape)}")
    if channels is not None and x.shape[1] != channels:
        raise ValueError(f"x: this denoiser takes {channels} channel(s), got {x.shape[1]} in {tuple(x.shape)}")


class Denoiser(nn.Module, metaclass=Lasting):
    r"""Base of all denoisers: an estimate of :math:`x` from :math:`x + \sigma n`, :math:`n \sim N(0, I)`.

    Attributes:
        sigma_range: (lowest, highest) noise standard deviation seen in training, in the denoiser's own
            intensity units; ``None`` when every level is fine (classical methods).
        channels: number of channels the denoiser takes; ``None`` for any.
        intensity_range: the intensities seen in training, (low, high); ``None`` when the denoiser commutes with
            every affine change of units, ``D(a x + b, a sigma) = a D(x, sigma) + b`` for a > 0.
        own_units: whether it is a prior of images in physical units of their own, sigma included; solvers then leave
            intensities as they are and give the prior the weight that Bayes gives it.
        takes_complex: whether it takes complex images itself; solvers hand real and imaginary part to others.
        caution: what a solver should say of it where it does not converge; nothing: "".

    >>> class Shrink(Denoiser):
    ...     def forward(self, x, sigma):
    ...         return x / (1 + sigma_column(sigma, x) ** 2)
    >>> Shrink()(torch.ones(1, 1, 2, 2), 1.0).mean().item()
    0.5
    """

    sigma_range: tuple[float, float] | None = None
    channels: int | None = None
    intensity_range: tuple[float, float] | None = (0.0, 1.0)
    own_units: bool = False
    takes_complex: bool = False
    caution: str = ""

    def at_iteration(self, step: int) -> "Denoiser":
        """The denoiser of a solver's iteration: itself, but for those that draw something for each."""
        return self

    def compiled(self, **options: Any) -> "Denoiser":
        """The denoiser with its network compiled by ``torch.compile(..., **options)``; itself where it has none that
        is evaluated as it stands."""
        return self

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W) that carry white noise of standard deviation ``sigma``, float or (B,)."""
        raise NotImplementedError("a denoiser writes forward(x, sigma)")


class CallableDenoiser(Denoiser):
    """Any function ``(x, sigma) -> x`` as a denoiser (also deepinv's, whose argument order is the same).

    >>> CallableDenoiser(lambda x, sigma: x / 2)(torch.ones(1, 1, 1, 1), 0.1).item()
    0.5
    """

    def __init__(self, function: Callable[[Tensor, float | Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def compiled(self, **options: Any) -> "Denoiser":
        """The same with the function compiled."""
        return CallableDenoiser(torch.compile(self.function, **options))

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return self.function(x, sigma)


def as_denoiser(obj: Callable[..., Tensor]) -> Denoiser:
    """``obj`` as a :class:`Denoiser`: itself if it is one, else a wrapper around any callable ``(x, sigma)``.

    Raises:
        TypeError: ``obj`` cannot be called.

    >>> as_denoiser(lambda x, sigma: x).sigma_range is None
    True
    """
    if isinstance(obj, Denoiser):
        return obj
    if isinstance(obj, type):
        raise TypeError(f"denoiser: got the class {obj.__name__}; make an instance, {obj.__name__}()")
    if isinstance(obj, str):
        raise TypeError(
            f"denoiser: expected a denoiser, got {obj!r}; weights go by name into one, LoFiDenoiser({obj!r})"
        )
    if hasattr(obj, "A_adjoint"):
        raise TypeError("denoiser: got an operator; the order is solver(op, denoiser)")
    if not callable(obj):
        raise TypeError(f"denoiser: expected a callable (x, sigma) -> x, got {type(obj).__name__}")
    try:
        inspect.signature(obj.forward if isinstance(obj, nn.Module) else obj).bind(None, None)
    except TypeError as error:
        name = type(obj).__name__
        raise TypeError(
            f"denoiser: {name} does not take (x, sigma); a network of images only goes in as lambda x, sigma: net(x)"
        ) from error
    except ValueError:  # no signature to be seen
        pass
    return CallableDenoiser(obj)


class Wrapper(Denoiser):
    """A denoiser around another one, which may be any callable; what is known of the inner one holds of it.

    Levels, channels, intensities, units and complex images are taken over, and where there are any the radius of the
    receptive field and the card of the weights; a subclass changes what is different.

    >>> class Twice(Wrapper):
    ...     def forward(self, x, sigma):
    ...         return self.denoiser(self.denoiser(x, sigma), sigma)
    >>> Twice(lambda x, sigma: x / 2)(torch.ones(1, 1, 1, 1), 0.1).item()
    0.25
    """

    def __init__(self, denoiser: Callable[..., Tensor]) -> None:
        super().__init__()
        inner = self.denoiser = as_denoiser(denoiser)
        for name in ("sigma_range", "channels", "intensity_range", "own_units", "takes_complex", "caution", "radius",
                     "card"):  # fmt: skip
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))

    def at_iteration(self, step: int) -> "Denoiser":
        """Around the inner denoiser of that iteration."""
        return self._around(self.denoiser.at_iteration(step))

    def compiled(self, **options: Any) -> "Denoiser":
        """Around the inner denoiser, compiled."""
        return self._around(self.denoiser.compiled(**options))

    def _around(self, inner: Denoiser) -> "Denoiser":
        if inner is self.denoiser:
            return self
        other = copy.copy(self)
        other._modules = {**self._modules, "denoiser": inner}
        return other

    def check(self, x: Tensor) -> None:
        """Raise unless ``x`` is a batch of images that the inner denoiser takes."""
        complex = self.takes_complex and isinstance(x, Tensor)
        check_images(x.real if complex else x, self.channels)
