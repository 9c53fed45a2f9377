"""What HDF5 allocates to read a dataset: all of its values, a chunk of them, lists of any length."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from .opening import package, within

__all__ = ["within_hdf5"]


def within_hdf5(path: str | Path, data: Any, *, whole: bool = True) -> None:
    """:func:`pnp.io.opening.within` of a ``whole`` dataset, of its chunks, which are read as a whole for one value, and
    of the lists among its values.

    Raises:
        ValueError: these would take more than a file of this size can hold.
    """
    h5t, kind = package("h5py", "io").h5t, data.id.get_type()
    size = kind.get_size()
    if whole:
        within(path, data.shape, size)
    if data.chunks:
        within(path, data.chunks, size)
    lists = _lists(kind, h5t)
    if lists and not data.id.get_create_plist().get_nfilters():  # compressed values have a checksum
        within(path, (_length(path, data, size, lists),), 4)


def _lists(kind: Any, h5t: Any) -> list[int]:
    """Where in a value lists and texts of any length are: four bytes of their length, then their address."""
    if isinstance(kind, h5t.TypeCompoundID):
        members = range(kind.get_nmembers())
        return [kind.get_member_offset(i) for i in members if isinstance(kind.get_member_type(i), h5t.TypeVlenID)]
    listed = isinstance(kind, h5t.TypeVlenID) or (isinstance(kind, h5t.TypeStringID) and kind.is_variable_str())
    return [0] if listed else []


def _length(path: str | Path, data: Any, size: int, lists: list[int]) -> int:
    """The lengths of all lists, which HDF5 allocates before it looks whether the file has them."""
    starts: list[int] = []
    if not data.id.get_storage_size():
        return 0
    if data.chunks:
        data.id.chunk_iter(lambda chunk: starts.append(chunk.byte_offset))
    elif data.id.get_offset() is not None:
        starts.append(data.id.get_offset())
    if not starts:
        return 0
    inside = math.prod(data.chunks) if data.chunks else data.size
    file = np.memmap(path, np.uint8, "r")
    values = (np.array(starts, np.int64)[:, None] + size * np.arange(inside)).ravel()
    if int(values.max()) + size > len(file):
        raise ValueError("declares values behind its end")
    places = values[:, None] + np.array(lists)
    return int(sum((file[places + byte].astype(np.int64) << 8 * byte).sum() for byte in range(4)))
