"""Readers of catalogues, maps and radio images: files of known contents."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from operators import KaiserSquires, LensingConvention
from pnp.io import open as open_file
from pnp.radio.beam_fit import Beam, beam_image

fits = pytest.importorskip("astropy.io.fits")
opened: Any = open_file
N, SCALE = 32, 1.5


def kappa() -> Any:
    r = torch.arange(N, dtype=torch.float64)
    lumps = [
        ((r[:, None] - a) ** 2 + (r - b) ** 2, s)
        for a, b, s in ((9, 20, 0.1), (22, 11, 0.2), (16, 17, 0.15), (6, 7, 0.12))
    ]
    return sum((s * torch.exp(-d / 8) for d, s in lumps), start=torch.zeros(N, N))[None, None]


def catalogue(sign=(1, -1), m: float = 0.0, c=(0.0, 0.0), each: int = 3) -> dict[str, np.ndarray]:
    """Galaxies in every pixel, shape noise of 0.02, biased by m and c; one flagged by its weight, one not finite."""
    shear = KaiserSquires((N, N), convention=LensingConvention(sign=sign))(kappa())[0, 0].numpy()
    rows, columns = (v.ravel().repeat(each) for v in np.mgrid[:N, :N])
    g = np.random.default_rng(0)
    at = [(v + 0.5 + g.uniform(-0.4, 0.4, len(v)) - N / 2) * SCALE / 60 for v in (rows, columns)]
    e = [
        (1 + m) * part[rows, columns] + b + 0.02 * g.normal(size=len(rows))
        for part, b in zip((shear.real, shear.imag), c)
    ]
    found = {"RA": 0.0 + at[1], "DEC": at[0], "e1": e[0], "e2": e[1], "weight": g.uniform(0.5, 1.5, len(rows)),
             "m": np.full(len(rows), m), "c1": np.full(len(rows), c[0]), "c2": np.full(len(rows), c[1]),
             "z_phot": np.full(len(rows), 0.9)}  # fmt: skip
    found["weight"][0], found["e1"][1] = -1, np.nan
    return found


def write(path, columns: dict[str, np.ndarray]) -> None:
    if path.suffix == ".fits":
        fits.BinTableHDU.from_columns([fits.Column(n, "D", array=v) for n, v in columns.items()]).writeto(path)
    elif path.suffix == ".csv":
        np.savetxt(path, np.stack([*columns.values()], 1), header=",".join(columns), comments="", delimiter=",")
    else:
        with pytest.importorskip("h5py").File(path, "w") as file:
            group = file.create_group("table")
            for n, v in columns.items():
                group[n] = v


@pytest.mark.parametrize("ending", ["fits", "csv", "h5"])
def test_catalogues(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    write(path, catalogue(m=-0.2, c=(0.03, -0.01)))
    m = opened(path, pixel_scale=SCALE, image_shape=(N, N), centre=(0.0, 0.0))
    truth = KaiserSquires((N, N), convention=LensingConvention(sign=(1, -1)))(kappa())
    assert m.provenance["left out"] == 2 and m.provenance["redshift"] == pytest.approx(0.9)
    error = (m.y - truth)[0, 0, 1:]
    assert error.abs().square().mean().sqrt() < 0.03 and abs(complex(error.mean())) < 3e-3  # biases are gone
    assert m.arguments["convention"].sign == (1, -1) and m.operator().pixel_scale == SCALE
    e = catalogue()
    rms = math.sqrt(np.nanmean(e["e1"] ** 2 + e["e2"] ** 2) / 2) / 3**0.5
    assert m.noise_std.median().item() == pytest.approx(rms / 0.8, rel=0.35)
    raw = opened(path, pixel_scale=SCALE, image_shape=(N, N), centre=(0.0, 0.0), calibrate=False, signs=(1, 1))
    assert complex((raw.y - 0.8 * truth).mean()) == pytest.approx(0.03 - 0.01j, abs=2e-3)
    assert raw.arguments["convention"].sign == (1, 1)


def test_a_catalogue_finds_its_own_grid(tmp_path):
    columns = catalogue()
    columns["alpha"], columns["g_1"] = 60 * columns.pop("RA"), columns.pop("e1")
    columns["DEC"] *= 60
    write(tmp_path / "a.fits", columns)
    m = opened(tmp_path / "a.fits", ra="alpha", e1="g_1", unit="arcmin")
    assert m.arguments["pixel_scale"] == pytest.approx(SCALE * (4 / 3) ** 0.5, rel=0.1)
    assert m.arguments["mask"].mean() > 0.8 and m.y.shape[-1] == pytest.approx(N / (4 / 3) ** 0.5, abs=3)
    for options, word in (
        ({"ra": "beta"}, "ra: no column 'beta'"),
        ({"unit": "hours"}, "unit"),
        ({"signs": (2, 1)}, "signs"),
    ):
        with pytest.raises(ValueError, match=rf"a\.fits: {word}"):
            opened(tmp_path / "a.fits", **{"ra": "alpha", "e1": "g_1", **options})
    with pytest.raises(ValueError, match=r"a\.fits: e1: no column has a usual name"):
        opened(tmp_path / "a.fits", ra="alpha")


def test_a_catalogue_on_a_square_and_one_that_ends_early(tmp_path):
    write(tmp_path / "a.fits", catalogue())
    square = opened(tmp_path / "a.fits", image_shape=16)
    assert square.y.shape == (1, 1, 16, 16) and torch.equal(
        square.y, opened(tmp_path / "a.fits", image_shape=(16, 16)).y
    )
    whole = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "b.fits").write_bytes(whole[: len(whole) // 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's, that the file may have been truncated
        with pytest.raises(ValueError, match=r"b\.fits: (?!it is in no known format)"):
            opened(tmp_path / "b.fits")


def header(**more):
    h = fits.Header()
    for k, v in {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 5.0, "CRPIX1": N // 2 + 1.0,
                 "CRPIX2": N // 2 + 1.0, "CDELT1": -SCALE / 60, "CDELT2": SCALE / 60, **more}.items():  # fmt: skip
        h[k] = v
    return h


def test_maps(tmp_path):
    shear = KaiserSquires((N, N))(kappa())[0, 0].numpy().copy()
    shear[3, 4] = np.nan
    fits.writeto(tmp_path / "field_e1.fits", shear.real, header())
    fits.writeto(tmp_path / "field_e2.fits", shear.imag)
    mask = np.ones((N, N))
    mask[:2] = 0
    fits.writeto(tmp_path / "field_mask.fits", mask)
    fits.writeto(tmp_path / "std.fits", np.full((N, N), 0.01))
    m = opened(tmp_path / "field_e1.fits", std=tmp_path / "std.fits")
    seen = m.arguments["mask"]
    assert (seen == 0).sum() == 2 * N + 1 and torch.allclose(m.y[0, 0][seen > 0], torch.tensor(shear)[seen > 0].to(m.y))
    assert m.arguments["pixel_scale"] == pytest.approx(SCALE) and m.provenance["centre"] == pytest.approx((10.0, 5.0))
    assert m.noise_std[0, 0, 0, 0] == math.inf and m.noise_std[0, 0, 5, 5].item() == pytest.approx(0.01)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(shear.real), fits.ImageHDU(shear.imag)]).writeto(
        tmp_path / "shear.fits"
    )
    both = opened(tmp_path / "shear.fits", signs=(1, 1))
    assert torch.equal(both.y[0, 0, 5:], m.y[0, 0, 5:])
    fits.writeto(tmp_path / "kappa.fits", kappa()[0, 0].numpy())
    one = opened(tmp_path / "kappa.fits")
    assert one.y.shape == (1, 1, N, N) and torch.equal(one.operator()(one.y), one.y)
    fits.writeto(tmp_path / "other_e1.fits", shear.real)
    fits.writeto(tmp_path / "tiny.fits", np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"other_e1\.fits: std: shape \(3, 3\)"):
        opened(tmp_path / "other_e1.fits", second=tmp_path / "field_e2.fits", std=tmp_path / "tiny.fits")


def test_radio_images(tmp_path):
    beam = Beam(360.0, 270.0, 35.0)
    sky = torch.zeros(1, 1, N, N)
    sky[..., 20, 12] = 2.0
    image = torch.roll(2 * beam_image(beam, (N, N), 60 * SCALE), (4, -4), (-2, -1))[0, 0].numpy()
    more = {"BUNIT": "JY/BEAM", "BMAJ": beam.major / 3600, "BMIN": beam.minor / 3600, "BPA": beam.angle}
    fits.writeto(tmp_path / "a.fits", image[None, None].astype("f4"), header(**more))
    m = opened(tmp_path / "a.fits")
    assert m.provenance["beam"] == pytest.approx(tuple(beam)) and m.provenance["unit"] == "JY/BEAM"
    assert (m.operator()(sky) - m.y).abs().max() < 2e-3 * m.y.max()
    fits.writeto(
        tmp_path / "b.fits", np.ascontiguousarray(image[:, ::-1]).astype("f4"), header(**more, CDELT1=SCALE / 60)
    )
    assert torch.equal(opened(tmp_path / "b.fits").y, m.y)  # east is drawn to the left
    image[0, 0] = np.nan
    fits.writeto(tmp_path / "c.fits", image.astype("f4"), header(BUNIT="JY/PIXEL"))
    plain = opened(tmp_path / "c.fits")
    assert plain.operator().measured.sum() == N * N - 1 and plain.operator()(sky)[..., 20, 12] == 2
    with pytest.raises(ValueError, match=r"d\.fits: BMAJ"):
        fits.writeto(tmp_path / "d.fits", image.astype("f4"), header(**{**more, "BMAJ": -1.0}))
        opened(tmp_path / "d.fits")
