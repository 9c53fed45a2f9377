"""Weak lensing: power, random maps, the Wiener filter against dense algebra and through ADMM, FITS."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from denoisers import LoFiDenoiser, MassDenoiser, PowerTable, WienerDenoiser
from operators import (
    KaiserSquires,
    LensingConvention,
    RadioInterferometry,
    ReducedShear,
    Weighted,
    bin_shear,
    gaussian_noise,
    shape_noise_std,
    shape_noise_std_map,
    shear_signs,
    uv_coverage,
)
from pnp import Expert, PnPADMM, PnPHQS, Stop
from pnp.lensing import (
    LognormalMaps,
    convergence_power,
    convergence_table,
    correlation,
    gaussian_map,
    lognormal_map,
    peak_counts,
    radial_power,
    read_map,
    smoothed_kaiser_squires,
    wiener_reconstruction,
)

from ..contracts import relative


def table() -> PowerTable:
    return PowerTable(torch.tensor([1e2, 1e3, 1e5]), torch.tensor([1e-8, 3e-9, 1e-12]), 1.0)


def mask(*shape: int) -> torch.Tensor:
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(0)) > 0.3).double()


def test_power_has_the_published_size():
    """About 1e-4 at l = 1000 for sources at redshift 1, in Planck's universe; it grows with their distance."""
    ell = np.array([300.0, 1000.0, 3000.0])
    near, far = (ell**2 * convergence_power(ell, redshift=z) / (2 * np.pi) for z in (1.0, 2.0))
    assert np.all((near > 2e-5) & (near < 2e-4)) and np.all((far / near > 2) & (far / near < 5))
    with pytest.raises(ValueError, match="redshift"):
        convergence_power(ell, redshift=0.0)


def test_random_maps_have_the_power_they_were_given():
    grid = table().variances((64, 64))
    maps = {
        "gaussian": torch.stack([gaussian_map(grid, torch.Generator().manual_seed(i)) for i in range(40)]),
        "lognormal": torch.stack([lognormal_map(grid, 0.05, torch.Generator().manual_seed(i)) for i in range(40)]),
    }
    for name, x in maps.items():
        power = torch.fft.fft2(x, norm="ortho").abs().square().mean(0)[0]
        assert 0.9 < float((power / grid)[grid > 0].mean()) < 1.1, name
    skew = (maps["lognormal"] ** 3).mean() / maps["lognormal"].var() ** 1.5
    assert (
        maps["lognormal"].min() > -0.05 and skew > 0.3 > (maps["gaussian"] ** 3).mean() / maps["gaussian"].var() ** 1.5
    )


def test_maps_by_number_are_always_the_same():
    maps = LognormalMaps(4, (16, 16), 1.0)
    assert torch.equal(maps[2], maps[2]) and not torch.equal(maps[2], maps[1])
    assert torch.equal(LognormalMaps(4, (16, 16), 1.0, first=1)[1], maps[2])
    with pytest.raises(IndexError):
        maps[4]


def dense_wiener(op, y, grid, noise) -> torch.Tensor:
    """The textbook formula with matrices."""
    n = grid.numel()
    eye = torch.eye(n, dtype=torch.float64).reshape(n, *op.in_shape)
    matrix = torch.view_as_real(op.A(eye)).flatten(1).T
    s = torch.fft.ifft2(torch.fft.fft2(eye) * (grid + 1e-12)).real.flatten(1)
    inverse_noise = (1 / noise.double() ** 2).expand(op.out_shape).flatten().repeat_interleave(2)
    left = torch.linalg.inv(s) + matrix.T @ (inverse_noise[:, None] * matrix)
    return torch.linalg.solve(left, matrix.T @ (inverse_noise * torch.view_as_real(y).flatten())).reshape(
        1, *op.in_shape
    )


def test_wiener_filter_of_masked_unevenly_noisy_shear():
    op = KaiserSquires((7, 8), mask=mask(7, 8))
    grid = table().variances((7, 8))
    noise = 1e-3 * (1 + torch.rand(1, 7, 8, generator=torch.Generator().manual_seed(1)))
    x = gaussian_map(grid, torch.Generator().manual_seed(2))[None]
    y = op.A(x) + noise * torch.randn(1, 1, 7, 8, dtype=torch.complex128, generator=torch.Generator().manual_seed(3))
    expected = dense_wiener(op, y, grid, noise)
    assert relative(wiener_reconstruction(op, y, table(), noise, rtol=1e-12), expected) < 1e-5
    assert op.mask is not None
    hidden = torch.where(op.mask[0] > 0, noise, float("inf"))
    bare = KaiserSquires((7, 8))
    assert relative(wiener_reconstruction(bare, y, table(), hidden, rtol=1e-12), expected) < 1e-5
    with pytest.raises(ValueError, match="noise_std"):
        wiener_reconstruction(op, y, table(), 0.0)


@pytest.mark.parametrize("masked", [False, True])
def test_admm_with_the_wiener_denoiser_ends_at_the_wiener_filter(masked):
    op = KaiserSquires((12, 12), mask=mask(12, 12) if masked else None)
    grid, std = table().variances((12, 12)), 2e-3
    x = gaussian_map(grid, torch.Generator().manual_seed(2))[None]
    y = op.A(x) + std * torch.randn(1, 1, 12, 12, dtype=torch.complex128, generator=torch.Generator().manual_seed(3))
    wiener = wiener_reconstruction(op, y, grid, std, rtol=1e-12)
    level = 2e-3  # sigma of the denoiser; rho = 1 / sigma^2 makes its prior that of the map
    for expert in (None, Expert(1 / level**2, level)):  # the prior's units are left alone by themselves
        stop = Stop(max_iter=3000, tolerance=1e-11)
        solver = PnPADMM(op, WienerDenoiser(grid), noise_std=std, expert=expert, stop=stop)
        assert relative(solver(y), wiener) < 1e-7
    scaled = PnPADMM(op, WienerDenoiser(1e8 * grid), noise_std=1e4 * std, stop=stop)(1e4 * y)
    assert relative(scaled / 1e4, wiener) < 1e-7


@pytest.mark.parametrize("std", [0.165, 1e-2, 1e-4])
def test_wiener_filter_converges_at_every_noise_level(std):
    x = LognormalMaps(1, (48, 48), 0.29)[0][None].double()
    seen = torch.ones(48, 48)
    seen[10:25, 20:30] = 0
    for op in (KaiserSquires((48, 48)), KaiserSquires((48, 48), mask=seen)):
        y = op.A(x) + std * torch.randn(1, 1, 48, 48, dtype=torch.complex128)
        found = wiener_reconstruction(op, y, convergence_table(0.29), std, max_iter=200)
        assert correlation(found, x).item() > (0.3 if std > 0.1 else 0.9)


def test_holes_may_hold_anything():
    op, bare = KaiserSquires((12, 12), mask=mask(12, 12)), KaiserSquires((12, 12))
    y = bare(gaussian_map(table().variances((12, 12)), torch.Generator().manual_seed(2))[None])
    spoilt = torch.where(mask(12, 12) > 0, y, float("nan"))
    assert torch.equal(op.modes(spoilt), bare.modes(y * mask(12, 12)))
    assert torch.equal(op.A_adjoint(spoilt), bare.A_adjoint(y * mask(12, 12)))
    assert torch.isfinite(smoothed_kaiser_squires(op, spoilt, 1.0)).all()
    noise = torch.where(mask(12, 12) > 0, 1e-3, float("inf"))
    assert torch.isfinite(wiener_reconstruction(bare, spoilt, table(), noise)).all()
    with pytest.raises(ValueError, match="y: holds NaN"):
        wiener_reconstruction(bare, spoilt, table(), 1e-3)


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS])
def test_mean_that_shear_does_not_tell_is_zero(method):
    op = KaiserSquires((32, 32))
    kappa, noise = (
        LognormalMaps(1, (32, 32), 0.29)[0][None] + 1,
        0.02 * torch.randn(1, 1, 32, 32, dtype=torch.complex64),
    )
    y = op(kappa) + noise
    for denoiser in (LoFiDenoiser(), lambda x, sigma: x + 0.1 * sigma):  # the second one adds some in every iteration
        result = method(op, denoiser, noise_std=0.02, stop=Stop(max_iter=30)).solve(y)
        assert result.x.mean().abs() < 1e-6 and "not in the data" in str(result)
    kept = method(
        other := KaiserSquires((32, 32), convention="lofi"), LoFiDenoiser(), noise_std=0.02, stop=Stop(max_iter=5)
    )
    assert "mean of the image" not in kept.solve(other(kappa) + noise).report
    with pytest.warns(RuntimeWarning, match="sign of the second component"):
        kept.solve(y)


def test_mass_denoiser_is_periodic():
    denoiser = MassDenoiser()
    x = 0.1 * torch.randn(1, 1, 24, 30, generator=torch.Generator().manual_seed(0))
    moved = denoiser(x.roll((7, 11), (-2, -1)), 0.15).roll((-7, -11), (-2, -1))
    assert relative(moved, denoiser(x, 0.15)) < 1e-5
    assert denoiser.sigma_range == (0.0, 0.3)


def test_unmasked_wiener_filter_is_that_of_the_modes():
    op, std = KaiserSquires((9, 9)), 2e-3
    y = op.A(gaussian_map(table().variances((9, 9)), torch.Generator().manual_seed(2))[None]) + std
    assert (
        relative(wiener_reconstruction(op, y, table(), std, rtol=1e-12), WienerDenoiser(table())(op.inverse(y), std))
        < 1e-9
    )


def test_denoisers_units_shapes_and_errors():
    denoiser = MassDenoiser(None, power=convergence_table(0.29)).eval()
    x = 0.1 * torch.randn(3, 1, 16, 20)
    levels = torch.tensor([0.05, 0.1, 0.2])
    together = denoiser(x, levels)
    assert torch.allclose(together[1:2], denoiser(x[1:2], 0.1), atol=1e-6) and together.dtype == torch.float32
    assert denoiser(x.double(), 0.1).dtype == torch.float64
    with pytest.raises(ValueError, match="power"):
        MassDenoiser(None)
    with pytest.raises(ValueError, match="power is for"):
        WienerDenoiser(torch.ones(4, 4))(x, 0.1)
    with pytest.raises(ValueError, match="ell"):
        PowerTable(torch.tensor([2.0, 1.0]), torch.ones(2), 1.0)
    assert not WienerDenoiser(torch.zeros(4, 4))(torch.ones(1, 1, 4, 4), 0.0).any()


def test_counts_and_correlation():
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 2, 2], x[0, 0, 6, 6], x[0, 0, 6, 5] = 1.0, 3.0, 2.0
    assert peak_counts(x, torch.tensor([0.5, 1.5, 5.0])).tolist() == [[2, 1, 0]]
    plateau = torch.ones(1, 1, 8, 8)
    assert peak_counts(plateau, [0.5]).tolist() == [[0]]
    with pytest.raises(ValueError, match="x: expected real maps"):
        peak_counts(torch.ones(1, 2, 8, 8), [0.5])
    assert correlation(x, 5 * x + 1).item() == pytest.approx(1.0) and correlation(x, -x).item() == pytest.approx(-1.0)
    ell, power = radial_power(0.1 * torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0)), 1.0)
    white = 0.01 * np.radians(1 / 60) ** 2
    assert torch.allclose(power[:, 6:], torch.full_like(power[:, 6:], white), rtol=0.3) and ell[0] < ell[-1]
    with pytest.raises(ValueError, match="pixel_scale"):
        radial_power(x, 0.0)


def test_power_is_given_at_the_multipoles_it_was_measured_at():
    spectrum = table()
    maps = torch.stack(
        [gaussian_map(spectrum.variances((64, 64)), torch.Generator().manual_seed(i)) for i in range(60)]
    )
    ell, power = radial_power(maps, 1.0)
    known = ~torch.isnan(ell) & (ell < 4000)  # beyond, the footprint of the pixels
    expected = np.exp(np.interp(ell[known].log().numpy(), spectrum.ell.log().numpy(), spectrum.power.log().numpy()))
    assert known.sum() >= 6 and np.allclose(power.mean(0)[known].numpy(), expected, rtol=0.12)


def test_smoothing_leaves_the_mean_and_lowers_the_noise():
    op = KaiserSquires((16, 16), convention="lofi")
    y = op(torch.randn(1, 1, 16, 16) + 1)
    assert torch.allclose(smoothed_kaiser_squires(op, y, 0.0), op.inverse(y), atol=1e-5)
    wide = smoothed_kaiser_squires(op, y, 2.0)
    assert wide.mean().item() == pytest.approx(op.inverse(y).mean().item(), abs=1e-5)
    assert wide.std() < 0.5 * op.inverse(y).std()


def test_noise_of_surveys():
    assert shape_noise_std(300 / 512, components=1) == pytest.approx(0.11529, abs=1e-5)
    assert shape_noise_std_map(torch.tensor([8.0]), sigma_e=0.4).item() == pytest.approx(0.1)
    with pytest.raises(ValueError, match="n_gal"):
        shape_noise_std(1.0, n_gal=0)
    with pytest.raises(ValueError, match="components"):
        shape_noise_std(1.0, components=3)


def test_catalogue_is_binned_where_it_lies():
    g = torch.Generator().manual_seed(0)
    rows, columns = torch.randint(0, 20, (2, 500), generator=g)
    dec = (rows + 0.5 - 10) / 60  # pixels of one arcmin around (150, 0) degrees
    ra = 150 + (columns + 0.5 - 10) / 60
    e1, e2 = torch.randn(2, 500, generator=g)
    weight = torch.rand(500, generator=g)
    binned = bin_shear(
        ra.double(), dec.double(), (e1, e2), image_shape=(20, 20), pixel_scale=1.0, centre=(150.0, 0.0), weight=weight
    )
    assert torch.equal(binned.mask, (binned.counts > 0).float())
    r, c = int(rows[7]), int(columns[7])
    here = (rows == r) & (columns == c)
    effective = weight[here].sum() ** 2 / (weight[here] ** 2).sum()
    assert binned.counts[r, c].item() == pytest.approx(effective.item(), rel=1e-5)
    even = bin_shear(ra.numpy().astype(">f8"), dec, (e1, e2), image_shape=(20, 20), pixel_scale=1.0, centre=(150, 0))
    assert int(even.counts.sum()) == 500  # FITS has big-endian columns
    some = bin_shear(ra, dec, (e1, e2), image_shape=(20, 20), pixel_scale=1.0, centre=(150, 0), weight=here.float())
    assert some.counts.sum() == here.sum() and some.mask.sum() == 1  # galaxies of no weight are none
    expected = (weight * e1)[here].sum() / weight[here].sum()
    assert binned.shear[0, 0, r, c].real.item() == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(ValueError, match="weight"):
        bin_shear(ra, dec, (e1, e2), image_shape=(20, 20), pixel_scale=1.0, weight=-weight)
    for arguments, message in (
        ({"dec": dec[:5]}, "dec: expected"),
        ({"dec": dec + 200}, "declinations"),
        ({"centre": (0.0, 0.0)}, "no galaxy"),
        ({"pixel_scale": 0.0}, "pixel_scale"),
        ({"image_shape": (0, 4)}, "image_shape"),
        ({"ellipticity": torch.complex(e1, e2)}, "two components"),
        ({"weight": float("nan") * weight}, "not finite"),
    ):
        usual: Any = {"ra": ra, "dec": dec, "ellipticity": (e1, e2), "image_shape": (20, 20), "pixel_scale": 1.0}
        with pytest.raises(ValueError, match=message):
            bin_shear(**(usual | arguments))


def test_a_catalogue_with_the_truth_in_it():
    folder = os.environ.get("PNP_DATA")
    path = Path(folder or "") / "lensing" / "galaxy_catalogue.fits"
    if folder is None or not path.is_file():
        pytest.skip("PNP_DATA names no folder with lensing/galaxy_catalogue.fits")
    fits = pytest.importorskip("astropy.io.fits", reason="needs astropy: pip install 'pnp-imaging[io]'")
    t = fits.getdata(path, 1)

    def binned(first: str, second: str) -> torch.Tensor:
        columns = (t["ra"], t["dec"], (t[first], t[second]))
        return bin_shear(*columns, image_shape=(64, 64), pixel_scale=1.0).shear

    shear, truth = binned("gamma1", "gamma2"), binned("kappa", "kappa").real
    found = {
        sign: float(correlation(smoothed_kaiser_squires(
            KaiserSquires((64, 64), convention=LensingConvention(sign=sign)), shear, 1.0), truth))
        for sign in ((1, 1), (-1, -1), (1, -1), (-1, 1))
    }  # fmt: skip
    assert max(found, key=lambda s: found[s]) == (-1, -1) and found[-1, -1] > 0.7
    signs = shear_signs(shear)
    assert signs.sign == (-1, -1) and signs.sure
    assert shear_signs(shear.flip(-1)).sign == (-1, 1)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_prior_for_other_pixels_is_warned_of(wrapped):
    x = LognormalMaps(1, (32, 32), 0.4)[0][None]
    for scale, fits in ((0.4, False), (0.293, True), (None, True)):
        op = KaiserSquires((32, 32), pixel_scale=scale)
        op = 2.0 * (Weighted(torch.ones(1, 32, 32), dtype=torch.complex64) @ op) if wrapped else op
        y = op(x) + 0.1 * torch.randn(1, 1, 32, 32, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
        solver = PnPADMM(op, MassDenoiser(), noise_std=0.1, stop=Stop(max_iter=3))
        if fits:
            told = solver.solve(y).report["pixel scale"]
            assert ("not known" in told) == (scale is None)
            wiener_reconstruction(op, y, convergence_table(0.29), 0.1)
        else:
            with pytest.warns(RuntimeWarning, match="0.4 arcmin, but the prior's power is for 0.29"):
                solver.solve(y)
            with pytest.warns(RuntimeWarning, match="wiener_reconstruction: .* 0.4 arcmin"):
                wiener_reconstruction(op, y, convergence_table(0.29), 0.1)


def test_catalogue_across_the_meridian():
    ra = torch.tensor([359.9, 0.1], dtype=torch.float64)
    binned = bin_shear(ra, 0 * ra, (ra, ra), image_shape=(20, 20), pixel_scale=1.0)
    assert int(binned.counts.sum()) == 2


def test_fits_round_trip(tmp_path):
    pytest.importorskip("astropy", reason="needs astropy: pip install 'pnp-imaging[io]'")
    from pnp.lensing import write_map

    x = torch.randn(1, 1, 5, 6)
    write_map(tmp_path / "a.fits", x, centre=(150.1, 2.2), pixel_scale=0.29)
    again = read_map(tmp_path / "a.fits")
    assert torch.equal(again.map, x) and again.pixel_scale == pytest.approx(0.29)
    from astropy.wcs import WCS

    sky = WCS(again.header).pixel_to_world_values(2.5, 2.0)
    assert np.allclose(sky, (150.1, 2.2))
    (tmp_path / "b.fits").write_bytes(b"no such thing" * 300)
    with pytest.raises(ValueError, match=r"b\.fits"):
        read_map(tmp_path / "b.fits")
    with pytest.raises(ValueError, match="map"):
        write_map(tmp_path / "c.fits", x[0], centre=(0.0, 0.0), pixel_scale=1.0)
    for wrong in ({"east": "up"}, {"projection": "CAR"}, {"beam": (1.0, 2.0, 0.0)}, {"frequency": 0.0}):
        usual: Any = {"centre": (0.0, 0.0), "pixel_scale": 1.0}
        with pytest.raises(ValueError, match=next(iter(wrong))):
            write_map(tmp_path / "c.fits", x, **(usual | wrong))
    with pytest.raises(FileNotFoundError):
        read_map(tmp_path / "none.fits")


@pytest.mark.parametrize("shape", [(32, 32), (31, 33), (24, 31)])
def test_a_map_of_visibilities_lies_where_its_sources_are(shape, tmp_path):
    """Sources at known right ascension and declination, visibilities by a sum over their direction cosines."""
    pytest.importorskip("astropy", reason="needs astropy: pip install 'pnp-imaging[io]'")
    from astropy.wcs import WCS

    from pnp.lensing import write_map

    cell, centre = 600.0, (150.0, -30.0)  # wide pixels: five degrees from the centre SIN and TAN differ by a pixel
    op = RadioInterferometry(uv_coverage("vla-d", samples=3, frequency=2e6), shape, cell=cell)
    uv = uv_coverage("vla-d", samples=3, frequency=2e6)
    for ra, dec in ((150.0, -30.0), (148.5, -28.2), (151.2, -31.6)):
        a, d, d0 = np.radians(ra - centre[0]), np.radians(dec), np.radians(centre[1])
        l, m = np.cos(d) * np.sin(a), np.sin(d) * np.cos(d0) - np.cos(d) * np.sin(d0) * np.cos(a)
        image = op.dirty_image(torch.exp(-2j * torch.pi * (uv[0] * l + uv[1] * m))[None, None])
        write_map(tmp_path / "r.fits", image, centre=centre, pixel_scale=cell / 60, east="left", unit="Jy/beam",
                  beam=(30.0, 20.0, 45.0), frequency=2e6)  # fmt: skip
        again = read_map(tmp_path / "r.fits")
        assert torch.equal(again.map, image.float()) and again.pixel_scale == pytest.approx(10)
        wcs = WCS(again.header)
        column, row, _ = wcs.world_to_pixel_values(ra, dec, 2e6)
        peak = divmod(int(image.argmax()), shape[1])
        assert peak == (round(float(row)), round(float(column)))
        side = np.radians(cell / 3600)
        assert float(column) == pytest.approx(shape[1] // 2 - l / side, abs=1e-6)
        assert float(row) == pytest.approx(shape[0] // 2 + m / side, abs=1e-6)
        keys = [again.header[k] for k in ("CTYPE1", "BUNIT", "BMAJ", "BMIN", "BPA", "CRVAL3")]
        assert keys == ["RA---SIN", "Jy/beam", 30 / 3600, 20 / 3600, 45.0, 2e6]


@pytest.mark.parametrize("shape", [(8, 10), (9, 7)])
def test_a_map_of_a_catalogue_lies_where_its_galaxies_are(shape, tmp_path):
    pytest.importorskip("astropy", reason="needs astropy: pip install 'pnp-imaging[io]'")
    from astropy.wcs import WCS

    from pnp.lensing import write_map

    g = torch.Generator().manual_seed(0)
    ra, dec = (v + 0.06 * (torch.rand(50, generator=g, dtype=torch.float64) - 0.5) for v in (150.0, 2.0))
    binned = bin_shear(ra, dec, (ra, dec), image_shape=shape, pixel_scale=0.6, centre=(150.0, 2.0))
    write_map(tmp_path / "k.fits", binned.counts[None, None], centre=(150.0, 2.0), pixel_scale=0.6)
    again = read_map(tmp_path / "k.fits")
    column, row = WCS(again.header).world_to_pixel_values(ra.numpy(), dec.numpy())
    counts = np.zeros(shape)
    inside = (abs(column - (shape[1] - 1) / 2) < shape[1] / 2) & (abs(row - (shape[0] - 1) / 2) < shape[0] / 2)
    np.add.at(counts, (np.rint(row[inside]).astype(int), np.rint(column[inside]).astype(int)), 1)
    assert np.array_equal(counts, again.map[0, 0].numpy())


def test_whitened_shear_solves_as_weighted():
    noise = 1e-3 * (1 + torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1)).double())
    op = KaiserSquires((8, 8))
    white = Weighted(1 / noise, dtype=torch.complex64) @ op
    y = op.A(gaussian_map(table().variances((8, 8)), torch.Generator().manual_seed(2))[None])
    a = wiener_reconstruction(op, y, table(), noise, rtol=1e-12)
    b = wiener_reconstruction(white, y / noise, table(), 1.0, rtol=1e-12)
    assert relative(a, b) < 1e-8


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS])
def test_solvers_get_past_iterates_that_reach_one(method):
    rows, columns = torch.meshgrid(*[torch.arange(32) - 16] * 2, indexing="ij")
    kappa = 0.75 * torch.exp(-(rows**2 + columns**2) / 32)[None, None]
    op = ReducedShear(KaiserSquires((32, 32)))
    y = gaussian_noise(op(kappa), 0.1, seed=0)
    x = method(op, WienerDenoiser(torch.full((32, 32), 0.01)), noise_std=0.1, stop=Stop(max_iter=5))(y)
    assert bool(torch.isfinite(x).all())
