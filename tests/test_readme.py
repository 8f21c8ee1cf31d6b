"""What the README shows is what is emitted, and what it tells a newcomer to run is what CI runs."""

import ast
import re
import sys
from pathlib import Path

import pytest

import invcompiler as inv

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# What the README leaves out for brevity: the rest of the file that the function stands in.
PREAMBLE = """\
import jax.numpy as jnp


def net(params, a):
    return jnp.split(jnp.tanh(a @ params["w"] + params["b"]), 2, axis=-1)


"""


def block(name):
    """The fenced block after `<!-- name -->`."""
    return re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n", README, re.DOTALL)[1]


@pytest.fixture
def flows(tmp_path, monkeypatch):
    """The README's example as a module `flows`."""
    (tmp_path / "flows.py").write_text(PREAMBLE + block("before"))
    monkeypatch.syspath_prepend(tmp_path)
    import flows

    yield flows
    del sys.modules["flows"]


def function_text(source, name):
    node = next(node for node in ast.parse(source).body if getattr(node, "name", "") == name)
    return ast.get_source_segment(source, node) + "\n"


def test_the_example_is_what_is_emitted(flows):
    source = inv.source(inv.inverse_and_ildj(flows.coupling, argnums=1))
    assert block("after") == function_text(source, "coupling_inverse_and_ildj")


def test_commands_start_from_nothing_but_python():
    for name, runs in [("job", "examples/digits_flow.py"), ("tests", "-m pytest")]:
        command = block(name)
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install")
        assert runs in command
        assert command.count("\n") == 1


def test_ci_runs_the_command_of_the_readme():
    assert "<!-- tests -->" in (ROOT / ".ci" / "run").read_text()
