"""What measures: linear operators on batches of images, their algebra, adapters and a doctor."""

from .adapt import DeepinvOperator as DeepinvOperator
from .adapt import as_operator as as_operator
from .base import LinearOperator as LinearOperator
from .check import check as check
from .compose import Adjoint as Adjoint
from .compose import Compose as Compose
from .compose import Scaled as Scaled
from .compose import Stack as Stack
from .compose import Sum as Sum
from .compose import Weighted as Weighted
from .compose import stack as stack
from .function import FunctionOperator as FunctionOperator
from .gradient import Gradient as Gradient
from .matrix import MatrixOperator as MatrixOperator
from .report import Finding as Finding
from .report import Report as Report
