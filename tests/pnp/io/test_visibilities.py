"""Readers of visibilities: files of known sources, written by other packages, against the operator of their sky."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pnp.io import open as open_file
from pnp.io.uv_table import read_uv_table
from pnp.io.uvfits import read_uvfits
from tests.pnp.io.visibility_files import (
    CELL,
    LIGHT,
    NU,
    SHAPE,
    baselines,
    sky,
    sums,
    write_measurement_set,
    write_uvfits,
)

SKY = torch.from_numpy(sky())[None, None]
opened: Any = open_file
VAR = (1 / 4 + 1 / 16) / 4  # of half the sum of hands with weights 4 and 16


def agrees(m, rows: int) -> None:
    op = m.operator()
    assert m.y.shape == (1, 1, rows) == (1, *op.out_shape)
    assert (op(SKY) - m.y).norm() < 3e-6 * m.y.norm()
    assert op.w is not None  # 200 m of height over 16 arcmin turn phases by a tenth


def test_uvfits(tmp_path):
    pytest.importorskip("astropy")
    metres = write_uvfits(tmp_path / "a.uvfits")
    m = opened(tmp_path / "a.uvfits", image_shape=SHAPE, cell=CELL)
    agrees(m, 57 * 2)
    assert m.noise_std.unique().item() == pytest.approx(VAR**0.5) and m.provenance["flagged"] == 6
    assert m.provenance["centre"] == (83.6, 22.0) and m.provenance["object"] == "PAIR"
    assert torch.allclose(m.columns["frequency"][:2], torch.from_numpy(NU)) and len(m.columns["baseline"].unique()) == 3
    assert m.arguments["uv"][0, 3].item() == pytest.approx(metres[0, 1] * NU[1] / LIGHT, rel=1e-6)
    rr = opened(tmp_path / "a.uvfits", stokes="RR", sigma="modulus", cell=CELL)
    assert rr.noise_std.unique().item() == pytest.approx(0.5 / 2**0.5)
    assert m.columns["baseline"].unique().tolist() == [2**16 * k + 5 for k in (1, 2, 3)]
    other = opened(tmp_path / "a.uvfits", image_shape=SHAPE, cell=CELL, sign=1)
    assert torch.equal(other.y, m.y.conj()) and torch.equal(other.arguments["uv"], m.arguments["uv"])
    with pytest.raises(ValueError, match="sign: expected 1 or -1, got 0"):
        opened(tmp_path / "a.uvfits", sign=0)
    with pytest.raises(ValueError, match=r"a\.uvfits: stokes: 'XX' is not in the file, which holds RR, LL"):
        opened(tmp_path / "a.uvfits", stokes="XX")


@pytest.mark.slow
def test_uvfits_are_what_pyuvdata_reads():
    data = os.environ.get("PNP_DATA")
    path = Path(data or "nowhere") / "measured" / "SR1_M87_2017_101_lo_hops_netcal_StokesI.uvfits"
    pyuvdata = pytest.importorskip("pyuvdata")
    if not path.exists():
        pytest.skip("PNP_DATA has no measured visibilities")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pyuvdata.UVData.from_file(str(path))
    m = read_uvfits(path, stokes="RR")
    hand = list(theirs.get_pols()).index("rr")
    v, used = theirs.data_array[:, 0, hand], ~theirs.flag_array[:, 0, hand]
    uv = theirs.uvw_array.T[:2] * theirs.freq_array[0] / LIGHT
    assert used.sum() == m.y.shape[-1]
    # it has antennas the other way round: baselines negative, visibilities conjugate, the same sky
    order = np.lexsort((-uv[1, used], -uv[0, used]))
    ours = np.lexsort((m.arguments["uv"][1], m.arguments["uv"][0]))
    assert np.allclose(-uv[:, used][:, order], m.arguments["uv"][:, ours], rtol=1e-5, atol=1e3)
    assert np.abs(np.abs(v[used][order]) - m.y[0, 0, ours].abs().numpy()).mean() < 1e-3


def test_measurement_set(tmp_path):
    pytest.importorskip("casacore", reason="needs python-casacore: pip install 'pnp-imaging[radio]'")
    write_measurement_set(tmp_path / "a.ms")
    m = opened(tmp_path / "a.ms", image_shape=SHAPE, cell=CELL)
    agrees(m, 57 * 2)
    assert m.noise_std.unique().item() == pytest.approx(VAR**0.5) and m.provenance["instrument"] == "TEST"
    assert m.provenance["centre"] == pytest.approx((83.6, 22.0)) and m.provenance["flagged"] == 6
    with pytest.raises(ValueError, match=r"a\.ms: holds no column MODEL_DATA"):
        opened(tmp_path / "a.ms", column="MODEL_DATA")
    with pytest.raises(ValueError, match=r"a\.ms: holds no baselines of field 3"):
        opened(tmp_path / "a.ms", field=3)
    with pytest.raises(ValueError, match="stokes: 'RR' is not in the file, which holds XX, YY"):
        opened(tmp_path / "a.ms", stokes="RR")
    (tmp_path / "a.ms" / "table.f0").write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot read .*a\.ms"):
        opened(tmp_path / "a.ms")


def test_a_unit_that_leaves_nothing_to_see_is_told(tmp_path):
    np.save(tmp_path / "a.npy", table())
    with pytest.warns(UserWarning, match=r"finest fringe, \d+ arcsec, is wider than the image, 48 pixels of 0.05"):
        opened(tmp_path / "a.npy", unit="lambda", image_shape=SHAPE, cell=0.05)
    m = opened(tmp_path / "a.npy", unit="lambda", image_shape=SHAPE, cell=CELL)
    assert m.kind == "RadioInterferometry" and repr(m).startswith("y [1 x 1 x 58] of RadioInterferometry(uv=[2 x 58]")
    assert float(m.provenance["finest fringe"].split()[0]) == pytest.approx(
        np.degrees(1 / float(m.arguments["uv"].abs().max())) * 3600, rel=0.01
    )


def table(order=(0, 1, 2, 3, 4), scale: float = 1.0) -> np.ndarray:
    metres = baselines()
    metres[2] = 0
    v: Any = sums(metres, NU[:1])[:, 0]
    weights = np.linspace(1, 4, len(v))
    weights[:2] = 0, -1
    return np.stack([scale * metres[0], scale * metres[1], v.real, v.imag, weights], 1)[:, list(order)]


@pytest.mark.parametrize(
    ("name", "head", "options", "order", "scale"),
    [
        ("a.txt", "# u[m] v[m] Re Im weight", {"wavelength": LIGHT / NU[0]}, (0, 1, 2, 3, 4), 1.0),
        ("a.csv", "u,v,re,im,weight", {"unit": "lambda"}, (0, 1, 2, 3, 4), NU[0] / LIGHT),
        ("a.csv", "wt,imag,real,v[klambda],u[klambda]", {}, (4, 3, 2, 1, 0), 1e-3 * NU[0] / LIGHT),
        (
            "a.dat",
            "a b c d e",
            {"columns": ("e", "d", "c", "b", "a"), "unit": "lambda"},
            (4, 3, 2, 1, 0),
            NU[0] / LIGHT,
        ),
        ("a.npy", None, {"columns": (4, 3, 2, 1, 0), "unit": "lambda"}, (4, 3, 2, 1, 0), NU[0] / LIGHT),
        ("a.npy", None, {"unit": "m", "wavelength": LIGHT / NU[0]}, (0, 1, 2, 3, 4), 1.0),
    ],
)
def test_tables(tmp_path, name, head, options, order, scale):
    path, values = tmp_path / name, table(order, scale)
    if head is None:
        np.save(path, values)
    else:
        np.savetxt(path, values, header=head, comments="", delimiter="," if name == "a.csv" else " ")
    m = opened(path, image_shape=SHAPE, cell=CELL, **options)
    assert m.provenance["flagged"] == 2 and (m.operator()(SKY) - m.y).norm() < 3e-6 * m.y.norm()
    assert m.noise_std[0, 0, -1].item() == pytest.approx(0.5)
    turned = opened(path, image_shape=SHAPE, cell=CELL, v_sign=-1, **options)
    assert torch.equal(turned.arguments["uv"][1], -m.arguments["uv"][1])


@pytest.mark.parametrize("shape", [48, (48, 48)])
def test_one_number_is_a_square_image(tmp_path, shape):
    np.save(tmp_path / "a.npy", table())
    by_reader = opened(tmp_path / "a.npy", unit="lambda", image_shape=shape, cell=10.0)
    by_operator = opened(tmp_path / "a.npy", unit="lambda", cell=10.0).operator(image_shape=shape)
    assert by_reader.operator().image_shape == by_operator.image_shape == (48, 48)


def test_arrays_that_are_no_table_need_an_operator(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 8, 8), "c8"))
    with pytest.raises(ValueError, match=r"a\.npy: expected a table of numbers .*--operator"):
        opened(tmp_path / "a.npy")


def test_weights_that_say_nothing_are_no_noise(tmp_path):
    values = table()
    values[:, 4] = 1
    np.save(tmp_path / "a.npy", values)
    m = opened(tmp_path / "a.npy", unit="lambda")
    assert m.noise_std is None and "all 1" in m.provenance["weights"]
    assert m.operator().image_shape == (256, 256) and "cell" in m.provenance


@pytest.mark.parametrize(
    ("text", "options", "word"),
    [
        ("u v re im\n1 2 3 4\n", {}, "unit"),
        ("u v re im\n1 2 3 4\n", {"unit": "m"}, "wavelength"),
        ("u v re im\n1 2 3 4\n", {"unit": "lambda", "columns": ("u", "v", "re", "x")}, "no column 'x'"),
        ("u v re im\n1 2 3 4\n", {"unit": "lambda", "sigma": "both"}, "sigma"),
        ("u v re im\n1 2 3 4\n", {"unit": "lambda", "v_sign": 0}, "v_sign"),
        ("u v re im w\n1 2 3 4 0\n", {"unit": "lambda", "columns": (0, 1, 2, 3, 4)}, "all are flagged"),
        ("0 0 3 4\n", {"unit": "lambda"}, "all zero"),
        ("1 2 3\n", {"unit": "lambda"}, "columns"),
        ("1 2 3 4\n1 2 x 4\n", {"unit": "lambda"}, "convert"),
        ("", {"unit": "lambda"}, "no numbers"),
    ],
)
def test_broken_tables_are_named(tmp_path, text, options, word):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"cannot read .*a\.txt: .*{word}"):
        opened(tmp_path / "a.txt", **options)


def test_tables_say_when_and_by_which_antennas(tmp_path):
    head, rows = "u,v,re,im,weight,{},antenna1,antenna2", [(1e3, 2e3, 1, 0, 4, 7, 2, 5), (-3e3, 1e3, 1, 0, 4, 8, 2, 40)]
    for time, told in (("time", True), ("time [s]", True), ("time [h]", False)):
        (tmp_path / "t.csv").write_text("\n".join([head.format(time), *(",".join(map(str, r)) for r in rows)]))
        m = read_uv_table(tmp_path / "t.csv", unit="lambda", image_shape=32)
        assert m.columns["baseline"].tolist() == [2**17 + 5, 2**17 + 40]
        assert ("time" in m.columns) == told and (not told or m.columns["time"].tolist() == [7, 8])
