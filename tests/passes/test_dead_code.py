"""Nothing is computed in vain, and what is read is kept."""

import jax.numpy as jnp
from jax import lax

from invcompiler.frontend import read
from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import Branch, Loop
from invcompiler.ir.text import show
from invcompiler.passes.dead_code import dead_code


def test_what_is_not_read_goes():
    def f(x):
        unused = jnp.exp(x)
        also_unused = unused + 1
        return 2 * x

    assert len(dead_code(read(f)).body.equations) == 1


def test_a_function_without_dead_code_is_returned_as_it_is():
    def f(x):
        return 2 * x

    function = read(f)
    assert dead_code(function) is function


def test_captures_that_are_not_read_go():
    scale, shift = jnp.array(2.0), jnp.array(3.0)

    def f(x):
        unused = x + shift
        return scale * x

    assert [capture.name for _, capture in dead_code(read(f)).captures] == ["scale"]


def test_carries_that_feed_no_result_go():
    def f(x):
        def step(i, carry):
            kept, lost, feeds = carry
            return kept * feeds, lost + 1.0, feeds + 1.0

        kept, lost, feeds = lax.fori_loop(0, 3, step, (x, 0.0, 1.0))
        return kept

    trimmed = dead_code(read(f))
    (loop,) = [e for e in trimmed.body.equations if isinstance(e, Loop)]
    assert len(loop.init) == len(loop.outs) == 2
    assert evaluate(trimmed, (2.0,)) == f(2.0)


def test_collections_that_are_not_read_go():
    def f(xs):
        def step(carry, x):
            return carry + x, jnp.exp(x)

        total, collected = lax.scan(step, 0.0, xs)
        return total

    trimmed = dead_code(read(f))
    assert "exp" not in show(trimmed)
    assert evaluate(trimmed, (jnp.arange(3.0),)) == 3.0


def test_outs_of_branches_that_are_not_read_go():
    def f(x, flag):
        if flag:
            a, b = jnp.exp(x), jnp.log(x)
        else:
            a, b = x, x
        return a

    trimmed = dead_code(read(f))
    (branch,) = [e for e in trimmed.body.equations if isinstance(e, Branch)]
    assert len(branch.outs) == 1 and "log" not in show(trimmed)
    assert evaluate(trimmed, (1.0, True)) == jnp.exp(1.0)


def test_unread_loops_go_whole():
    def f(x):
        y = x
        for _ in range(3):
            y = jnp.exp(y)
        return x + 1

    assert not any(isinstance(e, Loop) for e in dead_code(read(f)).body.equations)
