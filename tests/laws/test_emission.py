"""Emitted text: the same in every run, Python that parses, and a fixed point of `ruff format`."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.laws.corpus import over
from tests.laws.emit_all import REFUSED, kind, text, texts
from tests.laws.evidence import backward, generated

pytestmark = pytest.mark.usefixtures("double_precision")

ROOT = Path(__file__).parents[2]


@over("emission")
def test_emitting_twice_gives_one_text(program):
    backward(program, kind(program))
    assert text(program) == generated(program, kind(program)).source


@over("emission")
def test_text_parses_and_prints_to_the_same_tree(program):
    backward(program, kind(program))
    source = generated(program, kind(program)).source
    tree = ast.parse(source)
    assert ast.dump(ast.parse(ast.unparse(tree))) == ast.dump(tree)
    assert source.endswith("\n")
    assert max(map(len, source.splitlines())) <= 100


@pytest.fixture
def share(request):
    """One in how many programs is tried: those that are emitted for one test serve the next."""
    return request.config.getoption("--share")


@pytest.mark.xdist_group("emitted texts")
def test_another_process_emits_the_same_text(share):
    """With another seed for hashes: nothing depends on the order of a set."""
    environment = os.environ | {"PYTHONHASHSEED": "12345", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "tests.laws.emit_all", str(share)]
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    there = json.loads(run.stdout)
    here = texts(share)
    assert [name for name in here if here[name] != there[name]] == []


@pytest.mark.xdist_group("emitted texts")
def test_text_is_a_fixed_point_of_ruff_format(tmp_path, share):
    for name, source in texts(share).items():
        if not source.startswith(REFUSED):
            (tmp_path / f"{name.replace('.', '_')}.py").write_text(source)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff"]
    command += ["--config", "line-length = 100", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
