"""Long lines break where `ruff format` breaks them, whatever the expression."""

import ast
import random
import re
import subprocess
import sys

import pytest

from invcompiler.backend.printer import print_module

A, B, C = "a_first_name_of_some_length", "b_a_second_name", "c_the_third_name"
NAMES = ["x", "y", "s", "params", "jnp.exp", "log_scale_value", "a_rather_long_name_here"]
FUNCTIONS = ["jnp.exp", "jnp.concatenate", "net", "jnp.linalg.solve", "module.some_function_name"]
COUNT = 1500

STATEMENTS = [
    "import functools\nimport jax\nimport jax.numpy as jnp\nfrom jax import lax\ndef f(x):\n    return x",
    "x = 'it' + \"it's\" + 'say \"a\"' + '\\n' + b'a\"b'",
    "x = 1e16 + 1e-07 + 3j - -2 ** -x + (-x) ** 2 + x.y ** 2 + x[0] ** 2 + (x+1) ** -y.z + 1 ** b ** c",
    "x[a:b, 1:, :n // 2, ::2, a + 1:, ::-1, ..., None, a.b:c]",
    "f(*a, **k)\nx = (a,)\nx[a,]\ny = [*a, *b]\nz = {**a, 'b': 1}",
    "def f(*, w): return lambda: 1, lambda *a, **k: 2, lambda x, *, y=1: 3",
    "x = a if b else c if d else e\nwhile (n := n - 1) > 0: pass",
    "x = not a in b and not (a is b)\ny = (not a) + 1\nz = a < b < c\nw = (a < b) < c",
    "if (a, b): pass",
    "match x:\n    case [1, 'a'] if y:\n        y = 1\n    case {'k': z}:\n        y = 2",
    "x = f'{a!r:>{w}} {b}'\nasync def f(x):\n    await x",
    "def f(x):\n    import a\n    from b import c\n    try:\n        pass\n    except E as e:\n        raise G('x') from e",
    "def f():\n    def g():\n        return 1\n    if x:\n        def h():\n            return 1\n    else:\n        y = 1\n        def h():\n            return 2\n    return g",
    "def f():\n    'doc'\n    def g():\n        return 1\n    return g\n@a\n@b\ndef h():\n    pass\nx = 1\n",
    "def f(a: int = 1, *args: str, b, c: int = 2, **k) -> int:\n    with a as b, c:\n        del x",
    f"def f({A}, {B}, {C}, *, {A}1=1, {B}1, {C}2):\n    return 1",
    f"def f({A}, {B}, {C}, *, {A}1=1, {B}1, {C}2, {A}3=None, {C}4={B}):\n    return 1",
    f"from jax.numpy import {A}, {B}, {C}, {A}1, {B}2",
    f"if {A} > {B} and {C} < {B} or {A} == {B} and {C} >= {A}:\n    pass\nelif {A} > {B} and {C} < {B} or {A} == {B}:\n    pass",
    f"x = lambda {A}, {B}: {A} + {B} + {C} + {A} + {B}",
    f"{A}, {B}, {C} = {A}({B}, {C}, {A}, {B})[0]",
]


@pytest.mark.parametrize("source", STATEMENTS)
def test_statement_is_a_fixed_point_of_ruff_format(source):
    text, _ = print_module(ast.parse(source), {}, False)
    assert ruff_format(text) == text


def ruff_format(text):
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "100", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def expression(pick, depth):
    """Return a random expression in which every operand has parentheses."""
    if depth <= 0 or pick.random() < 0.12:
        return (
            pick.choice(NAMES) if pick.random() < 0.8 else pick.choice(["1", "-1", "'s'", "1e-6"])
        )

    def inner():
        return expression(pick, depth - 1)

    forms = [
        lambda: f"({inner()} {pick.choice(['+', '-', '*', '/', '@', '**', '//'])} {inner()})",
        lambda: f"({inner()} {pick.choice(['+', '-', '*', '/'])} {inner()})",
        lambda: f"{pick.choice(FUNCTIONS)}({inner()}, {inner()})",
        lambda: f"{pick.choice(FUNCTIONS)}({inner()}, axis={inner()})",
        lambda: f"(-{inner()})",
        lambda: f"(not {inner()})",
        lambda: f"({inner()}).reshape({inner()})",
        lambda: f"({inner()})[..., {inner()}:{inner()}]",
        lambda: f"[{', '.join(inner() for _ in range(pick.randint(1, 4)))}]",
        lambda: f"({inner()} if {inner()} < {inner()} else {inner()})",
        lambda: f"({inner()}).at[{inner()}].set({inner()})",
        lambda: f"({inner()}, {inner()})",
        lambda: f"(lambda x, y: {inner()})",
        lambda: "{'k': %s, 'long_key': %s}" % (inner(), inner()),
        lambda: f"({inner()} and {inner()})",
    ]
    return pick.choice(forms)()


def statement(pick):
    value = expression(pick, pick.randint(2, 4))
    other = expression(pick, 2)
    forms = ["x = {}", "a, b = {}", "return {}", "return {}, {}", "if {}:\n    pass"]
    return pick.choice([*forms, "for a, b in {}:\n    pass"]).format(value, other)


def test_random_statements_are_fixed_points_of_ruff_format():
    texts = {}
    for seed in range(COUNT):
        body = statement(random.Random(seed)).replace("\n", "\n    ")
        texts[f"f{seed}"] = print_module(ast.parse(f"def f{seed}():\n    {body}"), {}, False)[0]
    formatted = ruff_format("\n\n".join(texts.values()))
    definitions = re.split(r"^(?=def )", formatted, flags=re.MULTILINE)[1:]
    different = [
        (text, other)
        for text, other in zip(texts.values(), definitions, strict=True)
        if text.strip() != other.strip()
    ]
    assert not different
