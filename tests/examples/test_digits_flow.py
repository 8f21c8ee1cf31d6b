"""The example runs, learns, and inverts: a short run of it."""

import importlib.util
from pathlib import Path

import jax
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_short_run_beats_the_gaussian_and_inverts(tmp_path):
    for needed in ("sklearn", "matplotlib", "optax", "tqdm"):
        pytest.importorskip(needed)
    with jax.enable_x64(False):
        numbers = load("digits_flow").run(tmp_path, steps=400)
    assert numbers["flow"] < numbers["gaussian"] - 0.03
    assert numbers["round trip of images"] < 1e-4
    assert numbers["round trip of samples"] < 1e-2
    assert (tmp_path / "samples.png").stat().st_size > 1000
    for emitted in ("flow_inverse.py", "flow_forward_and_fldj.py"):
        compile((tmp_path / emitted).read_text(), emitted, "exec")
