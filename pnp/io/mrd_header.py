"""The XML header of ISMRMRD files: encoded and reconstructed space, limits, the receiver's bandwidth."""

import math
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

__all__ = ["Encoding", "encodings", "receiver_bandwidth"]

_LONGEST = 2**22  # bytes


@dataclass(frozen=True)
class Encoding:
    """An encoding of a scan: matrix (x, y, z) and field of view in mm, as encoded and as reconstructed; the index of
    the middle of k-space along y and z, where it is told; the name of the trajectory."""

    matrix: tuple[int, int, int]
    field: tuple[float, float, float]
    wanted: tuple[int, int, int]
    wanted_field: tuple[float, float, float]
    centre: tuple[int | None, int | None]
    trajectory: str

    def without_oversampling(self, axis: int = 0) -> int:
        """Samples along an axis that the reconstructed field of view leaves, at the same pixel size."""
        n, share = self.matrix[axis], self.wanted_field[axis] / self.field[axis]
        return round(n * share) if share < 0.99 else n

    def said(self) -> dict[str, Any]:
        """For provenance."""
        pixel = tuple(f / n for f, n in zip(self.field, self.matrix))
        return {"encoded matrix": self.matrix, "field of view / mm": self.field, "pixel / mm": pixel,
                "reconstructed matrix": self.wanted, "reconstructed field of view / mm": self.wanted_field}  # fmt: skip


def encodings(xml: bytes | str) -> list[Encoding]:
    """The encodings of a header.

    Raises:
        ValueError: it is no such header, or a number is missing or out of range.
    """
    return [_encoding(node) for node in _root(xml).findall("{*}encoding")]


def receiver_bandwidth(xml: bytes | str) -> float:
    """Noise bandwidth of the receiver beside that of its samples; 1 where the header does not tell it."""
    found = _root(xml).findtext("{*}acquisitionSystemInformation/{*}relativeReceiverNoiseBandwidth")
    value = 1.0 if found is None else float(found)
    if not 0 < value < math.inf:
        raise ValueError(f"relativeReceiverNoiseBandwidth: expected a positive number, got {value}")
    return value


def _root(xml: bytes | str) -> ElementTree.Element:
    if len(xml) > _LONGEST:
        raise ValueError(f"its header has {len(xml):,} bytes")
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"its header is no XML: {error}") from error


def _encoding(node: ElementTree.Element) -> Encoding:
    def three(space: str, kind: str, number: Any) -> Any:
        values = tuple(number(_text(node, f"{{*}}{space}/{{*}}{kind}/{{*}}{axis}")) for axis in "xyz")
        if not all(0 < v < 10**6 for v in values):
            raise ValueError(f"{space}: expected a positive {kind}, got {values}")
        return values

    def centre(step: str) -> int | None:
        found = node.findtext(f"{{*}}encodingLimits/{{*}}{step}/{{*}}center")
        return None if found is None else int(found)

    steps = (centre("kspace_encoding_step_1"), centre("kspace_encoding_step_2"))
    return Encoding(
        three("encodedSpace", "matrixSize", int), three("encodedSpace", "fieldOfView_mm", float),
        three("reconSpace", "matrixSize", int), three("reconSpace", "fieldOfView_mm", float),
        steps, (node.findtext("{*}trajectory") or "cartesian").strip().lower(),
    )  # fmt: skip


def _text(node: ElementTree.Element, path: str) -> str:
    found = node.findtext(path)
    if found is None:
        raise ValueError(f"its header has no {path.replace('{*}', '')}")
    return found
