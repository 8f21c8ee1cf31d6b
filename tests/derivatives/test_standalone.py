"""Emitted adjoints run where invcompiler is not to be had: with jax alone."""

import pathlib
import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest

from tests.derivatives.agreement import assert_agree, random_like, restricted
from tests.derivatives.readable import READABLE

pytestmark = pytest.mark.usefixtures("double_precision")

RUNNER = """
import pickle, sys
sys.modules["invcompiler"] = None
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_enable_x64", True)
results = {}
for name, (text, arguments, bar) in pickle.load(open(sys.argv[1], "rb")).items():
    module = {"__name__": name}
    to_jax = lambda x: jnp.asarray(x) if hasattr(x, "dtype") else x
    arguments = jax.tree.map(to_jax, arguments)
    exec(compile(text, name, "exec"), module)
    out, residuals = module[name + "_fwd"](*arguments)
    results[name] = jax.tree.map(np.asarray, (out, module[name + "_bwd"](residuals, bar)))
pickle.dump(results, open(sys.argv[2], "wb"))
"""


def test_golden_adjoints_alone(tmp_path):
    folder = pathlib.Path(__file__).parents[2] / "golden"
    tasks, expected = {}, {}
    for f, arguments, argnums in READABLE:
        g, chosen = restricted(f, arguments, argnums)
        out, pullback = jax.vjp(g, *chosen)
        bar = random_like(out)
        text = (folder / f"test_adjoint_{f.__name__}.py").read_text()
        tasks[f.__name__] = (text, arguments, jax.tree.map(np.asarray, bar))
        expected[f.__name__] = (out, pullback(bar))
    (tmp_path / "tasks").write_bytes(pickle.dumps(tasks))
    command = [sys.executable, "-c", RUNNER, tmp_path / "tasks", tmp_path / "results"]
    subprocess.run(command, check=True, cwd=tmp_path)
    found = pickle.loads((tmp_path / "results").read_bytes())
    for name, result in expected.items():
        assert_agree(found[name], jax.tree.map(np.asarray, result))


def test_only_public_names_are_emitted():
    folder = pathlib.Path(__file__).parents[2] / "golden"
    for path in folder.glob("test_adjoint_*.py"):
        assert "jax._src" not in path.read_text(), path
