"""Gradients on emulated devices, in processes of their own: the number of devices is fixed when JAX starts."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def started(script, *arguments):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).parent / script), *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def said(process, seconds):
    try:
        return process.communicate(timeout=seconds)
    finally:
        process.kill()


def test_eight_devices():
    out, errors = said(started("sharded.py"), 600)
    assert "as on one device" in out, errors


def test_two_processes():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    processes = [started("two_processes.py", number, port) for number in range(2)]
    try:
        for out, errors in [said(process, 120) for process in processes]:
            assert "as on one device" in out, errors
    finally:
        for process in processes:  # one waits for the other
            process.kill()
