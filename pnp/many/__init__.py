"""One job for many files: in this process, in several, or on many machines through Ray."""

from .driver import Many as Many
from .driver import reconstruct_many as reconstruct_many
from .job import Job as Job

__all__ = ["Job", "Many", "reconstruct_many"]
