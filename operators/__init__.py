"""What measures: linear operators on batches of images, their algebra, adapters and a doctor."""

from .adapters.function import FunctionOperator as FunctionOperator
from .adapters.incoming import DeepinvOperator as DeepinvOperator
from .adapters.incoming import as_operator as as_operator
from .adapters.matrix import MatrixOperator as MatrixOperator
from .adapters.outgoing import to_deepinv as to_deepinv
from .adapters.outgoing import to_scipy as to_scipy
from .base import LinearOperator as LinearOperator
from .channels import TwoChannels as TwoChannels
from .compose import Adjoint as Adjoint
from .compose import Compose as Compose
from .compose import Scaled as Scaled
from .compose import Sum as Sum
from .compose import Weighted as Weighted
from .doctor.check import check as check
from .doctor.findings import Finding as Finding
from .doctor.findings import Report as Report
from .fourier.fft import fft2c as fft2c
from .fourier.fft import ifft2c as ifft2c
from .fourier.nufft import NUFFT as NUFFT
from .fourier.nufft3d import NUFFT3D as NUFFT3D
from .fourier.phase import PhaseRetrieval as PhaseRetrieval
from .image.blur import Blur as Blur
from .image.gradient import Gradient as Gradient
from .image.kernels import gaussian_kernel as gaussian_kernel
from .image.kernels import motion_kernel as motion_kernel
from .image.mask import Identity as Identity
from .image.mask import Inpainting as Inpainting
from .image.mask import random_mask as random_mask
from .image.resample import Downsampling as Downsampling
from .least_squares import least_squares as least_squares
from .lensing.catalogue import ShearMap as ShearMap
from .lensing.catalogue import bin_shear as bin_shear
from .lensing.catalogue import shape_noise_std as shape_noise_std
from .lensing.catalogue import shape_noise_std_map as shape_noise_std_map
from .lensing.kaiser_squires import KaiserSquires as KaiserSquires
from .lensing.kaiser_squires import LensingConvention as LensingConvention
from .lensing.reduced_shear import ReducedShear as ReducedShear
from .lensing.signs import ShearSigns as ShearSigns
from .lensing.signs import shear_signs as shear_signs
from .mri.cartesian import MRI as MRI
from .mri.coils import estimate_coil_maps as estimate_coil_maps
from .mri.density import density_compensation as density_compensation
from .mri.noncartesian import NonCartesianMRI as NonCartesianMRI
from .mri.sampling import equispaced_columns as equispaced_columns
from .mri.sampling import poisson_disc as poisson_disc
from .mri.sampling import random_columns as random_columns
from .mri.trajectories import load_trajectory as load_trajectory
from .mri.trajectories import radial_trajectory as radial_trajectory
from .mri.trajectories import spiral_trajectory as spiral_trajectory
from .mri.volumes import StackedMRI as StackedMRI
from .mri.volumes import VolumeMRI as VolumeMRI
from .neighbour import look_for as _look_for
from .noise import gaussian_noise as gaussian_noise
from .noise import gaussian_noise_relative as gaussian_noise_relative
from .noise import gaussian_noise_snr as gaussian_noise_snr
from .noise import poisson_noise as poisson_noise
from .noise import std_from_snr as std_from_snr
from .noise import transmission_noise as transmission_noise
from .nonlinear import Operator as Operator
from .radio.interferometry import RadioInterferometry as RadioInterferometry
from .radio.uv import uv_coverage as uv_coverage
from .radio.weighting import visibility_weights as visibility_weights
from .slices import Slices as Slices
from .stacked import Stack as Stack
from .stacked import stack as stack
from .tomography.attenuation import BeerLambert as BeerLambert
from .tomography.fanbeam import FanBeam as FanBeam
from .tomography.radon import Radon as Radon

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]

_look_for("pnp")
