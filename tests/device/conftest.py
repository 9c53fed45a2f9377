"""What runs on a device runs here on a real one, or else on one that is not there, in a process of its own."""

import contextlib
import os
from pathlib import Path

ROOT = Path(__file__).parents[2]

if os.environ.get("PNP_DEVICE_TESTS"):
    with contextlib.suppress(ImportError):
        import deepinv  # noqa: F401  (asks for devices when it is imported)
    import torch

    if not torch.cuda.is_available():
        from . import fake_cufinufft, stand_in

        stand_in.install(str(ROOT))
        fake_cufinufft.install()
else:
    collect_ignore_glob = ["test_*.py"]  # tests/test_device.py runs them
