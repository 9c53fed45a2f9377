"""Siemens twix files of the VD layout, as far as readers look: headers of readouts and channels, and a text header."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

FLAGS = {"acqend": 0, "phasecor": 21, "reference": 22, "both": 23, "reflect": 24, "noise": 25}
COUNTERS = ("Lin", "Ave", "Sli", "Par", "Eco", "Phs", "Rep", "Set", "Seg")


def readout(data: np.ndarray, *, centre: int | None = None, middle: tuple[int, int] = (0, 0), flags: Any = (),
            cut: tuple[int, int] = (0, 0), **counters: int) -> bytes:  # fmt: skip
    """One readout (coils, columns) with its loop counters."""
    coils, columns = data.shape
    head = bytearray(192)
    struct.pack_into("<I", head, 0, 192 + coils * (32 + 8 * columns))
    struct.pack_into("<I", head, 40, sum(1 << FLAGS[name] for name in flags))
    struct.pack_into("<HH", head, 48, columns, coils)
    struct.pack_into("<14H", head, 52, *[counters.get(name, 0) for name in COUNTERS], *[0] * 5)
    struct.pack_into("<HHH", head, 80, *cut, columns // 2 if centre is None else centre)
    struct.pack_into("<HH", head, 96, *middle)
    channels = (bytes(32) + np.ascontiguousarray(row, "<c8").tobytes() for row in data)
    return bytes(head) + b"".join(channels)


def write(path: Path, *scans: list[bytes], base: int = 0, lines: int = 0, factor: float = 0) -> Path:
    """A file of measurements, lists of readouts, all with the same text header."""
    yaps = f"sKSpace.lBaseResolution = {base}\nsKSpace.lPhaseEncodingLines = {lines}\n"
    dicom = f'<XProtocol>\n{{\n<ParamDouble."flReadoutOSFactor"> {{ <Precision> 6 {factor} }}\n}}\n'
    texts = {"MeasYaps": f"### ASCCONV BEGIN ###\n{yaps}### ASCCONV END ###\n", "Dicom": dicom}
    buffers = b"".join(n.encode() + b"\0" + struct.pack("<I", len(t)) + t.encode() for n, t in texts.items())
    text = struct.pack("<II", 8 + len(buffers), len(texts)) + buffers
    end = readout(np.zeros((1, 16), np.complex64), flags=["acqend"])
    parts = [text + b"".join(scan) + end for scan in scans]
    table, place = b"", 10240
    for number, part in enumerate(parts):
        table += struct.pack("<IIQQ", number, number, place, len(part)) + bytes(152 - 24)
        place += len(part) + -len(part) % 512
    head = struct.pack("<II", 0, len(parts)) + table
    body = b"".join(part + bytes(-len(part) % 512) for part in parts)
    path.write_bytes(head + bytes(10240 - len(head)) + body)
    return path
