"""Fourier transforms: centred, non-uniform, and the Toeplitz normals of the latter; engines of the non-uniform one."""

from .fft import fft2c as fft2c
from .fft import ifft2c as ifft2c
from .nufft import NUFFT as NUFFT
from .phase import PhaseRetrieval as PhaseRetrieval
