"""Good files of raw MRI data for :mod:`benchmarks.fuzz`, by the formats' own packages where these write."""

import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["SCANS", "read_scan", "scan_files"]

SCANS = ("mrd", "hdr", "dat", "seq", "nii")
_SHAPE = (3, 16, 12)  # coils, samples, lines


def scan_files(kind: str) -> list[bytes]:
    """Good files of a format."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        {"mrd": _mrd, "hdr": _hdr, "dat": _dat, "seq": _seq, "nii": _nii}[kind](path)
        read_scan(path)  # it is good; and what readers import is not counted as time of the first mutation
        return [path.read_bytes()]


def read_scan(path: Path) -> None:
    """Read a file as a measurement, or as the trajectory of a sequence."""
    import pnp.io

    if path.suffix == ".seq":
        pnp.io.read_pulseq(path, (16, 16))
        return
    if path.suffix == ".hdr":  # the values stay as they are
        path.with_suffix(".cfl").write_bytes(_kspace().transpose(1, 2, 0).tobytes(order="F"))
    pnp.io.open(path)


def _kspace() -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(2, *_SHAPE))
    return (values[0] + 1j * values[1]).astype("<c8")


def _mrd(path: Path) -> None:
    import ismrmrd

    size = "<matrixSize><x>16</x><y>12</y><z>1</z></matrixSize>"
    side = "<fieldOfView_mm><x>{}</x><y>12</y><z>1</z></fieldOfView_mm>"
    xml = (
        '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>'
        f"<encodedSpace>{size}{side.format(16)}</encodedSpace><reconSpace>{size}{side.format(8)}</reconSpace>"
        "<encodingLimits><kspace_encoding_step_1><center>6</center></kspace_encoding_step_1></encodingLimits>"
        "<trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
    )
    kspace = _kspace()
    with ismrmrd.Dataset(str(path), "dataset", mode="w") as file:
        file.write_xml_header(xml)
        for line in range(-1, 12):
            one: Any = ismrmrd.Acquisition()
            one.resize(16, 3)
            one.data[:] = kspace[..., line]
            one.center_sample = 8
            one.idx.kspace_encode_step_1 = max(line, 0)
            if line < 0:
                one.set_flag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
            file.append_acquisition(one)


def _hdr(path: Path) -> None:
    path.write_text("# Dimensions\n16 12 1 3 1 1 1 1 1 1 1 1 1 1 1 1 \n# Command\nfft -u 7 in out\n")


def _dat(path: Path) -> None:
    kspace, parts = _kspace(), []
    for line in range(13):
        head = bytearray(192)
        struct.pack_into("<I", head, 0, 192 + 3 * (32 + 8 * 16))
        struct.pack_into("<IIHHH", head, 40, int(line == 12), 0, 16, 3, line)
        struct.pack_into("<HHH", head, 80, 0, 0, 8)
        struct.pack_into("<H", head, 96, 6)
        parts.append(bytes(head) + b"".join(bytes(32) + row.tobytes() for row in kspace[..., line % 12]))
    text = "### ASCCONV BEGIN ###\nsKSpace.lBaseResolution = 8\n### ASCCONV END ###\n"
    buffers = b"MeasYaps\0" + struct.pack("<I", len(text)) + text.encode()
    body = struct.pack("<II", 8 + len(buffers), 1) + buffers + b"".join(parts)
    table = struct.pack("<IIIIQQ", 0, 1, 0, 0, 10240, len(body))
    path.write_bytes(table + bytes(10240 - len(table)) + body)


def _seq(path: Path) -> None:
    import pypulseq

    sequence = pypulseq.Sequence()
    flat = pypulseq.make_trapezoid("x", flat_area=80, flat_time=3.2e-3, rise_time=1e-3)
    sequence.add_block(pypulseq.make_block_pulse(0.1, duration=1e-3, delay=1e-4, use="excitation"))
    sequence.add_block(pypulseq.make_trapezoid("x", area=-flat.area / 2, duration=2e-3))
    sequence.add_block(flat, pypulseq.make_adc(num_samples=16, duration=3.2e-3, delay=1e-3))
    sequence.set_definition("FOV", [0.2, 0.2, 0.005])
    sequence.write(str(path))


def _nii(path: Path) -> None:
    import nibabel

    nibabel.Nifti1Image(np.abs(_kspace()).astype(np.float32), np.eye(4)).to_filename(path)
