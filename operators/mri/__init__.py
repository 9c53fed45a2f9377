"""Magnetic resonance: Cartesian and other sampling, coil maps, trajectories, density compensation."""

from .cartesian import MRI as MRI
from .coil_matrix import CoilMatrix as CoilMatrix
from .coils import estimate_coil_maps as estimate_coil_maps
from .density import density_compensation as density_compensation
from .known_phase import KnownPhase as KnownPhase
from .noncartesian import NonCartesianMRI as NonCartesianMRI
from .sampling import equispaced_columns as equispaced_columns
from .sampling import poisson_disc as poisson_disc
from .sampling import random_columns as random_columns
from .trajectories import load_trajectory as load_trajectory
from .trajectories import radial_trajectory as radial_trajectory
from .trajectories import spiral_trajectory as spiral_trajectory

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
