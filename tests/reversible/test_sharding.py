"""Gradients on eight emulated devices, in a process of their own: the number of devices is fixed when JAX starts."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_eight_devices():
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).parent / "sharded.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert "as on one device" in done.stdout, done.stderr
