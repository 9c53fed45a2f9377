"""The methods, one file each."""

from .accelerated import Anderson as Anderson
from .accelerated import Damped as Damped
from .admm import PnPADMM as PnPADMM
from .diffpir import DiffPIR as DiffPIR
from .drs import PnPDRS as PnPDRS
from .hqs import PnPHQS as PnPHQS
from .mace import PnPMACE as PnPMACE
from .mass import PnPMass as PnPMass
from .pdhg import PnPPDHG as PnPPDHG
from .pgd import PnPFISTA as PnPFISTA
from .pgd import PnPPGD as PnPPGD
from .red import RED as RED
from .snore import SNORE as SNORE
from .tv import tv_reconstruction as tv_reconstruction
from .ula import PnPULA as PnPULA

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
