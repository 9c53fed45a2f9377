"""What reports say is wrong, and that healthy solves are left alone; text, picture and JSON of a result."""

import json
import math

import pytest
import torch
from torch import Tensor

from denoisers import Bounded, DRUNetDenoiser
from operators import (
    MRI,
    Blur,
    FanBeam,
    Identity,
    Inpainting,
    KaiserSquires,
    NonCartesianMRI,
    Radon,
    Weighted,
    as_operator,
    gaussian_kernel,
    gaussian_noise,
    motion_kernel,
    radial_trajectory,
    random_columns,
    random_mask,
)
from operators.doubts import Doubt
from pnp import FinerGrid, PnPADMM, Result, Stop, data
from pnp.io import Measurement
from pnp.report.diagnosis import explain

SIDE, STD = 64, 0.02
PRIOR = DRUNetDenoiser()
pytestmark = pytest.mark.filterwarnings("ignore:.*(intensities are spread|noise in the image):RuntimeWarning")


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return data.sample("camera")[..., 100 : 100 + SIDE, 180 : 180 + SIDE]


def maps() -> Tensor:
    """Four coils around the image, with phases."""
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, SIDE)] * 2, indexing="ij")
    coils = []
    for turn in (2 * math.pi * k / 4 for k in range(4)):
        far = (rows - math.sin(turn)) ** 2 + (columns - math.cos(turn)) ** 2
        coils.append(torch.exp(-far / 1.5 + 1j * (turn + 0.8 * rows * math.cos(turn))))
    coils = torch.stack(coils)
    return coils / coils.abs().square().sum(0, keepdim=True).sqrt()


def solved(op, y: Tensor, std: float | Tensor = STD, iterations: int = 6) -> Result:
    return PnPADMM(op, PRIOR, noise_std=std, stop=Stop(tolerance=0, max_iter=iterations)).solve(y)


def causes(op, y: Tensor, std: float | Tensor = STD, iterations: int = 6) -> list[str]:
    health = solved(op, y, std, iterations).health
    assert health is not None
    return [c for c in health.causes if c not in ("scales", "convergence")]


def projections(photo: Tensor, **wrong) -> tuple[Radon, Tensor, float]:
    rows = torch.linspace(-1, 1, SIDE)
    x = photo * ((rows[:, None] ** 2 + (rows - 0.1) ** 2) < 0.6)
    angles = torch.arange(48) * (math.pi / 48)
    op = Radon(SIDE, angles)
    real = Radon(SIDE, wrong.get("angles", angles), op.detector_count, offset=wrong.get("offset", 0.0))
    return op, gaussian_noise(real(x), 0.1), 0.1


def test_healthy_solves_have_no_cause(photo):
    shape = (SIDE, SIDE)
    kernels = (gaussian_kernel(1.2), motion_kernel(9, 30.0))
    for op in (Identity(shape), Inpainting(random_mask(shape, 0.5)), *(Blur(k, shape) for k in kernels)):
        y = gaussian_noise(op(photo), STD)
        assert not causes(op, y if op.measured is None else torch.where(op.measured, y, torch.zeros_like(y)))
    mri = MRI(random_columns((SIDE, SIDE), 2.0, 0.2), maps())
    assert not causes(mri, mri.mask * gaussian_noise(mri(photo + 0j), STD))
    assert not causes(*projections(photo))
    shear = KaiserSquires((SIDE, SIDE))
    assert not causes(shear, gaussian_noise(shear(photo - photo.mean()), STD))


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_noise_levels_that_are_far_off(photo, factor):
    op = Blur(gaussian_kernel(1.2), (SIDE, SIDE))
    assert causes(op, gaussian_noise(op(photo), STD), factor * STD)[0] == "noise level"
    op, y, std = projections(photo)
    assert causes(op, y, factor * std)[0] == "noise level"


def test_clipped_data_and_masks_of_other_data(photo):
    op = Identity((SIDE, SIDE))
    y = gaussian_noise(photo, STD)
    assert causes(op, y.clamp(max=0.8 * float(y.max())))[0] == "clipped data"
    mask = random_mask((SIDE, SIDE), 0.5)
    assert causes(Inpainting(mask.mT), Inpainting(mask)(y))[0] == "mask"


def test_projections_tell_centre_angles_and_axes(photo):
    with pytest.warns(RuntimeWarning, match="centre of rotation"):
        assert causes(*projections(photo, offset=2.0))[0] == "centre of rotation"
    op, y, _ = projections(photo, offset=-1.5)
    (doubt,) = op.doubts(y)
    assert doubt.cause == "centre of rotation" and "offset should be -1.5" in doubt.words
    turned = torch.arange(48) * (math.pi / 48)
    turned[24:] += 0.3
    with pytest.warns(RuntimeWarning, match="angles"):
        assert causes(*projections(photo, angles=turned))[0] == "angles"
    square = Radon(SIDE, torch.arange(op.detector_count) * (math.pi / op.detector_count))
    with pytest.warns(RuntimeWarning, match="axes of the data"):
        assert causes(square, gaussian_noise(square(photo), 0.1).mT, 0.1)[0] == "geometry"


def test_a_fan_that_turns_the_other_way(photo):
    turn = torch.arange(40) * (2 * math.pi / 40)
    op, other = (FanBeam(32, s * turn, source_distance=64.0, detector_distance=32.0) for s in (1, -1))
    y = gaussian_noise(op(photo[..., :32, :32]), 0.05)
    with pytest.warns(RuntimeWarning, match="turn the other way"):
        assert causes(other, y, 0.05, 3)[0] == "angles"


def test_uneven_noise_hides_no_mistake(photo):
    for wrong, cause in ({}, []), ({"offset": -1.5}, ["centre of rotation"]):
        op, y, _ = projections(photo, **wrong)
        std = 0.1 * (1 + torch.linspace(0, 3, y.shape[-1])).expand_as(y).clone()
        std[..., 20] = math.inf  # a dead bin
        y[..., 20] = 0
        found = (Weighted(1 / std[0]) @ op).doubts(y / std)
        assert [d.cause for d in found] == cause and all("offset should be -1.5" in d.words for d in found)
    with pytest.warns(RuntimeWarning, match="centre of rotation"):
        assert causes(op, y, std, 1)[0] == "centre of rotation"
    turn = torch.arange(40) * (2 * math.pi / 40)
    fan, other = (FanBeam(16, s * turn, source_distance=64.0, detector_distance=32.0) for s in (1, -1))
    y = gaussian_noise(fan(photo[..., :16, :16]), 0.05)
    for op, z in ((0.5 * other, 0.5 * y), (Weighted(torch.full(y.shape[1:], 20.0)) @ other, 20 * y)):
        assert explain(op, z).cause == "angles"  # pyright: ignore[reportOptionalMemberAccess]


def test_uneven_noise_makes_no_sign_of_shear_wrong(photo):
    op = KaiserSquires((SIDE, SIDE))
    y = op(0.1 * (photo - photo.mean()))
    std = torch.full((1, SIDE, SIDE), 0.02)
    std[:, :2, :3] = 5.0  # few galaxies
    for seed in range(4):
        noisy = y + std * gaussian_noise(0 * y, 1.0, seed=seed)
        assert (Weighted(1 / std) @ op).doubts(noisy / std) == ()
    std[:, :2, :3] = 0.04
    noisy = (y + std * gaussian_noise(0 * y, 1.0)).conj().resolve_conj()
    assert [d.cause for d in (Weighted(1 / std) @ op).doubts(noisy / std)] == ["geometry"]


def test_a_detector_that_sees_the_object_but_not_the_corners(photo):
    angles = torch.arange(48) * (math.pi / 48)
    _, y, _ = projections(photo)
    cut = slice((y.shape[-1] - SIDE) // 2, (y.shape[-1] + SIDE) // 2)
    for wrong, cause in ({}, []), ({"offset": -1.5}, ["centre of rotation"]), ({"angles": 2 * angles}, ["angles"]):
        y = projections(photo, **wrong)[1][..., cut]  # as wide as the image, like files' detectors
        assert [d.cause for d in Radon(SIDE, angles, SIDE, offset=-0.5).doubts(y)] == cause
    op = Radon(SIDE, angles, SIDE)
    x = torch.zeros(1, 1, SIDE, SIDE)
    x[..., 20:44, 26:38] = 0.2
    hard = op(x) - 0.04 * op(x).square()
    assert float(hard.max()) < 0.9 * float(op(x).max()) and op.doubts(hard) == ()  # no wrong angles
    near = Radon(SIDE, angles / 60, SIDE)  # degrees, taken for radians
    assert [d.cause for d in near.doubts(op(x + 0.1 * torch.roll(x, 9, -1)))] == ["angles"]


def test_images_that_are_too_small_or_too_coarse_for_the_detector(photo):
    angles = torch.arange(48) * (math.pi / 48)
    y = gaussian_noise(Radon(SIDE, angles, 30)(photo), 0.1)
    with pytest.warns(RuntimeWarning, match="does not see all of the object"):
        assert causes(Radon(30, angles, 30), y, 0.1)[0] == "field of view"
    assert "field of view" not in causes(Radon(SIDE, angles, 30), y, 0.1, 2)
    op, y, std = projections(photo)
    wide = Radon(SIDE // 4, angles, op.detector_count, pixel_size=4.0)
    for coarse in (wide, Weighted(torch.ones(op.out_shape)) @ wide):
        health = solved(coarse, y, std, 2).health
        assert health is not None
        (found,) = (f for f in health.findings if f.topic == "misfit")
        assert health.causes[0] == found.cause == "pixels" and "FinerGrid(solver, 4)" in found.remedy


def test_finer_pixels_are_advised_where_a_detector_has_seen_an_object(photo):
    op, y, std = projections(photo)
    arguments = {"image_shape": SIDE, "angles": op.angles, "detector_count": op.detector_count}
    seen = Measurement(y, Radon, arguments, std, of_object=True)
    result = solved(seen.operator(), y, std)
    assert result.health is not None
    (found,) = (f for f in result.health.findings if f.topic == "pixels")
    assert found.level == "fine" and "1 times as wide as bins" in found.seen and "FinerGrid(solver)" in found.seen
    assert result.health.level == "fine" and result.report["pixels"] == found.seen
    noisy = gaussian_noise(y, 2.0)  # 15 dB
    fine = FinerGrid(PnPADMM(seen.operator(), PRIOR, noise_std=std, stop=Stop(tolerance=0, max_iter=3))).solve(y)
    simulated = Measurement(y, Radon, arguments, std)
    half = seen.operator(image_shape=2 * SIDE, pixel_size=0.5)
    others = solved(simulated.operator(), y, std), solved(half, y, std), solved(seen.operator(), noisy, 2.0), fine
    assert all("pixels" not in other.report for other in others)
    assert "pixels" in solved(Weighted(torch.full(y.shape[1:], 3.0)) @ seen.operator(), 3 * y, 3 * std).report


@pytest.mark.parametrize(
    ("change", "words"),
    [(lambda m: m.conj().resolve_conj(), "conjugated"), (lambda m: m[[2, 1, 0, 3]], r"coil_maps\[\[2, 1, 0, 3\]\]")],
)
def test_coil_maps_of_other_coils(photo, change, words):
    mask = random_columns((SIDE, SIDE), 2.0, 0.2)
    op = MRI(mask, maps())
    y = op.mask * gaussian_noise(op(photo + 0j), STD)
    with pytest.warns(RuntimeWarning, match=words):
        assert causes(MRI(mask, change(maps())), y, STD, 3)[0] == "coil maps"


def test_trajectories_with_exchanged_axes(photo):
    points = radial_trajectory(24, 2 * SIDE)
    y = gaussian_noise(NonCartesianMRI(points, (SIDE, SIDE), maps())(photo + 0j), 0.05)
    with pytest.warns(RuntimeWarning, match="axes of the trajectory"):
        assert causes(NonCartesianMRI(points.flip(0), (SIDE, SIDE), maps()), y, 0.05, 3)[0] == "geometry"


def test_conventions_of_shear(photo):
    op = KaiserSquires((SIDE, SIDE))
    y = gaussian_noise(op(photo - photo.mean()), STD)
    assert op.doubts(y) == ()
    assert [d.cause for d in op.doubts(y.conj().resolve_conj())] == ["geometry"]
    assert "exchanged axes" in op.doubts(y.mT.contiguous())[0].words  # the same to B modes


def test_kernels_of_another_direction_or_width(photo):
    shape = (SIDE, SIDE)
    op = Blur(motion_kernel(9, 30.0), shape)
    y = gaussian_noise(op(photo), 0.005)
    assert "mirrored" in Blur(motion_kernel(9, -30.0), shape).doubts(y)[0].words
    y = gaussian_noise(Blur(gaussian_kernel(1.0), shape)(photo), 0.005)
    assert "wider" in Blur(gaussian_kernel(2.0), shape).doubts(y)[0].words
    assert Blur(gaussian_kernel(1.0), shape).doubts(y) == ()


@pytest.mark.parametrize("c", [1e-8, 1e8])
def test_findings_have_no_unit(photo, c):
    op = Blur(gaussian_kernel(2.0), (SIDE, SIDE))
    y = gaussian_noise(Blur(gaussian_kernel(1.0), (SIDE, SIDE))(photo), STD)
    assert causes(op, c * y, c * STD) == causes(op, y)
    radon, y, _ = projections(photo, offset=0.7)
    assert [d.cause for d in radon.doubts(c * y)] == [d.cause for d in radon.doubts(y)] == ["centre of rotation"]


def test_an_operator_of_a_user_may_doubt(photo):
    class Suspicious(Identity):
        def doubts(self, y):
            return (Doubt("weather", "clouds: wait", sure=False),)

    result = solved(Suspicious((SIDE, SIDE)), gaussian_noise(photo, STD))
    assert result.health is not None and result.health.causes == ["weather"] and "-> weather: wait" in str(result)


def test_text_and_numbers(photo, tmp_path):
    op = Identity((SIDE, SIDE))
    denoiser = Bounded(PRIOR, low=0.2)
    result = PnPADMM(op, denoiser, noise_std=0.1, stop=Stop(max_iter=5)).solve(gaussian_noise(photo, 0.1))
    lines = str(result).splitlines()
    assert len(lines) <= 12 and result.summary() == str(result) and "% at low" in str(result)
    assert {line.split()[0] for line in lines[1:]} <= {"fine", "look", "wrong"}
    told = json.loads(result.to_json(tmp_path / "a.json"))
    assert told == json.loads((tmp_path / "a.json").read_text()) and told["level"] in ("fine", "look", "wrong")
    assert told["iterations"] == 5 and len(told["history"]["residual"]) == 5 and "NaN" not in result.to_json()
    broken = PnPADMM(op, lambda x, sigma: x * float("nan"), noise_std=0.1).solve(photo)
    assert broken.reason == "not_finite" and json.loads(broken.to_json())["level"] == "wrong"
    assert "residual" in result.details()


@pytest.mark.parametrize("shape", [(1, SIDE, SIDE), (3, SIDE, SIDE), (1, 6, 20, 24), (64,)])
@pytest.mark.parametrize("kind", [torch.float32, torch.complex64])
def test_pages_of_every_kind(shape, kind, tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    op = as_operator(lambda x: 1 * x, in_shape=shape, in_dtype=kind)
    y = gaussian_noise(torch.ones(2, *shape, dtype=kind), 0.1)
    result = PnPADMM(op, lambda x, sigma: 0.9 * x, noise_std=0.1, stop=Stop(max_iter=3)).solve(y)
    figure = result.plot(path=tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000 and len(figure.axes) >= 5
