"""Skies in FITS files: what astropy reads of them, and where sources are."""

import json
import math

import numpy as np
import pytest
import torch

from operators import KaiserSquires
from pnp import PnPADMM, Stop, TVDenoiser
from pnp.io import Measurement, read_radio_image, write_sky, write_sky_map
from pnp.io import open as open_file
from pnp.radio import restored
from tests.pnp.io.visibility_files import CELL, SHAPE, SOURCES, sky, write_uvfits

fits = pytest.importorskip("astropy.io.fits")


def history(header) -> dict:
    return json.loads("".join(str(line) for line in header["HISTORY"]).removeprefix("pnp "))


def test_model_residual_and_restored_image(tmp_path):
    from astropy.wcs import WCS

    write_uvfits(tmp_path / "a.uvfits", height=0.0)
    m = open_file(tmp_path / "a.uvfits", image_shape=SHAPE, cell=CELL)
    op = m.operator()
    result = PnPADMM(op, TVDenoiser(), noise_std=m.noise_std, stop=Stop(max_iter=3)).solve(m.y)
    truth = torch.from_numpy(sky()).float()[None, None]
    found = restored(op, m.y, truth)
    assert found.rms < 1e-4 and torch.equal(found.model, truth)
    files = write_sky(tmp_path / "pair", found, m, result=result)
    assert [f.name for f in files] == ["pair-model.fits", "pair-residual.fits", "pair-restored.fits"]
    for file in files:
        with fits.open(file) as opened:
            opened.verify("exception")
            header, data = opened[0].header.copy(), np.squeeze(opened[0].data)
        told = history(header)
        assert told["method"] == "PnPADMM" and len(told["data"]["hash"]) == 16 and told["data"]["format"] == "UVFITS"
        assert (
            header["OBJECT"] == "PAIR" and header["CTYPE1"] == "RA---SIN" and header["CRVAL3"] == pytest.approx(1.05e9)
        )
    assert header["BUNIT"] == "Jy/beam" and header["RMS"] == pytest.approx(found.rms)
    assert 3600 * header["BMAJ"] == pytest.approx(found.beam.major) and header["BPA"] == pytest.approx(found.beam.angle)
    place = WCS(header, naxis=2)
    ra, dec = place.wcs_pix2world(*reversed(np.unravel_index(data.argmax(), data.shape)), 0)
    flux, north, east = SOURCES[0]
    assert data.max() == pytest.approx(flux, rel=0.02)
    l, m_ = (math.radians(n * CELL / 3600) for n in (east, north))
    dec0 = math.radians(22.0)
    n = math.sqrt(1 - l * l - m_ * m_)
    assert math.radians(float(dec)) == pytest.approx(math.asin(m_ * math.cos(dec0) + n * math.sin(dec0)), abs=1e-9)
    assert math.radians(float(ra) - 83.6) == pytest.approx(
        math.atan2(l, n * math.cos(dec0) - m_ * math.sin(dec0)), abs=1e-9
    )
    seen = restored(m.operator(beam=torch.full(SHAPE, 0.5), gain=torch.full((m.y.shape[-1],), 2.0)), m.y, truth)
    assert torch.allclose(seen.residual, found.residual, atol=1e-6) and seen.restored.max() == pytest.approx(
        1, rel=0.02
    )
    with pytest.raises(FileExistsError):
        write_sky(tmp_path / "pair", found, m)
    again = read_radio_image(files[2])
    assert again.provenance["beam"] == pytest.approx(tuple(found.beam)) and again.provenance["centre"] == pytest.approx(
        (83.6, 22.0)
    )
    assert torch.allclose(again.y, found.restored)


@pytest.mark.parametrize("east", ["left", "right"])
def test_maps_of_mass_lie_where_they_were(tmp_path, east):
    from astropy.wcs import WCS

    m = Measurement(torch.zeros(1, 1, 8, 10) + 0j, KaiserSquires, {"image_shape": (8, 10), "pixel_scale": 0.5},
                    provenance={"centre": (150.0, 2.0), "east": east})  # fmt: skip
    x = torch.rand(1, 1, 8, 10)
    write_sky_map(tmp_path / "kappa.fits", x, m, unit="")
    place = WCS(fits.getheader(tmp_path / "kappa.fits"))
    middle = (5, 4) if east == "left" else (4.5, 3.5)
    assert np.allclose(place.wcs_pix2world(*middle, 0), (150.0, 2.0))
    assert (place.wcs_pix2world(9, 4, 0)[0] < 150) == (east == "left")
    again = open_file(tmp_path / "kappa.fits")
    assert torch.equal(again.y, x) and again.provenance["centre"] == pytest.approx((150.0, 2.0))
    assert again.provenance["pixel_scale"] == pytest.approx(0.5) and again.provenance["east"] == east
    plain = Measurement(x, KaiserSquires, provenance={"file": "e1.fits"})
    write_sky_map(tmp_path / "plain.fits", x, plain)
    assert history(fits.getheader(tmp_path / "plain.fits"))["file"] == "e1.fits"
