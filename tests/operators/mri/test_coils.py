"""Coil maps: known ones are recovered up to a phase, from a square or from whole columns; nothing wrong in silence."""

import pytest
import torch
from torch import Tensor

from operators.fourier.fft import fft2c, ifft2c
from operators.mri.cartesian import MRI
from operators.mri.coils import estimate_coil_maps
from operators.mri.sampling import random_columns


def scene(height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Smooth normalised maps (4, H, W) with phases and a textured disc (H, W), double precision."""
    rows, columns = torch.meshgrid(
        torch.linspace(-1, 1, height, dtype=torch.float64),
        torch.linspace(-1, 1, width, dtype=torch.float64),
        indexing="ij",
    )
    places = [(-0.9, -0.9), (-0.9, 0.9), (0.9, 0.0), (0.3, 0.8)]
    maps = torch.stack([
        torch.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 2 + 1j * (r * rows + c * columns)) for r, c in places
    ])  # fmt: skip
    x = ((rows**2 + columns**2) < 0.7) * (1 + 0.5 * torch.cos((6 + seed) * rows) * torch.cos(5 * columns)) + 0j
    return maps / maps.abs().square().sum(0).sqrt(), x


def agreement(maps: Tensor, true: Tensor, x: Tensor) -> Tensor:
    """|<s, s'>| at the pixels of the object: one where maps agree up to a phase."""
    return (maps.conj() * true).sum(0).abs()[x.abs() > 0.3]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((48, 48), {}),
        ((47, 52), {"kernel": 5}),
        ((48, 45), {"calibration": (48, 14)}),
        ((48, 48), {"calibration": 17}),
    ],
)
def test_known_maps_are_recovered_up_to_a_phase(shape, options):
    true, x = scene(*shape)
    maps = estimate_coil_maps(fft2c(true * x)[None], **options)[0]
    found = agreement(maps, true, x)
    assert found.min() > 0.98 and found.mean() > 0.998
    power = maps.abs().square().sum(0)
    assert bool((power[x.abs() > 0.3] - 1).abs().max() < 1e-3)


def test_the_phase_is_smooth_and_the_same_for_every_coil():
    true, x = scene(48, 48)
    maps = estimate_coil_maps(fft2c(true * x)[None])[0]
    turn = (maps.conj() * true).sum(0) * (x.abs() > 0.3)  # phase by which truth and maps differ on the object
    for step in (turn[1:] * turn[:-1].conj(), turn[:, 1:] * turn[:, :-1].conj()):
        assert step.angle().abs().max() < 0.1
    assert ((turn / turn.abs().clamp_min(1e-9) * maps - true).abs().square().sum(0)[x.abs() > 0.3]).max() < 0.01


def test_noise_costs_little_and_the_background_is_empty():
    true, x = scene(64, 60)
    k = fft2c(true * x)[None]
    g = torch.Generator().manual_seed(0)
    noisy = k + 0.02 * torch.randn(k.shape, dtype=k.dtype, generator=g)
    found = agreement(estimate_coil_maps(noisy, threshold=0.05)[0], true, x)
    assert found.mean() > 0.995
    maps = estimate_coil_maps(k, crop=0.95)[0]
    assert not bool(maps[:, 0, 0].any()) and bool(maps[:, 32, 30].any())
    assert bool((estimate_coil_maps(k, crop=0.0).abs().square().sum(1) - 1).abs().max() < 1e-6)


def test_scale_batch_and_precision():
    samples = [fft2c(s * x) for s, x in (scene(40, 40, seed) for seed in (0, 1))]
    k = torch.stack(samples)
    maps = estimate_coil_maps(k)
    alone = torch.cat([estimate_coil_maps(one[None]) for one in samples])
    assert torch.allclose(maps, alone, atol=1e-10)
    assert torch.allclose(estimate_coil_maps(1e8 * k), maps, atol=1e-6)
    single = estimate_coil_maps(k.to(torch.complex64))
    assert single.dtype == torch.complex64
    inside = scene(40, 40)[1].abs() > 0.3
    assert (single[0].conj() * maps[0]).sum(0).abs()[inside].min() > 0.999


def test_an_accelerated_scan_calibrates_itself():
    true, x = scene(48, 90)
    mask = random_columns((48, 90), 3.0, 0.16, seed=1)  # 14 columns in the middle
    y = MRI(mask, true)(x[None, None])
    maps = estimate_coil_maps(y, calibration=(48, 14), crop=0.0)
    restored = MRI(mask, maps[0]).prox_l2(torch.zeros_like(x[None, None]), y, 1e3)
    images, naive = maps * restored, ifft2c(y)
    truth = true * x
    error, zero_filled = ((v - truth).norm() / truth.norm() for v in (images, naive))
    assert error < 0.65 * zero_filled and error < 0.1
    with pytest.raises(ValueError, match="calibration: .* not measured"):
        estimate_coil_maps(y, calibration=24)


@pytest.mark.parametrize(
    ("kspace", "options", "word"),
    [
        (torch.zeros(1, 2, 32, 32, dtype=torch.complex64), {}, "kspace: zero"),
        (torch.ones(1, 2, 16, 32, dtype=torch.complex64), {}, "calibration"),
        (torch.ones(2, 32, 32, dtype=torch.complex64), {}, "kspace"),
        (torch.ones(1, 2, 32, 32), {}, "kspace"),
        (torch.ones(1, 2, 32, 32, dtype=torch.complex64), {"calibration": 7}, "calibration"),
        (torch.ones(1, 2, 32, 32, dtype=torch.complex64), {"calibration": (32, 7)}, "calibration"),
        (torch.ones(1, 2, 32, 32, dtype=torch.complex64), {"calibration": (24, 24, 24)}, "calibration"),
        (torch.ones(1, 2, 32, 32, dtype=torch.complex64), {"crop": 2.0}, "crop"),
    ],
)
def test_bad_arguments_are_named(kspace, options, word):
    with pytest.raises(ValueError, match=word):
        estimate_coil_maps(kspace, **options)


def scan(shape: tuple[int, int] = (64, 50)) -> torch.Tensor:
    """Centred k-space of a disc with a smooth phase, seen by eight coils, (1, 8, H, W)."""
    rows, columns = torch.meshgrid(*(torch.linspace(-1, 1, n).double() for n in shape), indexing="ij")
    x = (rows**2 + columns**2 < 0.6) * torch.exp(1j * (0.7 * rows + 0.4))
    turns = torch.arange(8).double() * torch.pi / 4
    maps = torch.stack([torch.exp(-((rows - t.cos()) ** 2) - (columns - t.sin()) ** 2 + 1j * t) for t in turns])
    return fft2c((maps * x)[None])


def test_the_global_phase_does_not_depend_on_the_calibration():
    y = scan()
    reference = estimate_coil_maps(y, calibration=24)
    inside = reference.abs().sum(1) > 0
    for calibration in (12, 16, 20, (64, 14), (30, 50), 32):
        maps = estimate_coil_maps(y, calibration=calibration)
        turn = ((maps * reference.conj()).sum(1)[inside & (maps.abs().sum(1) > 0)]).mean().angle()
        assert abs(float(turn)) < 0.1
    image = (reference.conj() * ifft2c(y)).sum(1, keepdim=True)
    peak = fft2c(image).flatten()[fft2c(image).abs().argmax()]
    assert abs(float(peak.angle())) < 0.3  # of the image too, whatever the phase of the receiver
    turned = estimate_coil_maps(y * torch.exp(torch.tensor(2j)), calibration=24)
    assert torch.allclose((turned.conj() * ifft2c(y)).sum(1) * torch.exp(torch.tensor(2j)), image[:, 0], atol=1e-8)


def test_what_fits_the_mask_is_said():
    y = scan() * random_columns((64, 50), 3.0, 14 / 50)
    message = r"calibration: 24 asks for 24 x 24 samples .* calibration=\(24, 1[4-9]\) fits"
    with pytest.raises(ValueError, match=message) as found:
        estimate_coil_maps(y, calibration=24)
    columns = int(str(found.value).split("calibration=(24, ")[1].split(")")[0])
    assert estimate_coil_maps(y, calibration=(24, columns)).shape == y.shape
    with pytest.raises(ValueError, match=rf"calibration: \(24, {columns + 1}\) asks for 24 x {columns + 1} samples"):
        estimate_coil_maps(y, calibration=(24, columns + 1))
    for wrong in ("24", 24.0, (24, 12.5), (24, 24, 24), None):
        with pytest.raises(ValueError, match="calibration: expected a side or"):
            estimate_coil_maps(y, calibration=wrong)  # pyright: ignore[reportArgumentType]


def test_few_columns_and_a_shifted_centre_are_warned_of():
    y = scan((128, 100))
    with pytest.warns(RuntimeWarning, match=r"128 x 8 samples of calibration are few .* 12 rows and columns at least"):
        estimate_coil_maps(y, calibration=(128, 8))
    estimate_coil_maps(y, calibration=(128, 12))
    for axes in ((-2, -1), (-2,), (-1,)):
        shifted = torch.fft.ifftshift(y, axes)
        with pytest.warns(RuntimeWarning, match="not in its middle.*fftshift"):
            estimate_coil_maps(shifted, calibration=24)
    noise = torch.randn(1, 8, 64, 64, dtype=torch.complex128)
    estimate_coil_maps(noise, calibration=24)
