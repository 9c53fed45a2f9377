"""ISMRMRD files as the format's own package writes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ismrmrd = pytest.importorskip("ismrmrd", reason="needs ismrmrd: pip install 'pnp-imaging[mri]'")


def header(
    matrix: tuple[int, ...], recon: tuple[int, ...], trajectory: str = "cartesian", centre=None, **system
) -> str:
    """XML of one encoding, pixels of 1 mm; ``centre`` of the two phase encodings."""
    from ismrmrd import xsd

    spaces = [
        xsd.encodingSpaceType(
            matrixSize=xsd.matrixSizeType(x=m[0], y=m[1], z=m[2]),
            fieldOfView_mm=xsd.fieldOfViewMm(x=float(m[0]), y=float(m[1]), z=float(m[2])),
        )
        for m in (matrix, recon)
    ]
    y, z = centre or (matrix[1] // 2, matrix[2] // 2)
    limits = xsd.encodingLimitsType(
        kspace_encoding_step_1=xsd.limitType(minimum=0, maximum=matrix[1] - 1, center=y),
        kspace_encoding_step_2=xsd.limitType(minimum=0, maximum=matrix[2] - 1, center=z),
    )
    encoding = xsd.encodingType(
        trajectory=xsd.trajectoryType(trajectory), encodedSpace=spaces[0], reconSpace=spaces[1], encodingLimits=limits
    )
    told = xsd.ismrmrdHeader(experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=63_500_000))
    told.encoding.append(encoding)
    told.acquisitionSystemInformation = xsd.acquisitionSystemInformationType(**system)
    return xsd.ToXML(told)


def write(path: Path, xml: str, readouts: list[dict[str, Any]]) -> Path:
    """Readouts are dictionaries: ``data`` (coils, n), ``traj`` (n, dimensions), flags, header fields and counters."""
    with ismrmrd.Dataset(str(path), "dataset", mode="w") as file:
        file.write_xml_header(xml)
        for told in readouts:
            data, traj = told["data"], told.get("traj")
            one = ismrmrd.Acquisition()
            one.resize(data.shape[1], data.shape[0], 0 if traj is None else traj.shape[1])
            one.data[:] = data
            if traj is not None:
                one.traj[:] = traj
            one.center_sample = told.get("center_sample", data.shape[1] // 2)
            one.sample_time_us = told.get("sample_time_us", 5.0)
            for name in ("discard_pre", "discard_post"):
                setattr(one, name, told.get(name, 0))
            for flag in told.get("flags", ()):
                one.set_flag(flag)
            for name in ("kspace_encode_step_1", "kspace_encode_step_2", "slice", "contrast", "repetition", "average"):
                setattr(one.idx, name, told.get(name, 0))
            file.append_acquisition(one)
    return path


def lines(kspace: np.ndarray | torch.Tensor, columns: Any = None, **told: Any) -> list[dict[str, Any]]:
    """A readout for each column of k-space (coils, H, W)."""
    kspace = np.asarray(kspace)
    columns = range(kspace.shape[-1]) if columns is None else columns
    return [{"data": kspace[..., c], "kspace_encode_step_1": int(c), **told} for c in columns]
