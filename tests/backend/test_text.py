"""What emitted text looks like: order, nesting, names, loops and branches, one small case each."""

import linecache
import textwrap

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from invcompiler.backend.load import annotate, load
from invcompiler.backend.render import render
from invcompiler.backend.text import Header
from invcompiler.frontend import read
from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Function, Param, ParameterKind, Ref, Var
from invcompiler.sources import SOURCES
from tests.work import work


def text_of(function, **header):
    return render(read(function), Header(**header), SOURCES).source


def body_of(function):
    """Return the emitted text without imports."""
    lines = text_of(function).splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("def "))
    return "\n".join(lines[first:])


def expect(function, text):
    assert body_of(function) == textwrap.dedent(text).strip()


def test_names_of_temporaries_do_not_matter():
    def named(x, w):
        scaled = x * jnp.exp(w)
        shifted = scaled + w
        return shifted

    def nested(x, w):
        return x * jnp.exp(w) + w

    assert body_of(named).replace("named", "nested") == body_of(nested)


def test_a_name_is_used_again_when_it_is_free():
    def step(x, w):
        h = jnp.tanh(x + w)
        h = h * 2 + h
        return jnp.sin(h) * h + w

    expect(
        step,
        """
        def step(x, w):
            h = jnp.tanh(x + w)
            h = h * 2 + h
            return jnp.sin(h) * h + w
        """,
    )


def test_a_name_that_is_needed_gets_a_number():
    def step(x, w):
        y = x
        x = jnp.exp(x) + w
        x = x * x
        return x + y

    expect(
        step,
        """
        def step(x, w):
            x_1 = jnp.exp(x) + w
            return x_1 * x_1 + x
        """,
    )


def test_builtins_and_modules_are_not_shadowed():
    def step(x):
        sum = x[0] * 2
        return lax.exp(sum) + sum * x[1]

    assert "sum_1 = x[0] * 2" in body_of(step)


def test_unpacking_is_one_pattern():
    def step(pair):
        (a, b), _ = pair
        return a + b

    expect(
        step,
        """
        def step(pair):
            (a, b), _ = pair
            return a + b
        """,
    )


def test_swap_in_a_loop_is_one_assignment():
    def step(a, b, layers):
        for layer in layers:
            b = b * layer
            a, b = b, a
        return a - b

    expect(
        step,
        """
        def step(a, b, layers):
            for layer in layers:
                b = b * layer
                a, b = b, a
            return a - b
        """,
    )


def test_early_return_stays_early():
    def step(x, kind):
        if kind == "twice":
            y = jnp.sin(x) + x
            return y * y + 2
        z = jnp.cos(x) - x
        return z * z - 2

    expect(
        step,
        """
        def step(x, kind):
            if kind == "twice":
                y = jnp.sin(x) + x
                return y * y + 2
            z = jnp.cos(x) - x
            return z * z - 2
        """,
    )


def test_scan_gets_a_local_function():
    def layers_backwards(x, layers):
        def one(h, layer):
            h = jnp.tanh(h) * layer
            return h, h + 1

        return lax.scan(one, x, layers, reverse=True)

    assert "lax.scan(step, x, layers, reverse=True)" in body_of(layers_backwards)


def test_short_branches_are_lambdas():
    def step(x, positive):
        return jax.lax.cond(positive, lambda: x * 2, lambda: x + 1)

    expect(
        step,
        """
        def step(x, positive):
            return jax.lax.cond(positive, lambda: x * 2, lambda: x + 1)
        """,
    )


def test_updates_are_one_piece():
    def step(x, w):
        return x.at[..., :2].multiply(jnp.exp(w)).at[..., 2:].add(w)

    expect(
        step,
        """
        def step(x, w):
            return x.at[..., :2].multiply(jnp.exp(w)).at[..., 2:].add(w)
        """,
    )


def test_docstring_and_line_comments():
    def step(x, w):
        a = jnp.sin(x) * w
        b = a * a
        return a + b

    lines = text_of(step, doc="What it is.", line_comments=True).splitlines()
    first = step.__code__.co_firstlineno
    assert '    """What it is."""' in lines
    assert f"    a = jnp.sin(x) * w  # line {first + 1}" in lines


def test_two_runs_print_one_text():
    def step(x, w):
        a = jnp.sin(x) * w
        return a + jnp.exp(a)

    assert text_of(step) == text_of(step)


def chain(length):
    """A function in which every value is used twice, so that nothing nests away."""
    builder, x = Builder(), Var("x")
    previous = value = x
    for _ in range(length):
        sine = builder.apply(Ref(jnp.sin, "jnp.sin", jnp), (value,))
        previous, value = value, builder.apply(Ref(jnp.add, "jnp.add", jnp), (sine, previous))
    params = (Param(x, ParameterKind.POSITIONAL_OR_KEYWORD),)
    return Function("long", params, builder.block((x,), value))


def test_printing_takes_linear_work():
    render(chain(10), Header(), SOURCES)
    short, long = (work(render, chain(n), Header(), SOURCES) for n in (300, 1500))
    assert long < 5.5 * short


@pytest.mark.parametrize(
    "value, text", [(float("inf"), "jnp.inf"), (-1.5, "-1.5"), (1e-6, "1e-06")]
)
def test_numbers_are_written_as_python_reads_them(value, text):
    from invcompiler.ir.nodes import Const

    x = Var("x")
    params = (Param(x, ParameterKind.POSITIONAL_OR_KEYWORD),)
    builder = Builder()
    result = builder.apply(Ref(jnp.maximum, "jnp.maximum", jnp), (x, Const(value)))
    source = render(Function("f", params, builder.block((x,), result)), Header(), SOURCES).source
    assert f"jnp.maximum(x, {text})" in source


def test_a_long_chain_of_conditions_takes_little_work():
    lines = ["def chosen(x, n):"]
    for at in range(30):
        lines += [
            f"    {'if' if not at else 'elif'} n == {at}:",
            f"        y = jnp.sin(x) * {at} + x",
        ]
        lines += [f"        x = y * y + {at}"]
    source = "\n".join([*lines, "    return x"]) + "\n"
    function = defined(source, "chosen")
    assert work(text_of, function) < 1_000_000
    text = text_of(function)
    assert text.count("    if n == ") == 30


def defined(source, name):
    """Define a function as a notebook cell does."""
    file = f"<cell of {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {"jnp": jnp}
    exec(compile(source, file, "exec"), namespace)
    return namespace[name]


def test_errors_in_a_return_statement_know_their_line():
    def divided(x):
        return x.reshape(7, 7) / 2

    text = render(read(divided), Header(), SOURCES)
    with pytest.raises(TypeError) as caught:
        load(text).divided(jnp.ones(3))
    annotate(caught.value, text)
    (note,) = caught.value.__notes__
    assert (
        note
        == f"from test_text.py:{divided.__code__.co_firstlineno + 1}: return x.reshape(7, 7) / 2"
    )


def helper_that_fails(x):
    raise ValueError("no")


def test_errors_in_a_copied_helper_point_at_its_call():
    def calling(x):
        y = x + 1
        return helper_that_fails(y) * y

    text = render(read(calling), Header(), SOURCES)
    with pytest.raises(ValueError) as caught:
        load(text).calling(jnp.ones(3))
    annotate(caught.value, text)
    (note,) = caught.value.__notes__
    assert note.endswith("return helper_that_fails(y) * y")
