"""Corrections of k-space: noise, coils, oversampling, partial Fourier, centre."""

from .centring import centre_kspace as centre_kspace
from .combined import Combined as Combined
from .compression import compress_coils as compress_coils
from .noise import border_samples as border_samples
from .noise import noise_covariance as noise_covariance
from .oversampling import remove_oversampling as remove_oversampling
from .partial_fourier import homodyne as homodyne
from .partial_fourier import low_resolution_phase as low_resolution_phase
from .partial_fourier import pocs as pocs
from .whitening import whiten as whiten
from .whitening import whitening_matrix as whitening_matrix

__all__ = [
    "Combined",
    "border_samples",
    "centre_kspace",
    "compress_coils",
    "homodyne",
    "low_resolution_phase",
    "noise_covariance",
    "pocs",
    "remove_oversampling",
    "whiten",
    "whitening_matrix",
]
