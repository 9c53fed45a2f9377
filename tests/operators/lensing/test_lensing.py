"""Kaiser-Squires: laws, round trips in every convention, a definition by hand, a shear pattern that turns."""

import copy
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import MRI, KaiserSquires, LensingConvention, ReducedShear, Weighted, shear_signs
from operators.lensing.kaiser_squires import CONVENTIONS

from ...contracts import operator_laws, random_image, relative


def half_mask(*shape: int) -> torch.Tensor:
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(3)) > 0.4).float()


@pytest.mark.parametrize("name", [*CONVENTIONS])
@pytest.mark.parametrize("shape", [(6, 6), (5, 7), (6, 5)])
def test_laws(name, shape):
    operator_laws(KaiserSquires(shape, convention=name))


def test_laws_with_a_mask_and_weights():
    operator_laws(KaiserSquires((6, 6), mask=half_mask(6, 6)))
    operator_laws(Weighted(0.5 + half_mask(1, 6, 6), dtype=torch.complex64) @ KaiserSquires((6, 6)))


@settings(deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.sampled_from(sorted(CONVENTIONS)))
def test_round_trip(height, width, name):
    op = KaiserSquires((height, width), convention=name)
    x = random_image(op)
    mean = 0 if op.convention.dc else x.mean((-2, -1), keepdim=True)
    assert relative(op.inverse(op(x), exact=True) + mean, x) < 1e-12
    if name == "lofi" or (height % 2 and width % 2):
        assert relative(op.inverse(op(x)) + mean, x) < 1e-12


def test_no_b_modes_come_from_convergence():
    op = KaiserSquires((8, 8))
    assert op.modes(op(random_image(op))).imag.abs().max() < 1e-12


@pytest.mark.parametrize("shape", [(8, 8), (7, 10)])
def test_presets_are_the_formulas_of_their_codes(shape):
    x = random_image(KaiserSquires(shape), batch=1)
    spectrum = np.fft.fft2(x[0, 0].numpy())
    k1, k2 = np.meshgrid(np.fft.fftfreq(shape[1]), np.fft.fftfreq(shape[0]))  # lenspack, jax-lensing: x along columns
    square = np.where(k1**2 + k2**2 == 0, 1, k1**2 + k2**2)
    g1 = np.fft.ifft2((k1**2 - k2**2) / square * spectrum).real
    g2 = np.fft.ifft2(2 * k1 * k2 / square * spectrum).real
    for name in ("lenspack", "jax-lensing"):
        assert np.allclose(KaiserSquires(shape, convention=name)(x)[0, 0].numpy(), g1 + 1j * g2)
    k1, k2 = k2, k1  # LoFi: rows first, the mean kept
    response = (k1**2 - k2**2 + 2j * k1 * k2) / square
    response[0, 0] = 1
    assert np.allclose(KaiserSquires(shape, convention="lofi")(x)[0, 0].numpy(), np.fft.ifft2(response * spectrum))


def test_noise_is_as_strong_in_the_map_as_in_the_shear():
    op = KaiserSquires((64, 64))
    noise = torch.randn(1, 1, 64, 64, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    assert op.inverse(noise).std() <= 1.02 * noise.real.std() < op.inverse(noise, exact=True).std()


def blob(n: int = 33) -> torch.Tensor:
    t = torch.arange(n, dtype=torch.float64) - n // 2
    return torch.exp(-(t[:, None] ** 2 + t[None] ** 2) / 18)[None, None]


@pytest.mark.parametrize("name, sign", [("lenspack", 1), ("jax-lensing", 1), ("lofi", -1)])
def test_mass_shears_tangentially(name, sign):
    """Around a mass images are stretched along circles: beside it (x axis) gamma1 < 0, on the diagonal gamma2 < 0."""
    gamma = KaiserSquires((33, 33), convention=name)(blob())[0, 0]
    assert sign * gamma[16, 24].real < -0.01 and sign * gamma[24, 16].real > 0.01
    assert gamma[22, 22].imag < -0.01 and gamma[22, 10].imag > 0.01


def test_turning_the_map_turns_the_shear_twice():
    op = KaiserSquires((17, 17))
    x = random_image(op, batch=1)
    turned = op(x.rot90(1, (-2, -1)))
    assert relative(turned, -op(x).rot90(1, (-2, -1))) < 1e-12  # by 90 degrees: spin 2 gives exp(2 i pi / 2) = -1
    flipped = op(x.flip(-2))
    assert relative(flipped, op(x).flip(-2).conj()) < 1e-12


def test_sign_turns_components():
    x = random_image(KaiserSquires((6, 6)), batch=1)
    plain = KaiserSquires((6, 6))(x)
    assert relative(KaiserSquires((6, 6), convention=LensingConvention(sign=(1, -1)))(x), plain.conj()) < 1e-14


def test_reduced_shear_derivative_is_the_derivative():
    model = ReducedShear(KaiserSquires((6, 6)))
    kappa, step = 0.2 * random_image(model.shear, batch=1), random_image(model.shear, batch=1, seed=4)
    operator_laws(model.linearised(kappa), singles=[model.linearised(kappa)])
    small = 1e-6
    change = (model(kappa + small * step) - model(kappa - small * step)) / (2 * small)
    assert relative(model.linearised(kappa)(step), change) < 1e-8


def test_reduced_shear_is_inverted():
    op = KaiserSquires((32, 32))
    t = torch.linspace(-1, 1, 32, dtype=torch.float64)
    kappa = 0.3 * torch.exp(-(t[:, None] ** 2 + t[None] ** 2) * 20)[None, None]
    kappa = kappa - kappa.mean()
    g = ReducedShear(op)(kappa)
    found = ReducedShear(op).solve(g, op.inverse, steps=12)
    assert (found - kappa).abs().max() < 0.02 < (op.inverse(g) - kappa).abs().max()


def cluster(peak: float, width: float, n: int = 64) -> torch.Tensor:
    t = torch.arange(n, dtype=torch.float64) - n // 2
    kappa = peak * torch.exp(-(t[:, None] ** 2 + t[None] ** 2) / (2 * width**2))[None, None]
    return kappa - kappa.mean()


@pytest.mark.parametrize("peak", [0.88, 0.95])
@pytest.mark.parametrize("steps", [4, 20, 100])
def test_strong_clusters_are_inverted_however_many_steps(peak, steps):
    """Many exact steps magnify rounding in the last frequencies without bound: 4e4 times the map after 40."""
    op = KaiserSquires((64, 64))
    kappa = cluster(peak, 8.0)
    found = ReducedShear(op).solve(ReducedShear(op)(kappa), lambda y: op.inverse(y, exact=True), steps=steps)
    assert relative(found, kappa) < 0.005


def test_diverging_steps_say_so():
    op = KaiserSquires((64, 64))
    kappa = torch.cat((cluster(0.3, 8.0), cluster(0.95, 8.0)))
    noise = 0.05 * torch.randn(1, 1, 64, 64, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    g = ReducedShear(op)(kappa)
    g[1] += noise[0]
    with pytest.warns(RuntimeWarning, match=r"solve: diverges, the smallest change in 30 steps"):
        found = ReducedShear(op).solve(g, lambda y: op.inverse(y, exact=True), steps=30)
    assert torch.isfinite(found).all() and relative(found[:1], kappa[:1]) < 1e-6
    assert relative(found[1:], kappa[1:]) < 0.5
    with pytest.warns(RuntimeWarning, match="reaches 1"):
        ReducedShear(op).solve(5 * g[1:], op.inverse, steps=1)
    with pytest.warns(RuntimeWarning, match="not finite"):
        ReducedShear(op).solve(g[:1], lambda y: torch.nan * y.real, steps=1)


def lumps(n: int = 96, seed: int = 0) -> torch.Tensor:
    """Masses on an empty sky."""
    places = torch.rand(1, 1, n, n, generator=torch.Generator().manual_seed(seed)) > 0.995
    kernel = cluster(1.0, 2.0, n)[0, 0].clamp_min(0)
    return torch.fft.ifft2(torch.fft.fft2(places.double()) * torch.fft.fft2(kernel)).real


@pytest.mark.parametrize("sign", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_signs_are_found(sign, noise):
    op = KaiserSquires((96, 96), convention=LensingConvention(sign=sign))
    g = torch.Generator().manual_seed(1)
    y = op(lumps()) + noise * torch.randn(1, 1, 96, 96, dtype=torch.complex128, generator=g)
    seen = half_mask(96, 96)
    for shear, mask in ((y, None), (torch.where(seen > 0, y, torch.nan), seen)):
        found = shear_signs(shear, mask=mask)
        assert found.sign == sign and found.sure, found
    assert shear_signs(y.flip(-1)).sign == (sign[0], -sign[1])  # a mirrored map
    assert shear_signs(y.flip(-2)).sign == (sign[0], -sign[1])
    assert shear_signs(y, x_axis="rows").sign == (-sign[0], sign[1])


def test_signs_of_noise_are_not_found():
    noise = torch.randn(1, 1, 64, 64, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match="too little to be sure"):
        assert not shear_signs(noise).sure
    with pytest.raises(ValueError, match="mask="):
        shear_signs(torch.full_like(noise, torch.nan))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"convention": "upside down"}, "convention"),
        ({"convention": LensingConvention(x_axis="x")}, "x_axis"),
        ({"pixel_scale": 0.0}, "pixel_scale"),
        ({"convention": LensingConvention(nyquist="half")}, "nyquist"),
        ({"convention": LensingConvention(sign=(1, 2))}, "sign"),
        ({"mask": torch.ones(3, 3)}, "mask"),
        ({"mask": 0.5 * torch.ones(4, 4)}, "zeros and ones"),
        ({"mask": torch.zeros(4, 4)}, "nothing"),
        ({"convention": LensingConvention(sign=(1,))}, "sign"),  # type: ignore[arg-type]
        ({"convention": LensingConvention(dc=float("nan"))}, "dc"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        KaiserSquires((4, 4), **arguments)


def test_convergence_of_one_has_no_reduced_shear():
    with pytest.raises(ValueError, match="reaches 1"):
        ReducedShear(KaiserSquires((4, 4)))(torch.ones(1, 1, 4, 4))
    beyond = ReducedShear(KaiserSquires((4, 4))).linearised(torch.ones(1, 1, 4, 4))  # as iterates of solvers may go
    assert bool(torch.isfinite(beyond.A(torch.rand(1, 1, 4, 4))).all())
    with pytest.raises(TypeError, match="shear"):
        ReducedShear("a")  # type: ignore[arg-type]
    assert math.isclose(KaiserSquires((4, 4)).norm(), 1.0)


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.complex64])
def test_converted_operators_keep_their_imaginary_parts(kind):
    x = random_image(KaiserSquires((6, 6)), batch=1)
    tolerance = 1e-12 if kind == torch.float64 else 1e-5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, on complex modules
        assert relative(KaiserSquires((6, 6)).to(kind)(x), KaiserSquires((6, 6))(x)) < tolerance
        maps = torch.randn(2, 6, 6, dtype=torch.complex64)
        image = torch.randn(1, 1, 6, 6, dtype=torch.complex64)
        mri = MRI(torch.ones(6, 6), maps)
        assert relative(copy.deepcopy(mri).to(kind)(image), mri(image)) < 1e-5
