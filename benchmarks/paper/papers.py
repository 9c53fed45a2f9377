"""All rows, and the claims that have none."""

from .course import COURSE
from .lofi import LOFI
from .mixer import MIXER
from .row import Row
from .xunit import XUNIT

__all__ = ["ABSENT", "PAPERS", "ROWS"]

PAPERS: dict[str, list[Row]] = {
    "LoFi: Neural Local Fields for Scalable Image Reconstruction (Khorashadizadeh et al. 2024)": LOFI,
    "Image-to-Image MLP-Mixer for Image Reconstruction (Mansour, Lin, Heckel 2022)": MIXER,
    "xUnit: Learning a Spatial Activation Function (Kligvasser, Rott Shaham, Michaeli 2018)": XUNIT,
    "End-to-End Image Reconstruction methods, a chapter of a course (Evangelista)": COURSE,
}
ROWS: dict[str, Row] = {row.name: row for rows in PAPERS.values() for row in rows}

ABSENT = [  # claims without a row, and why
    (
        "Mixer on photographs of smartphones, SIDD (section 3.2): 33.66 dB, U-Net 33.13, ViT 32.87, BM3D 28.87",
        "the data folder has no clean images with measured noise of this kind. The authors' code divides both images "
        "of a pair by their own maxima, so that the printed figures hold an error of gain, too",
    ),
    (
        "Mixer with 1,000 to 100,000 images of ImageNet, MRI with 2,000 to 35,000 slices of fastMRI, networks of 24 "
        "million parameters (Fig. 2, 3)",
        "days of a GPU; `mixer-training-set` and `mixer-mri` have 400 images and 104 slices",
    ),
    (
        "LoFi on faces (CelebA-HQ) and bedrooms (LSUN)",
        "not in the data folder; photographs and CT slices stand in (`lofi-denoising`, `lofi-transposed`)",
    ),
    (
        "LoFi-ADMM of a radio sky beyond 1024² (V-E)",
        "no model of a sky in the data folder is finer; the same method inpaints 2048² (`lofi-inpainting`)",
    ),
    (
        "LoFi on the ten thousand maps of κTNG (V-A)",
        "the data folder has one: trainings are simulated, and nine tiles of it are a test in "
        "[measured](measured.md#weak-lensing)",
    ),
    (
        "xDnCNN on a measured photograph of rain (Fig. 8)",
        "no truth to measure with; `xunit-derain` has pairs of synthetic rain",
    ),
    (
        "WNNM, EPLL, MLP, DnCNN-S, De-rainNet as their authors released them (Tables 1, 2 of xUnit)",
        "quoted by that paper; they are not part of this library",
    ),
    (
        "networks of the papers' sizes, trained as long as the papers did",
        "hours to days of a GPU each; each row names its own size and budget",
    ),
]
