"""The operator doctor: laws that an operator has to obey, and what breaks them."""

from .check import check as check
from .findings import Finding as Finding
from .findings import Report as Report
