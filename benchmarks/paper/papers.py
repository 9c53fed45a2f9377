"""All rows."""

from .course import COURSE
from .lofi import LOFI
from .mixer import MIXER
from .row import Row
from .xunit import XUNIT

__all__ = ["PAPERS", "ROWS"]

PAPERS: dict[str, list[Row]] = {
    "LoFi: Neural Local Fields for Scalable Image Reconstruction (Khorashadizadeh et al. 2024)": LOFI,
    "Image-to-Image MLP-Mixer for Image Reconstruction (Mansour, Lin, Heckel 2022)": MIXER,
    "xUnit: Learning a Spatial Activation Function (Kligvasser, Rott Shaham, Michaeli 2018)": XUNIT,
    "End-to-End Image Reconstruction methods, a chapter of a course (Evangelista)": COURSE,
}
ROWS: dict[str, Row] = {row.name: row for rows in PAPERS.values() for row in rows}
