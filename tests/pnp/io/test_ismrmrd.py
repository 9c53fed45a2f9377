"""ISMRMRD: what its own package writes comes in at the right place, with the right noise, whatever the scan."""

import numpy as np
import pytest
import torch

import pnp
from operators import MRI, NonCartesianMRI, fft2c, radial_trajectory, random_columns
from pnp.corrections.mri import remove_oversampling
from tests.contracts import relative
from tests.operators.mri.test_coils import scene

from .mrd_files import header, ismrmrd, lines, write

RNG = np.random.default_rng(0)
MAPS, X = scene(32, 28)
K = fft2c(MAPS * X).to(torch.complex64)
XML = header((32, 28, 1), (32, 28, 1))


def noise(*shape: int) -> np.ndarray:
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(np.complex64)


def test_columns_in_any_order(tmp_path):
    mask = random_columns((32, 28), 1.7, 0.5)
    columns = RNG.permutation(np.flatnonzero(mask[0].numpy()))
    m = pnp.io.open(write(tmp_path / "a.mrd", XML, lines(K, columns)), oversampling=True)
    assert torch.equal(m.y[0], mask * K) and torch.equal(m.arguments["mask"], mask.float()) and m.noise_std is None
    op = m.operator()
    assert isinstance(op, MRI) and op.in_shape == (1, 32, 28)
    assert m.provenance["format"] == "ISMRMRD" and m.provenance["pixel / mm"] == (1.0, 1.0, 1.0)
    assert relative(op.A_dagger(m.y, max_iter=30).abs(), X.abs()[None, None]) < 0.2


def test_oversampling_is_removed_where_the_header_says_so(tmp_path):
    file = write(tmp_path / "a.h5", header((32, 28, 1), (16, 28, 1)), lines(K))
    m = pnp.io.open(file)
    assert relative(m.y, remove_oversampling(K[None])) < 1e-6 and m.operator().in_shape == (1, 16, 28)
    assert m.provenance["corrections"] == ("readout oversampling removed, 32 to 16",)
    assert torch.equal(pnp.io.open(file, oversampling=True).y[0], K)
    echo = [{**r, "data": r["data"][:, 6:], "center_sample": 10} for r in lines(K)]
    m = pnp.io.open(write(tmp_path / "b.h5", header((32, 28, 1), (16, 28, 1)), echo))
    assert (
        torch.equal(m.y[0, :, 6:], K[:, 6:])
        and not m.y[0, :, :6].any()
        and "readouts are not complete" in m.provenance["left"]
    )
    assert m.arguments["mask"].sum() == 26 * 28


def test_flags_discards_and_partial_fourier(tmp_path):
    told = []
    for i, r in enumerate(lines(K, range(8, 28))):
        step = r["kspace_encode_step_1"] - 8
        padded = np.concatenate((noise(4, 3), r["data"], noise(4, 2)), 1)
        told.append(
            {"data": padded, "discard_pre": 3, "discard_post": 2, "center_sample": 19, "kspace_encode_step_1": step}
        )
        if i % 2:
            told[-1] |= {"data": padded[:, ::-1], "discard_pre": 2, "discard_post": 3, "center_sample": 18,
                         "flags": [ismrmrd.ACQ_IS_REVERSE]}  # fmt: skip
        told.append({"data": noise(4, 32), "flags": [ismrmrd.ACQ_IS_NAVIGATION_DATA]})
        told.append({"data": noise(4, 32), "flags": [ismrmrd.ACQ_IS_PHASECORR_DATA]})
    m = pnp.io.open(write(tmp_path / "a.mrd", header((32, 28, 1), (32, 28, 1), centre=(6, 0)), told))
    assert torch.equal(m.y[0, ..., 8:], K[..., 8:]) and not m.y[..., :8].any()


def test_a_noise_scan_whitens(tmp_path):
    mixing = np.diag([1.0, 2.0, 3.0, 16.0]) + 0.5 * noise(4, 4)
    scan = {"data": (mixing @ noise(4, 20000)).astype(np.complex64), "flags": [ismrmrd.ACQ_IS_NOISE_MEASUREMENT]}
    image = lines((mixing @ noise(4, 32 * 28)).astype(np.complex64).reshape(4, 32, 28))
    m = pnp.io.open(write(tmp_path / "a.mrd", XML, [scan, *image]))
    assert m.noise_std == 1.0 and m.provenance["corrections"] == ("prewhitened",)
    flat = m.y[0].flatten(1)
    assert relative((flat @ flat.mH / flat.shape[1])[None], 2 * torch.eye(4)[None] + 0j) < 0.1
    # half the bandwidth has half the noise, and the filter of the receiver hides a part
    slow = header((32, 28, 1), (32, 28, 1), relativeReceiverNoiseBandwidth=0.8)
    other = pnp.io.open(write(tmp_path / "b.mrd", slow, [scan, *[{**r, "sample_time_us": 10.0} for r in image]]))
    assert relative(other.y, (2 * 0.8) ** 0.5 * m.y) < 1e-4
    alone = pnp.io.open(write(tmp_path / "c.mrd", XML, image), noise=write(tmp_path / "d.mrd", XML, [scan]))
    assert relative(alone.y, m.y) < 1e-6
    with pytest.raises(ValueError, match=r"noise: .*c\.mrd holds no noise scan"):
        pnp.io.open(tmp_path / "a.mrd", noise=tmp_path / "c.mrd")


def test_slices_contrasts_and_repetitions_are_chosen(tmp_path):
    told = [r for s in range(2) for c in range(2) for t in range(2)
            for r in lines((1 + s + 10 * c + 100 * t) * K, slice=s, contrast=c, repetition=t)]  # fmt: skip
    file = write(tmp_path / "a.mrd", XML, told)
    m = pnp.io.open(file, contrast=1, repetition=1)
    assert torch.equal(m.y, torch.stack((111 * K, 112 * K))) and m.provenance["contrast"] == "1 of 2"
    assert torch.equal(pnp.io.open(file, slices=slice(1, 2)).y[0], 2 * K)
    with pytest.raises(ValueError, match=r"a\.mrd: holds no image data of these contrast 2"):
        pnp.io.open(file, contrast=2)
    with pytest.raises(ValueError, match="slices: .* leaves none of 2"):
        pnp.io.open(file, slices=slice(2, 3))
    with pytest.raises(ValueError, match="encoding: 1, the file has 1"):
        pnp.io.open(file, encoding=1)


def test_averages_keep_the_noise_even(tmp_path):
    scan = {"data": noise(4, 20000), "flags": [ismrmrd.ACQ_IS_NOISE_MEASUREMENT]}
    m = pnp.io.open(write(tmp_path / "a.mrd", XML, [scan, *lines(K), *lines(K, range(14), average=1)]))
    mask = m.arguments["mask"]
    assert m.noise_std == 2**-0.5 and torch.equal(mask[:, :14], torch.ones(32, 14))
    assert relative(mask[None, :, 14:], 2**-0.5 * torch.ones(1, 32, 14)) < 1e-6
    plain = pnp.io.open(write(tmp_path / "b.mrd", XML, [scan, *lines(K)]))
    assert relative(m.y, mask * plain.y) < 1e-5


def test_calibration_lines_are_for_maps(tmp_path):
    every_other = lines(K, range(0, 28, 2))
    middle = lines(K, range(6, 22), flags=[ismrmrd.ACQ_IS_PARALLEL_CALIBRATION])
    m = pnp.io.open(write(tmp_path / "a.mrd", XML, [*every_other, *middle]))
    assert int(m.arguments["mask"].sum()) == 14 * 32
    agree = (m.arguments["coil_maps"][0].conj() * MAPS).sum(0).abs()[X.abs() > 0.3]
    assert float(agree.median()) > 0.99


def test_volumes_are_split_along_the_readout(tmp_path):
    volume = torch.from_numpy(noise(1, 8, 6, 5))
    k = torch.fft.fftshift(
        torch.fft.fftn(torch.fft.ifftshift(volume, (1, 2, 3)), dim=(1, 2, 3), norm="ortho"), (1, 2, 3)
    )
    told = [{"data": k[..., y, z].numpy(), "kspace_encode_step_1": y, "kspace_encode_step_2": z}
            for y in range(6) for z in range(5)]  # fmt: skip
    m = pnp.io.open(write(tmp_path / "a.mrd", header((8, 6, 5), (4, 6, 5)), told))
    assert m.operator().in_shape == (1, 6, 5) and relative(m.operator().A_dagger(m.y), volume[0, 2:6, None]) < 1e-5
    one = pnp.io.open(tmp_path / "a.mrd", slices=slice(1, 2))
    assert relative(one.y, m.y[1:2]) == 0


@pytest.mark.parametrize(("scale", "unit"), [(2 * np.pi, "auto"), (2 * np.pi / 24, "auto"), (1.0, "rad/pixel")])
def test_trajectories_come_in_radians(scale, unit, tmp_path):
    points = radial_trajectory(40, 48)
    maps, x = scene(24, 24)
    y = NonCartesianMRI(points, (24, 24), maps)(x[None, None])[0].reshape(4, 40, 48).to(torch.complex64).numpy()
    paths = (points / scale).float().reshape(2, 40, 48).permute(1, 2, 0).numpy()
    told = [{"data": y[:, s], "traj": paths[s]} for s in range(40)]
    m = pnp.io.open(write(tmp_path / "a.mrd", header((24, 24, 1), (24, 24, 1), "radial"), told), unit=unit)
    op = m.operator()
    assert isinstance(op, NonCartesianMRI) and relative(op.nufft.points[None], points[None]) < 1e-6
    assert relative(op.A_dagger(m.y, max_iter=20).abs(), x.abs()[None, None]) < 0.2


def test_what_trajectories_cannot_be_is_said(tmp_path):
    told = [{"data": noise(1, 8), "traj": np.full((8, 2), 1.0, np.float32)}]
    file = write(tmp_path / "a.mrd", header((24, 24, 1), (24, 24, 1), "radial"), told)
    with pytest.raises(ValueError, match=r"a\.mrd: unit: points up to 1 may be radians or cycles"):
        pnp.io.open(file)
    with pytest.raises(ValueError, match="beyond the encoded matrix"):
        pnp.io.open(file, unit="cycles/pixel")
    with pytest.raises(ValueError, match="unit: expected one of"):
        pnp.io.open(file, unit="Hz")
    told.append({"data": noise(1, 8), "traj": np.full((8, 2), 0.4, np.float32), "slice": 1})
    with pytest.raises(ValueError, match="slices have trajectories of their own"):
        pnp.io.open(write(tmp_path / "b.mrd", header((24, 24, 1), (24, 24, 1), "radial"), told), unit="rad/pixel")


def test_broken_scans_are_named(tmp_path):
    long = write(tmp_path / "a.mrd", XML, [{"data": noise(2, 40)}])
    with pytest.raises(ValueError, match=r"a\.mrd: a readout of 40 samples does not fit"):
        pnp.io.open(long)
    with pytest.raises(ValueError, match="encoding step 30 is outside"):
        pnp.io.open(write(tmp_path / "b.mrd", XML, [{"data": noise(2, 32), "kspace_encode_step_1": 30}]))
    with pytest.raises(ValueError, match=r"readouts of 3 and 2 coils"):
        pnp.io.open(write(tmp_path / "c.mrd", XML, [{"data": noise(2, 32)}, {"data": noise(3, 32)}]))
    with pytest.raises(ValueError, match="values of readout 0 are not finite"):
        pnp.io.open(write(tmp_path / "d.mrd", XML, [{"data": noise(2, 32) * np.nan}]))
    with pytest.raises(ValueError, match="its header is no XML"):
        pnp.io.open(write(tmp_path / "e.mrd", "not <XML", lines(K)))
    with pytest.raises(ValueError, match="dataset: holds no readouts in 'other', but in dataset"):
        pnp.io.open(long, dataset="other")
    with pytest.raises(ValueError, match="encodedSpace: expected a positive matrixSize"):
        pnp.io.open(write(tmp_path / "f.mrd", header((0, 28, 1), (32, 28, 1)), lines(K)))


def test_lists_longer_than_the_file_are_not_allocated(tmp_path):
    file = write(tmp_path / "a.mrd", XML, lines(K))
    data, length = file.read_bytes(), (2 * K[:, :, 0].numel()).to_bytes(4, "little")
    assert data.count(length) >= 28
    place = data.rindex(length)
    while data[place + 4 : place + 12] == bytes(8) or int.from_bytes(data[place + 4 : place + 12], "little") > len(
        data
    ):
        place = data.rindex(length, 0, place)  # behind a length is the address of the list
    file.write_bytes(data[:place] + b"\0\0\0\x60" + data[place + 4 :])
    with pytest.raises(ValueError, match=r"a\.mrd: declares 6,44\d,\d+,\d+ bytes"):
        pnp.io.open(file)
