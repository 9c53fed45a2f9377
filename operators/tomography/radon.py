"""Parallel-beam tomography by the Fourier slice theorem."""

import math
from collections.abc import Iterator
from typing import Any, Literal, Unpack

import torch
from torch import Tensor

from ..base import LinearOperator
from ..doubts import Doubt, Variant
from ..fourier.nufft import NUFFT, EngineOptions
from ..fourier.toeplitz import Toeplitz, fast_length
from ..modes import constant, lasting
from ..shapes import check_batch, check_factor, image_axes
from .angles import check_angles
from .consistency import exchanged, inconsistent, sees_all
from .fbp import angle_weights, continued, filter_sinogram, one_sided, warn_of_cut, warn_of_wedge
from .field_of_view import beyond, covering, too_small
from .footprint import disc, sinc
from .rays import BinMeans
from .shifts import check_shift, each_view, largest_shift, mean_shift
from .stripes import uneven_bins
from .view_weights import ViewWeights

__all__ = ["Radon", "sinc"]


class Radon(LinearOperator):
    r"""Line integrals of an image over parallel rays, averaged over detector bins,

    .. math:: p(\theta, s) = \int f(x, y)\, \delta(x \cos\theta + y \sin\theta - s)\, dx\, dy

    from images (B, C, H, W), real, to sinograms (B, C, angles, detectors). Pixels are squares of constant value; x
    points right and y up, both from the image's centre, so the first axis of the array runs against y; bin j is
    centred at :math:`s_j = (j - (D - 1)/2)\,\mathrm{spacing} + \mathrm{offset}`.

    The spectrum of a projection is a central slice of the image's: a :class:`NUFFT` gives it at polar points, the
    footprints of pixel and bin multiply it, and an FFT along the detector brings it back, so projections are limited
    to the detector's band. A* A is a Toeplitz operator as long as the detector covers the image
    (:attr:`covers`); where it does not, A and its adjoint are applied one after the other.

    Args:
        image_shape: (H, W), or an int for a square.
        angles: in radians, a tensor, an array or a list, any number and order; ``torch.deg2rad`` converts degrees.
        detector_count: number of bins D; by default as many as cover the image's diagonal (or its inscribed circle),
            an odd number of small factors.
        detector_spacing: width of a bin, in the unit of ``pixel_size``.
        pixel_size: side of a pixel; sinograms have the unit of the image times this one.
        offset: of the detector along s, in the same unit: a number, or one for each angle (the sample or the detector
            moved). A tensor that requires gradients gets them; :meth:`with_offset` changes it alone.
        circle: take the image as zero outside its inscribed circle.
        channels: C.
        engine: ``eps``, ``backend``, ``threads`` of :class:`NUFFT`.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    Natterer 1986, doi:10.1137/1.9780898719284 (chapter I, slice theorem).

    >>> op = Radon(16, torch.linspace(0, torch.pi, 8 + 1)[:-1])
    >>> y = op(torch.ones(1, 1, 16, 16))
    >>> y.shape, round(y[0, 0, 0].sum().item())  # every projection holds the whole image
    (torch.Size([1, 1, 8, 25]), 256)
    """

    field = "ct"

    angles: Tensor
    offset: float | Tensor
    back: Tensor
    weights: Tensor
    multiplicity: Tensor
    gain: Tensor
    mask: Tensor | None

    def __init__(
        self,
        image_shape: int | tuple[int, int],
        angles: Any,
        detector_count: int | None = None,
        *,
        detector_spacing: float = 1.0,
        pixel_size: float = 1.0,
        offset: float | Tensor = 0.0,
        circle: bool = False,
        channels: int = 1,
        **engine: Unpack[EngineOptions],
    ) -> None:
        super().__init__()
        shape = (image_shape, image_shape) if isinstance(image_shape, int) else image_shape
        self.in_shape = image_axes(shape, channels)
        height, width = self.image_shape = self.in_shape[-2:]
        device = angles.device if isinstance(angles, Tensor) else torch.device("cpu")
        angles = check_angles(angles)
        for name, value in (("detector_spacing", detector_spacing), ("pixel_size", pixel_size)):
            if not (isinstance(value, (int, float)) and 0 < value < math.inf):
                raise ValueError(f"{name}: expected a positive number, got {value!r}")
        offset = check_shift("offset", offset, len(angles))
        spacing, shift = detector_spacing / pixel_size, largest_shift(offset) / pixel_size  # in pixels
        extent = float(min(height, width)) if circle else math.hypot(height, width)
        if detector_count is None:
            detector_count = fast_length(math.ceil((extent + 2 * shift) / spacing - 1e-9), odd=True)
        if not isinstance(detector_count, int) or detector_count < 1:
            raise ValueError(f"detector_count: expected an int >= 1, got {detector_count!r}")
        self.detector_count, self.detector_spacing, self.pixel_size = detector_count, detector_spacing, pixel_size
        if isinstance(offset, Tensor):
            self.register_buffer("offset", offset, persistent=False)
        else:
            self.offset = offset
        # samples along the detector's line: so many that the repeated object stays off the bins
        reach = math.ceil((extent / 2 + shift) / spacing + detector_count / 2 - 1e-9)
        self.length = max(detector_count, reach)
        self.covers = self.length == detector_count
        """Whether the detector sees all of the image at every angle."""
        self.out_shape = (channels, len(angles), detector_count)
        self.out_dtype = torch.float32
        self.register_buffer("angles", angles, persistent=False)
        self.register_buffer("mask", disc(height, width) if circle else None, persistent=False)
        near = offset.cpu() if isinstance(offset, Tensor) else offset
        self._sample(spacing, each_view(near) / pixel_size, engine)
        if device.type != "cpu":
            self.to(device)

    def _sample(self, spacing: float, shift: float | Tensor, engine: EngineOptions) -> None:
        """Polar points of the image's spectrum, and what turns samples there into those of projections."""
        (channels, height, width), angles = self.in_shape, self.angles
        harmonics = torch.arange(self.length // 2 + 1, dtype=torch.float64, device="cpu")
        frequency = 2 * math.pi / (self.length * spacing) * harmonics
        u, v = -frequency * angles.sin()[:, None], frequency * angles.cos()[:, None]
        self.nufft = NUFFT(torch.stack((u, v)).flatten(1), self.image_shape, channels=channels, real=True, **engine)
        start = shift - (self.detector_count - 1) / 2 * spacing
        centre = (height // 2 - (height - 1) / 2) * u + (width // 2 - (width - 1) / 2) * v
        footprint = sinc(u) * sinc(v) * sinc(frequency * spacing)
        if self.length % 2 == 0:  # the highest frequency's sign is not known to the samples
            footprint[:, -1] = 0
        back = torch.exp(1j * (frequency * start - centre))
        self.register_buffer("back", back, persistent=False)
        self.register_buffer("weights", self.pixel_size / spacing * footprint * back, persistent=False)
        self._kept: dict[tuple[str, torch.dtype], Tensor] = {}
        self._views = ViewWeights()
        multiplicity = torch.full((self.length // 2 + 1,), 2.0 / self.length, dtype=torch.float64, device="cpu")
        multiplicity[0] /= 2
        self.register_buffer("multiplicity", multiplicity, persistent=False)
        size = (self.pixel_size / spacing * footprint).square()  # a shift of the detector does not change it
        self.register_buffer("gain", (size * multiplicity).flatten(), persistent=False)

    def _apply(self, fn, recurse: bool = True) -> "Radon":
        exact = {name: buffer for name, buffer in self.named_buffers(recurse=False)}
        super()._apply(fn, recurse)
        with lasting():
            for name, buffer in exact.items():  # constants stay in double precision
                setattr(self, name, buffer.to(self.nufft.points.device))
        self._kept.clear()
        self._views = ViewWeights()
        return self

    # ---- the operator

    def A(self, x: Tensor) -> Tensor:
        spectrum = self.nufft.A(self._masked(x)).unflatten(-1, (len(self.angles), -1))
        sinogram = torch.fft.irfft(self._cast("weights", spectrum) * spectrum, n=self.length)
        return sinogram[..., : self.detector_count]

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_batch("y", y, self.out_shape, complex_data=False)  # a Fourier transform would cut or pad silently
        return self._masked(self._summed(y, self.weights))

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        if not self.covers:
            return self.A_adjoint(self.A(x))
        return self._masked(self.nufft.weighted_normal(self._masked(x), self.gain))

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        offset = torch.as_tensor(each_view(self.offset), device="cpu").detach() - mean_shift(self.offset)
        s, angles, spacing = self._bins() + offset, self.angles.cpu(), self.detector_spacing
        seen = y, angles, s, spacing
        found = inconsistent(*seen, measured=not self.covers) if self.covers or sees_all(y) else exchanged(*seen)
        if found and found[0].cause == "geometry":  # exchanged axes leave nothing to look at
            return found
        return beyond(y, s, self.image_shape, self.pixel_size, spacing) or found or uneven_bins(y)

    @property
    def pixel_width(self) -> float:
        """Side of a pixel over the width of a bin."""
        return self.pixel_size / self.detector_spacing

    def variants(self, y: Tensor) -> Iterator[Variant]:
        return iter(()) if sees_all(y) else too_small(self, y)

    def convolution(self) -> Toeplitz:
        return self.nufft.toeplitz(self.gain)

    def weighted_normal(self, x: Tensor, weights: Tensor) -> Tensor:
        found = self._views(weights, self.gain, self.out_shape) if self.covers else None
        if found is None or not found[1]:
            return super().weighted_normal(x, weights)
        return self._masked(self.nufft.weighted_normal(self._masked(x), found[0]))

    def weighted_convolution(self, weights: Tensor) -> Toeplitz | None:
        found = self._views(weights, self.gain, self.out_shape)
        return None if found is None else self.nufft.weighted_convolution(found[0])

    def _back(self, weights: Tensor, like: Tensor) -> Tensor:
        return (weights.conj() * self.multiplicity).to(like.dtype)

    def _cast(self, name: str, like: Tensor) -> Tensor:
        """Constants in the precision of ``like``, cast once."""
        key = name, like.dtype
        if key not in self._kept:
            weights = self.weights
            self._kept[key] = constant(
                lambda: weights.to(like.dtype) if name == "weights" else self._back(weights, like)
            )
        return self._kept[key]

    def _masked(self, x: Tensor) -> Tensor:
        return x if self.mask is None else self.mask.to(x.dtype) * x

    def _summed(self, y: Tensor, weights: Tensor) -> Tensor:
        """Adjoint of :meth:`A` with other ``weights`` of the samples."""
        spectrum = torch.fft.rfft(y, n=self.length)
        weights = self._cast("weights_back", spectrum) if weights is self.weights else self._back(weights, spectrum)
        return self.nufft.A_adjoint((weights * spectrum).flatten(-2))

    # ---- the field's own inverse

    def fbp(
        self, y: Tensor, filter: Literal["ram-lak", "shepp-logan", "cosine", "hamming", "hann"] = "ram-lak"
    ) -> Tensor:
        r"""Filtered backprojection, :math:`\int_0^\pi (h * p_\theta)(x\cos\theta + y\sin\theta)\, d\theta`,
        differentiable; in the units of the image.

        Every angle counts with its distance to its neighbours. Backprojection interpolates within the band of the
        detector, without loss. Where the detector does not cover the image, lines that it sees from one side only
        count for both, as those of an offset detector over a full turn do, and what no side sees continues what the
        outermost bins hold, with a warning; so it warns of angles that cover less than half a turn.

        Raises:
            TypeError, ValueError: ``y`` or ``filter`` does not fit.

        Kak, Slaney 1988, doi:10.1137/1.9780898719277 (chapter 3).
        """
        check_batch("y", y, self.out_shape, complex_data=False)
        warn_of_wedge(self.angles)
        either = angle_weights(self.angles.cpu())[:, None]
        if self.covers:
            return self._backprojected(filter_sinogram(y, self.detector_spacing, filter) * either.to(y))
        wide, known = covering(self)
        s = wide._bins()
        y = torch.nn.functional.pad(y, (known.start, wide.detector_count - known.stop))
        y = continued(y, s, known, min(self.image_shape) / 2 * self.pixel_size)
        once = angle_weights(self.angles.cpu(), 2 * math.pi)[:, None]
        offset, reach = mean_shift(self.offset), self.detector_count / 2 * self.detector_spacing
        y = y * (either + (once - either) * one_sided(s, offset - reach, offset + reach)).to(y)
        warn_of_cut(y, known)
        return wide.to(y.device)._backprojected(filter_sinogram(y, self.detector_spacing, filter))

    def _backprojected(self, filtered: Tensor) -> Tensor:
        # the sum over frequencies of A* lacks a factor: multiplicity holds the 1 / length of an inverse FFT
        return self._masked(self._summed(filtered, self._within_band()))

    def _bins(self) -> Tensor:
        """Centres of the detector's bins along s, in the mean over the angles."""
        places = torch.arange(self.detector_count, dtype=torch.float64, device="cpu") - (self.detector_count - 1) / 2
        return places * self.detector_spacing + mean_shift(self.offset)

    def with_offset(self, offset: float | Tensor) -> "Radon":
        """The same with the detector at another ``offset``; what it takes long to compute is shared where it can be.

        >>> op = Radon(16, torch.linspace(0, 3, 8), 25)
        >>> c = torch.tensor(0.5, requires_grad=True)
        >>> y = op.with_offset(c)(torch.ones(1, 1, 16, 16))
        >>> torch.autograd.grad(y[0, 0, 0, 4], c)[0].item() > 0  # bins at the left go to the middle
        True
        """
        other = self._with(self.detector_count, offset)
        if other.length == self.length:
            other.nufft, other.gain = self.nufft, self.gain
        return other

    def finer(self, factor: int, rays: int = 1) -> LinearOperator:
        factor, rays = check_factor(factor), check_factor(rays, "rays")
        near, more = self._with(self.detector_count, self.offset, factor), rays * self.detector_count
        return near if rays == 1 else BinMeans(self._with(more, self.offset, factor, rays), near, rays)

    def _with(self, detector_count: int, offset: float | Tensor, factor: int = 1, rays: int = 1) -> "Radon":
        height, width = (factor * n for n in self.image_shape)
        other = Radon(
            (height, width), self.angles.cpu() % (2 * math.pi), detector_count, pixel_size=self.pixel_size / factor,
            detector_spacing=self.detector_spacing / rays, circle=self.mask is not None, channels=self.in_shape[0],
            offset=offset.cpu() if isinstance(offset, Tensor) else offset, **self.nufft.options,
        ).to(self.angles.device)  # fmt: skip
        other.angles = self.angles
        return other

    def _within_band(self) -> Tensor:
        """Only phases, for frequencies that pixels can show."""
        inside = self.nufft.points.abs().amax(0).reshape(self.back.shape) <= math.pi + 1e-9
        return self.back * (inside & (self.weights != 0))
