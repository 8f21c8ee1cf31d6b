"""What the frontend reads, the backend can print: the text of every program computes what the program does."""

import random
import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

import tests.programs  # noqa: F401  (fills the registry)
from invcompiler.backend.load import load
from invcompiler.backend.render import render
from invcompiler.backend.text import Header
from invcompiler.frontend import read
from invcompiler.ir.nodes import Block, Branch, Loop
from invcompiler.sources import SOURCES
from tests.programs.registry import with_text

programs = pytest.mark.parametrize("program", with_text(), ids=lambda program: program.name)


def forward_text(program):
    return render(read(program.function), Header(), SOURCES)


def run(text, program):
    bound = {name: capture.read() for name, capture in text.captures} | dict(text.objects)
    main = getattr(load(text), text.main)
    return main(*program.arguments, **program.keywords, **bound)


@programs
def test_text_computes_what_the_program_does(program):
    with jax.enable_x64(True):
        expected = program.function(*program.arguments, **program.keywords)
        actual = run(forward_text(program), program)
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for left, right in zip(jax.tree.leaves(actual), jax.tree.leaves(expected)):
        np.testing.assert_allclose(left, right, rtol=1e-2 if left.dtype.itemsize < 4 else 1e-6)


def shuffled(block, random_state):
    """Return `block` with its equations, and those of the blocks in it, in another order."""
    equations = [_with_shuffled_blocks(equation, random_state) for equation in block.equations]
    random_state.shuffle(equations)
    return Block(block.params, tuple(equations), block.result)


def _with_shuffled_blocks(equation, random_state):
    match equation:
        case Loop():
            return replace(equation, body=shuffled(equation.body, random_state))
        case Branch():
            blocks = tuple(shuffled(block, random_state) for block in equation.blocks)
            return replace(equation, blocks=blocks)
        case _:
            return equation


@programs
def test_order_of_equations_does_not_matter(program):
    function = read(program.function)
    text = render(function, Header(), SOURCES)
    other = replace(function, body=shuffled(function.body, random.Random(0)))
    assert render(other, Header(), SOURCES).source == text.source


def test_texts_are_fixed_points_of_ruff_format(tmp_path):
    for program in with_text():
        (tmp_path / f"{program.name}.py").write_text(forward_text(program).source)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "100"]
    done = subprocess.run([*command, "--diff", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
