"""Files of each format, written of one slice's k-space (coils, H, W) by the formats' own packages where these write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["FILES"]

_XML = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>{x}</x><y>{y}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>{x}</x><y>{y}</y><z>1</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>{x}</x><y>{y}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>{x}</x><y>{y}</y><z>1</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><center>{centre}</center></kspace_encoding_step_1></encodingLimits>
<trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"""


def ismrmrd(path: Path, kspace: np.ndarray, image: np.ndarray) -> None:
    """A noise scan and the columns that were measured."""
    import ismrmrd as package

    from pnp.corrections.mri import border_samples

    noise = border_samples(torch.from_numpy(kspace)[None]).numpy()[:, : 2**14]
    _, height, width = kspace.shape
    with package.Dataset(str(path), "dataset", mode="w") as file:
        file.write_xml_header(_XML.format(x=height, y=width, centre=width // 2))
        for column in [-1, *np.flatnonzero(kspace.any((0, 1)))]:
            data = noise if column < 0 else kspace[..., column]
            one: Any = package.Acquisition()
            one.resize(data.shape[1], len(data))
            one.data[:] = data
            one.center_sample, one.idx.kspace_encode_step_1 = height // 2, max(column, 0)
            if column < 0:
                one.set_flag(package.ACQ_IS_NOISE_MEASUREMENT)
            file.append_acquisition(one)


def bart(path: Path, kspace: np.ndarray, image: np.ndarray) -> None:
    """Values and the header of sizes."""
    path.with_suffix(".hdr").write_text(
        "# Dimensions\n" + " ".join(map(str, (*kspace.shape[1:], 1, len(kspace)))) + "\n"
    )
    path.write_bytes(kspace.transpose(1, 2, 0).astype("<c8").tobytes(order="F"))


def fastmri(path: Path, kspace: np.ndarray, image: np.ndarray) -> None:
    """A test file: k-space and mask without a reference."""
    import h5py

    with h5py.File(path, "w") as file:
        file["kspace"], file["mask"] = kspace[None], kspace.any((0, 1))


def npz(path: Path, kspace: np.ndarray, image: np.ndarray) -> None:
    """y alone."""
    np.savez(path, y=kspace)


def nifti(path: Path, kspace: np.ndarray, image: np.ndarray) -> None:
    """The magnitude image."""
    import nibabel

    nibabel.Nifti1Image(image[..., None], np.eye(4)).to_filename(path)


FILES: dict[str, tuple[str, Callable[[Path, np.ndarray, np.ndarray], None]]] = {
    "ISMRMRD": (".mrd", ismrmrd),
    "fastMRI": (".h5", fastmri),
    "BART": (".cfl", bart),
    "npz": (".npz", npz),
    "NIfTI (magnitude)": (".nii.gz", nifti),
}
