"""Fan-beam tomography: parallel projections, interpolated within their band to the rays of a fan."""

import copy
import math
import warnings
from collections.abc import Iterator
from typing import Any, Literal, Unpack

import torch
from torch import Tensor

from ..base import LinearOperator
from ..doubts import Doubt, Variant
from ..fourier.nufft import NUFFT, EngineOptions
from ..fourier.toeplitz import fast_length
from ..shapes import check_batch, check_factor, check_number, check_precision, image_axes
from .angles import check_angles
from .fbp import continued, warn_of_cut
from .field_of_view import beyond
from .footprint import sinc
from .radon import Radon
from .rebin import even_views, levelled, ray_weights
from .shifts import check_shift, each_view, mean_shift
from .stripes import uneven_bins

__all__ = ["FanBeam", "FanOptions"]


class FanOptions(EngineOptions, total=False):
    """Where detector and axis are off their places, and what :class:`NUFFT` takes for its engine."""

    offset: float | Tensor
    centre_offset: float | Tensor


class FanBeam(LinearOperator):
    r"""Line integrals of an image over the rays from a turning source to a turning detector.

    Images (B, 1, H, W), real -> sinograms (B, 1, angles, detectors). At angle :math:`\beta` the source stands at
    :math:`R (\sin\beta, -\cos\beta)`, the detector's centre opposite to it, its bins along
    :math:`(\cos\beta, \sin\beta)`; x points right, y up. A ray at the angle :math:`\gamma` from the central one is the
    parallel ray :math:`\theta = \beta - \gamma,\ s = R \sin\gamma + c \cos\gamma`, c = ``centre_offset``.

    Projections are periodic in the angle and limited in band: the Fourier slice theorem gives their two-dimensional
    Fourier series, a second :class:`NUFFT` evaluates it at the rays. So nothing is lost by interpolation, and the
    adjoint is exact. Bins average over their width at the centre of rotation. The normal operator is A and its
    adjoint in turn: a fan has no Toeplitz structure.

    Args:
        image_shape: (H, W), or an int for a square.
        angles: of the source, radians, counter-clockwise; falling ones turn clockwise.
        source_distance: R, from the source to the centre of rotation, in the unit of ``pixel_size``.
        detector_distance: from the centre of rotation to the detector.
        detector_count: number of bins; by default as many as see all of the image.
        detector_spacing: width of a bin on the detector.
        pixel_size: side of a pixel.
        curved: bins lie on a circle around the source, at equal angles, instead of on a line.
        options: ``offset``, by which the detector is shifted along its bins, in the unit of ``pixel_size``;
            ``centre_offset``, at which distance the central ray passes the centre of rotation: source and detector are
            shifted together (a centre of rotation that is off), both numbers, or one for each angle, which may require
            gradients; ``eps``, ``backend``, ``threads`` of :class:`NUFFT`.

    Raises:
        TypeError, ValueError: an argument does not fit, or the source stands within the image.

    Kak, Slaney 1988, doi:10.1137/1.9780898719277 (section 3.4).

    >>> op = FanBeam(16, torch.arange(8) * torch.pi / 4, source_distance=40.0, detector_distance=40.0)
    >>> op(torch.ones(1, 1, 16, 16)).shape
    torch.Size([1, 1, 8, 49])
    """

    field = "ct"

    angles: Tensor
    offset: float | Tensor
    centre_offset: float | Tensor
    weights: Tensor
    phase: Tensor

    def __init__(
        self,
        image_shape: int | tuple[int, int],
        angles: Any,
        source_distance: float,
        detector_distance: float,
        detector_count: int | None = None,
        *,
        detector_spacing: float = 1.0,
        pixel_size: float = 1.0,
        curved: bool = False,
        **options: Unpack[FanOptions],
    ) -> None:
        super().__init__()
        device = angles.device if isinstance(angles, Tensor) else torch.device("cpu")
        angles = check_angles(angles)
        shape = image_axes((image_shape, image_shape) if isinstance(image_shape, int) else image_shape)[1:]
        for name, value in (("source_distance", source_distance), ("detector_distance", detector_distance)):
            check_number(name, value)
        radius = math.hypot(*shape) / 2 * pixel_size
        if not source_distance > radius:
            raise ValueError(f"source_distance: the source has to stand outside the image, beyond {radius:.4g}")
        if not 0 <= detector_distance < math.inf:
            raise ValueError(f"detector_distance: expected a number >= 0, got {detector_distance!r}")
        if not 0 < detector_spacing < math.inf:
            raise ValueError(f"detector_spacing: expected a positive number, got {detector_spacing!r}")
        shifts = {"offset": options.pop("offset", 0.0), "centre_offset": options.pop("centre_offset", 0.0)}
        self._place(shifts, len(angles))
        self.source_distance, self.detector_distance, self.curved = source_distance, detector_distance, curved
        self.detector_spacing = detector_spacing
        if detector_count is None:
            reach = self._places(torch.tensor([-radius, radius], dtype=torch.float64, device="cpu"))
            detector_count = 2 * math.ceil(float(reach.abs().max()) - 0.5) + 1
        if not isinstance(detector_count, int) or detector_count < 1:
            raise ValueError(f"detector_count: expected an int >= 1, got {detector_count!r}")
        self.detector_count = detector_count
        self.register_buffer("angles", angles, persistent=False)
        # parallel projections all around, densely enough for every frequency that the image has
        views = 2 * fast_length(math.ceil(math.pi * radius / pixel_size) + 16)
        self.parallel = Radon(
            image_shape, 2 * math.pi / views * torch.arange(views, device="cpu").double(), pixel_size=pixel_size,
            detector_spacing=pixel_size, **options,
        )  # fmt: skip
        self.in_shape, self.out_dtype = self.parallel.in_shape, torch.float32
        self.out_shape = (1, len(angles), detector_count)
        self._see(angles, options)
        if device.type != "cpu":
            self.to(device)

    def _see(self, angles: Tensor, engine: Any) -> None:
        bins = torch.arange(self.detector_count, dtype=torch.float64, device="cpu") - (self.detector_count - 1) / 2
        shifts = (each_view(v.cpu() if isinstance(v, Tensor) else v) for v in (self.offset, self.centre_offset))
        gamma, s = self._rays(bins, *shifts)
        self._series(angles[:, None] - gamma, s.expand(len(angles), -1), engine)

    def _place(self, shifts: dict[str, float | Tensor], views: int) -> None:
        for name, value in shifts.items():
            shift = check_shift(name, value, views)
            if hasattr(self, name):
                delattr(self, name)
            if isinstance(shift, Tensor):
                self.register_buffer(name, shift, persistent=False)
            else:
                setattr(self, name, shift)

    def _mean_rays(self, place: Tensor) -> tuple[Tensor, Tensor]:
        """:meth:`_rays` of the mean of the views."""
        return self._rays(place, mean_shift(self.offset), mean_shift(self.centre_offset))

    def _rays(self, place: Tensor, offset: float | Tensor, centre_offset: float | Tensor) -> tuple[Tensor, Tensor]:
        """Angle from the central ray and distance from the centre of rotation of the rays to places on the detector, in
        bins from its middle."""
        far = self.source_distance + self.detector_distance
        along = (place * self.detector_spacing + offset) / far
        gamma = along if self.curved else along.atan()
        return gamma, self.source_distance * gamma.sin() + centre_offset * gamma.cos()

    def _fan_angles(self, s: Tensor) -> Tensor:
        """Angle from the central ray of the rays at the distances ``s``."""
        shift = mean_shift(self.centre_offset)
        longest = math.hypot(self.source_distance, shift)
        return (s / longest).clamp(-1, 1).asin() - math.atan2(shift, self.source_distance)

    def _places(self, s: Tensor) -> Tensor:
        """Places on the detector, in bins from its middle, of the rays at the distances ``s``."""
        far, gamma = self.source_distance + self.detector_distance, self._fan_angles(s)
        return (far * (gamma if self.curved else gamma.tan()) - mean_shift(self.offset)) / self.detector_spacing

    def _series(self, theta: Tensor, s: Tensor, engine: Any) -> None:
        """The Fourier series of the parallel projections, to be summed at the rays (theta, s)."""
        line, views, columns = self.parallel, len(self.parallel.angles), self.parallel.length // 2 + 1
        frequency = 2 * math.pi / (line.length * line.pixel_size)
        k = torch.arange(columns, dtype=torch.float64, device="cpu")
        bin_width = self.detector_spacing * self.source_distance / (self.source_distance + self.detector_distance)
        own = sinc(k * frequency * line.pixel_size)  # the parallel operator's own bins are undone
        start = line.offset - (line.detector_count - 1) / 2 * line.detector_spacing
        footprint = sinc(k * frequency * bin_width) / own * torch.exp(-1j * k * frequency * start)
        footprint = footprint * line.multiplicity * line.length
        points = torch.stack((-theta, -frequency * s)).flatten(1)
        self.rays = NUFFT(points, (views, columns), **engine)
        self.register_buffer("weights", line.weights * footprint / (views * line.length), persistent=False)
        meets = s.abs() <= line.length * line.pixel_size / 2  # beyond, the series repeats and the image ends
        phase = meets * torch.exp(1j * (columns // 2) * frequency * s)
        self.register_buffer("phase", phase.flatten(), persistent=False)

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        place = torch.arange(self.detector_count, dtype=torch.float64, device="cpu") - (self.detector_count - 1) / 2
        width = self.parallel.pixel_size / self.pixel_width
        rays = self._mean_rays(place)[1]
        return beyond(y, rays, self.parallel.image_shape, self.parallel.pixel_size, width) or uneven_bins(y)

    @property
    def pixel_width(self) -> float:
        """Side of a pixel over the width of a bin at the centre of rotation."""
        far = self.source_distance + self.detector_distance
        return self.parallel.pixel_size / (self.detector_spacing * self.source_distance / far)

    def variants(self, y: Tensor) -> Iterator[Variant]:
        words = "source and detector turn the other way, or the detector is read the other way: -angles fits"
        yield Variant(Doubt("angles", words), self.turned(-self.angles), y)

    def turned(self, angles: Tensor) -> "FanBeam":
        """The same at other ``angles``."""
        return self._changed(angles, {})

    def with_offset(self, offset: float | Tensor | None = None, centre_offset: float | Tensor | None = None):
        """The same with the detector, or source and detector, at another place."""
        given = {"offset": offset, "centre_offset": centre_offset}
        return self._changed(self.angles, {name: value for name, value in given.items() if value is not None})

    def finer(self, factor: int, rays: int = 1) -> "FanBeam":  # its rays are points, not bins of a band
        factor, _ = check_factor(factor), check_factor(rays, "rays")
        line, shifts = self.parallel, {"offset": self.offset, "centre_offset": self.centre_offset}
        height, width = (factor * n for n in line.image_shape)
        return FanBeam(
            (height, width), self.angles.cpu() % (2 * math.pi), self.source_distance, self.detector_distance,
            self.detector_count, detector_spacing=self.detector_spacing, pixel_size=line.pixel_size / factor,
            curved=self.curved, **shifts, **self.rays.options,
        ).to(self.angles.device)  # fmt: skip

    def _changed(self, angles: Tensor, shifts: dict[str, float | Tensor]) -> "FanBeam":
        other = copy.copy(self)
        other._buffers, other._modules = dict(self._buffers), dict(self._modules)
        other.angles = angles
        other._place(shifts, len(angles))
        other._see(angles.cpu(), self.rays.options)
        return other.to(self.angles.device)

    def A(self, x: Tensor) -> Tensor:
        polar = self.parallel.nufft.A(x).unflatten(-1, self.weights.shape)
        series = torch.fft.fftshift(torch.fft.fft(self.weights.to(polar.dtype) * polar, dim=-2), dim=-2)
        rays = self.phase.to(polar.dtype) * self.rays.A(series)
        return rays.real.unflatten(-1, self.out_shape[1:])

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        rays = self.phase.conj().to(y.dtype.to_complex()) * y.flatten(-2)
        series = torch.fft.ifftshift(self.rays.A_adjoint(rays), dim=-2)
        polar = self.weights.conj().to(series.dtype) * torch.fft.ifft(series, dim=-2, norm="forward")
        return self.parallel.nufft.A_adjoint(polar.flatten(-2))

    def rebin(self, y: Tensor) -> Tensor:
        """Parallel sinogram of :attr:`parallel` from one of evenly spaced angles, by cubic interpolation; zero for rays
        that the fan lacks."""
        check_batch("y", y, self.out_shape, complex_data=False)
        views, line = even_views(self.angles.cpu()), self.parallel
        if isinstance(self.centre_offset, Tensor) and self.centre_offset.ndim:
            raise ValueError("centre_offset: rebin and fbp take one for all views; A_dagger and solvers take any")
        if isinstance(self.offset, Tensor) and self.offset.ndim:
            y = levelled(y, (self.offset - mean_shift(self.offset)) / self.detector_spacing)
        s = line._bins()
        column = self._places(s)
        row = views.from_first(line.angles.cpu()[:, None] + self._fan_angles(s))
        y, margin = views.merged(y), 4
        if views.full:
            before, after = y[..., -margin:, :], y[..., :margin, :]
        else:
            before, after = (end.expand(-1, -1, margin, -1) for end in (y[..., :1, :], y[..., -1:, :]))
        around = torch.cat((before, y, after), -2)
        grid = torch.stack((
            (2 * column / self.detector_count).expand_as(row), (2 * (row + margin) + 1) / around.shape[-2] - 1,
        ), -1).to(y)  # fmt: skip
        rays = torch.nn.functional.grid_sample(
            around, grid.expand(len(y), -1, -1, -1), mode="bicubic", padding_mode="border", align_corners=False
        )
        known = (column.abs() <= self.detector_count / 2) & (row <= views.count - 0.5)
        return torch.where(known.to(y.device), rays, 0)

    def fbp(self, y: Tensor, filter: Literal["ram-lak", "shepp-logan", "cosine", "hamming", "hann"] = "ram-lak"):
        """Filtered backprojection, after :meth:`rebin`, of a full turn or of a short scan, 180 degrees and the fan's
        opening. Rays that are seen twice share their weight, as Parker has it; those of an offset detector that are
        seen once in a full turn count for both. What no view sees continues what the detector's outermost bins hold,
        with a warning.

        Raises:
            TypeError, ValueError: ``y`` or ``filter`` does not fit, angles are unevenly spaced or too few.
        """
        rays, line = self.rebin(y), self.parallel
        s, half = line._bins(), self.detector_count / 2
        known = (self._places(s).abs() <= half).nonzero().flatten()
        known = slice(int(known[0]), int(known[-1]) + 1)
        ends = torch.tensor([-half, half], dtype=torch.float64, device="cpu")
        low, high = (float(v) for v in self._mean_rays(ends)[1])
        views = even_views(self.angles.cpu())
        weights, seen = ray_weights(views, line.angles.cpu(), self._fan_angles(s), s, low, high)
        circle = min(line.image_shape) / 2 * line.pixel_size
        unseen = ~seen[:, known].all(0) & (s[known].abs() < math.hypot(*line.image_shape) / 2 * line.pixel_size)
        if bool((unseen & (s[known].abs() < circle)).any()):
            raise ValueError(
                f"angles: filtered backprojection needs a full turn, or 180 degrees and the fan's opening; "
                f"{math.degrees(views.count * views.step):.4g} degrees leave rays unseen; A_dagger and solvers take any"
            )
        if bool(unseen.any()):
            warnings.warn("fbp: the scan is too short for the image's corners", stacklevel=2)
        rays = 2 * weights.to(y) * continued(rays, s, known, circle)
        warn_of_cut(rays, known)
        return line.fbp(rays, filter)
