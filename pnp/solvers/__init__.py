"""The methods, one file each."""

from .admm import PnPADMM as PnPADMM
from .hqs import PnPHQS as PnPHQS
from .tv import tv_reconstruction as tv_reconstruction
