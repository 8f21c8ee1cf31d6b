"""The example of a deep flow runs, learns, and needs hardly more memory for more layers: a short run of it."""

import jax
import pytest

from tests.examples.test_digits_flow import load


def test_a_short_run_learns_in_little_memory(tmp_path):
    for needed in ("sklearn", "matplotlib", "optax", "tqdm"):
        pytest.importorskip(needed)
    with jax.enable_x64(False):
        example = load("deep_flow")
        numbers = example.run(tmp_path, layers=24, steps=30, depths=(8, 64), compared=2)
    assert numbers["bits per dimension"] < numbers["bits per dimension before"] - 0.05
    assert numbers["growth with depth"] < 1.2
    assert numbers["temp MB of jax.grad"] > 5 * numbers["temp MB"]
    assert (tmp_path / "deep_flow.png").stat().st_size > 1000
    compile((tmp_path / "flow_adjoint.py").read_text(), "flow_adjoint.py", "exec")
