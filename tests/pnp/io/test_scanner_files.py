"""Files of scanners and toolboxes besides ISMRMRD: twix, BART, fastMRI, Pulseq, DICOM, NIfTI."""

from typing import Any

import numpy as np
import pytest
import torch

import pnp
from operators import MRI, Identity, NonCartesianMRI, fft2c, radial_trajectory, random_columns
from pnp.corrections.mri import remove_oversampling
from pnp.io import read_pulseq
from tests.contracts import relative
from tests.operators.mri.test_coils import scene

from . import twix_files as twix

RNG = np.random.default_rng(0)
MAPS, X = scene(32, 28)
K = fft2c(MAPS * X).to(torch.complex64)


def noise(*shape: int) -> np.ndarray:
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(np.complex64)


def lines(kspace, columns: Any = range(28), **told) -> list[bytes]:
    told.setdefault("middle", (14, 0))
    return [twix.readout(np.asarray(kspace)[..., c], Lin=c, **told) for c in columns]


class TestTwix:
    @pytest.fixture(autouse=True)
    def _package(self):
        pytest.importorskip("mapvbvd", reason="needs pymapvbvd: pip install 'pnp-imaging[mri]'")

    def test_readouts_come_to_their_places(self, tmp_path):
        mask = random_columns((32, 28), 1.7, 0.5)
        taken = lines(K, np.flatnonzero(mask[0].numpy()))
        file = twix.write(tmp_path / "meas.dat", taken, base=16, lines=28, factor=2.0)
        m = pnp.io.open(file, oversampling=True)
        assert torch.equal(m.y[0], mask * K) and torch.equal(m.arguments["mask"], mask.float())
        assert m.provenance["format"] == "Siemens twix" and isinstance(m.operator(), MRI)
        assert relative(pnp.io.open(file).y, remove_oversampling((mask * K)[None])) < 1e-6
        assert pnp.io.open(file).provenance["corrections"] == ("readout oversampling removed, 32 to 16",)

    def test_reflected_and_foreign_readouts_and_partial_fourier(self, tmp_path):
        told = []
        for c in range(8, 28):
            odd = c % 2
            data = K[..., c].numpy()
            told += [twix.readout(data[:, ::-1] if odd else data, Lin=c, middle=(14, 0), flags=["reflect"] * odd)]
            told += [twix.readout(noise(4, 32), Lin=c, flags=["phasecor"])]
        m = pnp.io.open(twix.write(tmp_path / "a.dat", told, base=32, lines=28, factor=1.0))
        assert torch.equal(m.y[0, ..., 8:], K[..., 8:]) and not m.y[..., :8].any() and m.y.shape[-1] == 28

    def test_noise_slices_and_reference_lines(self, tmp_path):
        mixing = np.diag([1.0, 2.0, 3.0, 16.0]).astype(np.complex64)
        adjustment = [twix.readout(mixing @ noise(4, 256), flags=["noise"]) for _ in range(40)]
        mixed = torch.from_numpy((mixing @ K.flatten(1).numpy()).reshape(4, 32, 28))
        image = [r for s in range(2) for r in lines((1 + s) * mixed, range(0, 28, 2), Sli=s)]
        image += [r for s in range(2) for r in lines((1 + s) * mixed, range(7, 21), Sli=s, flags=["reference"])]
        file = twix.write(tmp_path / "a.dat", adjustment, image, base=32, lines=28, factor=1.0)
        m = pnp.io.open(file)
        assert m.noise_std == 1.0 and m.y.shape == (2, 4, 32, 28) and relative(m.y[1:], 2 * m.y[:1]) < 1e-5
        assert (
            relative(m.y[:1], K[None] * m.arguments["mask"]) < 0.1
        )  # unit noise in all coils, but for the mixing's estimate
        assert int(m.arguments["mask"].sum()) == 14 * 32
        one = pnp.io.open(file, slices=slice(1, 2))
        assert relative(one.y, m.y[1:]) == 0 and one.provenance["measurement"] == "1 of 2"
        with pytest.raises(ValueError, match=r"a\.dat: holds no image data"):
            pnp.io.open(file, measurement=0)
        with pytest.raises(ValueError, match="holds no image data of these Eco 3"):
            pnp.io.open(file, contrast=3)
        with pytest.raises(ValueError, match="measurement: 2, the file has 2"):
            pnp.io.open(file, measurement=2)

    def test_a_trajectory_is_given(self, tmp_path):
        points = radial_trajectory(30, 48)
        maps, x = scene(24, 24)
        op = NonCartesianMRI(points, (24, 24), maps)
        y = op(x[None, None])[0].to(torch.complex64).reshape(4, 30, 48)
        file = twix.write(tmp_path / "a.dat", [twix.readout(y[:, s].numpy(), Lin=s) for s in range(30)])
        m = pnp.io.open(file, trajectory=points, image_shape=(24, 24))
        assert torch.equal(m.y[0], y.flatten(1)) and m.operator().in_shape == (1, 24, 24)

    def test_tables_of_the_same_ending_are_none(self, tmp_path):
        (tmp_path / "a.dat").write_text("u v re im\n1 2 3 4\n")
        with pytest.raises(ValueError) as error:
            pnp.io.open(tmp_path / "a.dat")
        assert "measurements" not in str(error.value)

    def test_broken_files_are_named(self, tmp_path):
        good = twix.write(tmp_path / "a.dat", lines(K)).read_bytes()
        (tmp_path / "b.dat").write_bytes(good[:20000])
        with pytest.raises(ValueError, match=r"cannot read .*b\.dat"):
            pnp.io.open(tmp_path / "b.dat")
        (tmp_path / "c.dat").write_bytes(good[:4] + b"\xff\xff\0\0" + good[8:])
        with pytest.raises(ValueError, match=r"c\.dat: says that it holds 65535 measurements"):
            pnp.io.open(tmp_path / "c.dat")


def write_cfl(path, values: np.ndarray) -> None:
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, values.shape)) + " \n")
    path.with_suffix(".cfl").write_bytes(values.astype("<c8").tobytes(order="F"))


class TestBART:
    def test_planes_of_three_axes(self, tmp_path):
        for shape in ((32, 28, 1, 4), (1, 32, 28, 4), (32, 1, 28, 4)):
            write_cfl(tmp_path / "k", K.permute(1, 2, 0).numpy().reshape(shape))
            for ending in (".cfl", ".hdr"):
                m = pnp.io.open(tmp_path / f"k{ending}")
                assert torch.equal(m.y[0], K) and m.provenance["dimensions"] == shape

    def test_an_image_that_is_read_as_kspace_is_told(self, tmp_path):
        image = fft2c(K[:1])  # of one coil
        write_cfl(tmp_path / "x", image.permute(1, 2, 0).numpy()[:, :, None])
        with pytest.warns(UserWarning, match="looks like an image, not like k-space; image=True"):
            pnp.io.open(tmp_path / "x.cfl")
        assert torch.allclose(pnp.io.open(tmp_path / "x.cfl", image=True).y[0], image)

    def test_maps_batches_and_images(self, tmp_path):
        write_cfl(tmp_path / "maps", MAPS.permute(1, 2, 0).numpy()[:, :, None])
        repeated = np.stack([np.asarray(s * K.permute(1, 2, 0))[:, :, None] for s in (1, 2)], -1)
        write_cfl(tmp_path / "k", repeated.reshape(32, 28, 1, 4, 1, 1, 2))
        m = pnp.io.open(tmp_path / "k.cfl", coil_maps=tmp_path / "maps.cfl")
        assert (
            torch.equal(m.y, torch.stack((K, 2 * K))) and relative(m.operator().A_dagger(m.y[:1]), X[None, None]) < 1e-5
        )
        assert torch.equal(pnp.io.open(tmp_path / "k.cfl", coil_maps=MAPS, slices=slice(1, 2)).y[0], 2 * K)
        write_cfl(tmp_path / "x", X.numpy())
        picture = pnp.io.open(tmp_path / "x.cfl", image=True)
        assert torch.equal(picture.y[0, 0], X.to(torch.complex64)) and isinstance(picture.operator(), Identity)

    def test_trajectories(self, tmp_path):
        points = radial_trajectory(30, 48)
        y = NonCartesianMRI(points, (32, 28), MAPS)(X[None, None])[0].reshape(4, 30, 48)
        write_cfl(tmp_path / "y", y.permute(2, 1, 0).numpy()[None])  # (1, readout, spokes, coils)
        cycles = points.reshape(2, 30, 48).permute(0, 2, 1) * torch.tensor([32.0, 28.0])[:, None, None] / (2 * torch.pi)
        write_cfl(tmp_path / "t", np.concatenate((cycles.numpy(), np.zeros((1, 48, 30)))))
        m = pnp.io.open(tmp_path / "y.cfl", trajectory=tmp_path / "t.cfl", image_shape=(32, 28), coil_maps=MAPS)
        assert relative(m.operator()(X[None, None]), m.y) < 1e-5
        with pytest.raises(ValueError, match="trajectory: 1440 points for samples"):
            pnp.io.open(tmp_path / "t.cfl", trajectory=tmp_path / "t.cfl")

    def test_sizes_that_do_not_fit(self, tmp_path):
        write_cfl(tmp_path / "k", K.permute(1, 2, 0).numpy()[:, :, None])
        cases = {
            "99999 99999 9999": "says .* holds 28,672 bytes",
            "": "no line of sizes",
            "2 2 2 1": "k-space of a volume",
        }
        for text, words in cases.items():
            (tmp_path / "k.hdr").write_text(f"# Dimensions\n{text}\n")
            with pytest.raises(ValueError, match=rf"cannot read .*k\.cfl.*{words}"):
                pnp.io.open(tmp_path / "k.cfl")
        (tmp_path / "k.hdr").unlink()
        with pytest.raises(FileNotFoundError, match=r"k\.hdr, the header of k\.cfl"):
            pnp.io.open(tmp_path / "k.cfl")


def test_fastmri_without_oversampling(tmp_path):
    h5py = pytest.importorskip("h5py")
    from .mrd_files import header

    mask = random_columns((32, 28), 1.7, 0.5)[0].numpy()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kspace"], file["mask"] = (K[None] * torch.from_numpy(mask)).numpy(), mask
        file["ismrmrd_header"] = header((32, 28, 1), (16, 28, 1))
    m = pnp.io.open(tmp_path / "a.h5")
    assert relative(m.y, remove_oversampling(K[None] * torch.from_numpy(mask))) < 1e-6 and m.arguments[
        "mask"
    ].shape == (16, 28)
    assert m.provenance["corrections"] == ("readout oversampling removed, 32 to 16",)
    assert m.provenance["reconstructed matrix"] == (16, 28, 1) and m.provenance["coil_maps"] == "estimated"
    assert torch.equal(pnp.io.open(tmp_path / "a.h5", oversampling=True).y[0], K * torch.from_numpy(mask))


def test_pulseq_tells_where_it_samples(tmp_path):
    pp = pytest.importorskip("pypulseq", reason="needs pypulseq: pip install 'pnp-imaging[mri]'")
    sequence, fov, n = pp.Sequence(), 0.2, 16
    adc = pp.make_adc(num_samples=2 * n, duration=3.2e-3, delay=1e-3)
    flat = pp.make_trapezoid("x", flat_area=n / fov, flat_time=3.2e-3, rise_time=1e-3)
    before = pp.make_trapezoid("x", area=-flat.area / 2, duration=2e-3)
    pulse = pp.make_block_pulse(0.1, duration=1e-3, delay=1e-4, use="excitation")
    angles = [0.0, 1.0, 2.0]
    for angle in angles:
        sequence.add_block(pulse)
        sequence.add_block(*pp.rotate(before, angle=angle, axis="z"))
        sequence.add_block(*pp.rotate(flat, angle=angle, axis="z"), adc)
    sequence.set_definition("FOV", [fov, fov, 0.005])
    sequence.write(str(tmp_path / "a.seq"))
    points = read_pulseq(tmp_path / "a.seq", (n, n)).reshape(2, 3, 2 * n)
    radius = torch.pi * (torch.arange(2 * n) + 0.5 - n) / n  # samples lie in the middle of their dwell time
    for spoke, angle in enumerate(angles):
        right = radius * torch.tensor([[np.cos(angle)], [np.sin(angle)]])
        assert float((points[:, spoke] - right).abs().max()) < 0.02
    assert relative(read_pulseq(tmp_path / "a.seq", (2 * n, 2 * n))[None], points.flatten(1)[None] / 2) < 1e-6
    with pytest.raises(ValueError, match=r"a\.seq: image_shape: samples up to .* take a finer grid"):
        read_pulseq(tmp_path / "a.seq", (n // 2, n // 2))
    with pytest.raises(ValueError, match="fov: expected metres"):
        read_pulseq(tmp_path / "a.seq", (n, n), fov=[220.0, 220.0])
    (tmp_path / "b.seq").write_text((tmp_path / "a.seq").read_text().replace("1 32 ", "1 999999999 "))
    with pytest.raises(ValueError, match=r"b\.seq: declares .* samples, too many"):
        read_pulseq(tmp_path / "b.seq", (n, n))


def test_scanner_images_are_measurements_of_themselves(tmp_path):
    from .test_images import write_dicom

    nibabel = pytest.importorskip("nibabel")
    volume = RNG.normal(size=(6, 5, 4)).astype(np.float32)
    nibabel.Nifti1Image(volume, np.diag([2.0, 3.0, 4.0, 1.0])).to_filename(tmp_path / "a.nii.gz")
    m = pnp.io.open(tmp_path / "a.nii.gz", slices=slice(1, 3))
    assert torch.equal(m.y[:, 0], torch.from_numpy(volume.transpose(2, 0, 1).copy())[1:3])
    assert m.provenance["pixel / mm"] == (2.0, 3.0, 4.0) and torch.equal(m.operator()(m.y), m.y)
    (tmp_path / "series").mkdir()
    for number, place in enumerate((3.0, 1.0, 2.0)):
        write_dicom(tmp_path / "series" / f"{number}.dcm", np.full((5, 6), int(place)), RescaleSlope=10,
                    ImagePositionPatient=[0, 0, place], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                    Modality="MR", SeriesInstanceUID="1.2")  # fmt: skip
    m = pnp.io.open(tmp_path / "series")
    assert m.y[:, 0, 0, 0].tolist() == [10.0, 20.0, 30.0] and m.provenance["modality"] == "MR"
    assert pnp.io.open(tmp_path / "series" / "0.dcm").y[0, 0, 0, 0] == 30.0
    with pytest.raises(ValueError, match="slices: .* leaves none"):
        pnp.io.open(tmp_path / "series", slices=slice(5, 6))
    write_dicom(tmp_path / "series" / "4.dcm", np.zeros((5, 6)), SeriesInstanceUID="1.3")
    with pytest.raises(ValueError, match="holds 2 series"):
        pnp.io.open(tmp_path / "series")
