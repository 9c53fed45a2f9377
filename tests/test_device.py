"""Tests of a device, in a process of their own: a device that is not there changes torch for all that follows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*options: str) -> None:
    environment = {**os.environ, "PNP_DEVICE_TESTS": "1"}
    command = [sys.executable, "-m", "pytest", "tests/device", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=1500)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_everything_works_on_a_device():
    run()


@pytest.mark.slow
def test_everything_else_works_on_a_device():
    run("-m", "slow")
