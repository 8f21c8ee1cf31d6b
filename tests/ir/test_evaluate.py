"""`evaluate` does what the text says, on values and under JAX's transformations."""

import ast
import inspect
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.ir.build import Builder
from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Capture,
    Closure,
    Const,
    Display,
    Each,
    Enumerate,
    Function,
    Loop,
    LoopKind,
    Method,
    Opaque,
    Param,
    Range,
    Ref,
    Reversed,
    Span,
    Star,
    Var,
    Zip,
)

POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD
SPAN = Span("program.py", 1, 0, 1, 1)


def ref(fn):
    return Ref(fn, getattr(fn, "__name__", repr(fn)))


def function(params, builder, result, **more):
    params = tuple(p if isinstance(p, Param) else Param(p, POSITIONAL) for p in params)
    return Function("f", params, builder.block((), result), **more)


def add_body(params, left, right, *more):
    body = Builder()
    total = body.apply(ref(operator.add), (left, right))
    return body.block(params, Display(tuple, (total, *more)))


def test_arguments_are_bound_as_in_a_call():
    x, y, rest, named = Var("x"), Var("y"), Var("rest"), Var("named")
    params = (
        Param(x, POSITIONAL),
        Param(y, POSITIONAL, Const(2)),
        Param(rest, inspect.Parameter.VAR_POSITIONAL),
        Param(named, inspect.Parameter.VAR_KEYWORD),
    )
    f = function(params, Builder(), Display(tuple, (x, y, rest, named)))
    assert evaluate(f, (1,)) == (1, 2, (), {})
    assert evaluate(f, (1, 3, 4), {"k": 5}) == (1, 3, (4,), {"k": 5})
    with pytest.raises(TypeError):
        evaluate(f, ())


def test_captures_are_read_anew_unless_given():
    x, w = Var("x"), Var("w")
    builder = Builder()
    out = builder.apply(ref(operator.mul), (x, w))
    now = [2.0]
    capture = Capture("w", None, read=lambda: now[0])
    f = function((x,), builder, out, captures=((w, capture),))
    assert evaluate(f, (3.0,)) == 6.0
    now[0] = 5.0
    assert evaluate(f, (3.0,)) == 15.0
    assert evaluate(f, (3.0,), captures={w: 7.0}) == 21.0


def test_calls_with_stars_and_methods():
    x, xs, options = Var("x"), Var("xs"), Var("options")
    builder = Builder()
    packed = builder.apply(ref(dict), (), ((None, options), ("b", x)))
    total = builder.apply(ref(max), (Const(0), Star(xs)))
    flat = builder.apply(Method("reshape"), (x, Const(-1)))
    f = function((x, xs, options), builder, Display(list, (packed, total, flat, Star(xs))))
    packed, total, flat, *rest = evaluate(f, (np.ones((2, 2)), [1, 5], {"a": 1}))
    assert packed["a"] == 1 and packed["b"].shape == (2, 2)
    assert (total, flat.shape, rest) == (5, (4,), [1, 5])


@pytest.mark.parametrize("value", [[1, 2], (1, 2), {1: "a", 2: "b"}, iter([1, 2])])
def test_unpacking(value):
    v = Var("v")
    items = tuple(Apply(Var(), ref(operator.getitem), (v, Const(i)), arity=2) for i in (0, 1))
    block = Block((), items, Display(tuple, tuple(item.out for item in items)))
    f = Function("f", (Param(v, POSITIONAL),), block)
    assert evaluate(f, (value,)) == (1, 2)
    with pytest.raises(ValueError, match="expected 2 values to unpack, got 3"):
        evaluate(f, ([1, 2, 3],))


def test_python_loops():
    xs, carry, out, squares = Var("xs"), Var("c"), Var("out"), Var("squares")
    i, a, b = Var("i"), Var("a"), Var("b")
    iterable = Enumerate(Zip((Each(xs), Reversed(Each(xs)))), Const(1))
    body = add_body((carry, i, a, b), carry, i, Display(tuple, (a, b)))
    loop = Loop(LoopKind.FOR, (out, squares), (Const(0),), iterable, body)
    f = Function("f", (Param(xs, POSITIONAL),), Block((), (loop,), Display(tuple, (out, squares))))
    assert evaluate(f, ([7, 8, 9],)) == (6, [(7, 9), (8, 8), (9, 7)])


@pytest.mark.parametrize("backwards", [False, True])
def test_scan(backwards):
    xs, carry, x, last, sums = Var("xs"), Var("c"), Var("x"), Var("last"), Var("sums")
    body = Builder()
    total = body.apply(ref(operator.add), (carry, x))
    iterable = Reversed(Each(xs)) if backwards else Each(xs)
    block = body.block((carry, x), Display(tuple, (total, total)))
    loop = Loop(LoopKind.SCAN, (last, sums), (Const(0.0),), iterable, block)
    f = Function("f", (Param(xs, POSITIONAL),), Block((), (loop,), Display(tuple, (last, sums))))
    values = jnp.arange(4.0)
    expected = jax.lax.scan(lambda c, x: (c + x, c + x), 0.0, values, reverse=backwards)
    for run in (evaluate, jax.jit(evaluate, static_argnums=0)):
        jax.tree.map(np.testing.assert_array_equal, run(f, (values,)), expected)


def test_fori_and_map():
    x, carry, i, item, out, images = map(Var, ["x", "carry", "i", "item", "out", "images"])
    step = add_body((carry, i), carry, i)
    fori = Loop(LoopKind.FORI, (out,), (x,), Range(Const(0), Const(4)), step)
    each = add_body((item,), item, out)
    stack = Loop(LoopKind.MAP, (images,), (), Each(x), each)
    f = Function("f", (Param(x, POSITIONAL),), Block((), (fori, stack), images))
    np.testing.assert_array_equal(evaluate(f, (jnp.arange(2),)), [[6, 7], [7, 8]])


@pytest.mark.parametrize("kind", [BranchKind.IF, BranchKind.IFEXP, BranchKind.COND])
def test_branches_take_the_first_block_when_true(kind):
    p, x, out = Var("p"), Var("x"), Var("out")
    blocks = (add_body((), x, Const(1)), add_body((), x, Const(2)))
    f = Function(
        "f",
        (Param(p, POSITIONAL), Param(x, POSITIONAL)),
        Block((), (Branch(kind, (out,), p, blocks),), out),
    )
    assert (evaluate(f, (True, 10)), evaluate(f, (False, 10))) == (11, 12)


def test_switch_takes_the_block_of_that_number():
    p, out = Var("p"), Var("out")
    blocks = tuple(add_body((), Const(10), Const(i)) for i in range(3))
    branch = Branch(BranchKind.SWITCH, (out,), p, blocks)
    f = Function("f", (Param(p, POSITIONAL),), Block((), (branch,), out))
    assert [int(evaluate(f, (i,))) for i in range(3)] == [10, 11, 12]


def test_closures_and_opaque_statements_run_as_written():
    x, n, out = Var("x"), Var("n"), Var("n")
    node = ast.parse("lambda y, z=scale: f(y) * z", mode="eval").body
    closure = Closure(node, (("scale", x), ("f", ref(abs))), SPAN, lower=lambda: None)
    loop = ast.parse("while n > 3:\n    n -= sum(i for i in range(n - n + 2))").body
    opaque = Opaque((out,), ("n",), (("n", n),), loop, "a `while` loop", SPAN)
    text = Opaque((Var(),), (), (("n", out),), ast.parse("f'{n}!'", mode="eval").body, "a string")
    call = Apply(Var(), closure, (Const(-4),))
    block = Block((), (opaque, text, call), Display(tuple, (out, *text.outs, call.out)))
    f = Function("f", (Param(x, POSITIONAL), Param(n, POSITIONAL)), block)
    assert evaluate(f, (5, 6)) == (3, "3!", 20)


def test_a_local_function_may_call_itself():
    node = ast.parse("def fact(n: Any) -> Any:\n    return n * fact(n - 1) if n else 1").body[0]
    call = Apply(Var(), Closure(node, (), SPAN, lower=lambda: None), (Const(4),))
    assert evaluate(Function("f", (), Block((), (call,), call.out))) == 24


def test_functions_of_the_compiler_are_called_and_passed_on():
    x, y = Var("x"), Var("y")
    inner = function((x,), Builder(), Display(tuple, (x, x)))
    builder = Builder()
    called = builder.apply(Ref(inner, "inner"), (y,))
    mapped = builder.apply(ref(map), (Ref(inner, "inner"), Display(list, (y,))))
    f = function((y,), builder, Display(tuple, (called, mapped)))
    called, mapped = evaluate(f, (3,))
    assert (called, list(mapped)) == ((3, 3), [(3, 3)])


def test_everything_bound_is_observed():
    xs, carry, x, out = Var("xs"), Var("c"), Var("x"), Var("out")
    body = add_body((carry, x), carry, x)
    loop = Loop(LoopKind.FOR, (out,), (Const(0),), Each(xs), body)
    f = Function("f", (Param(xs, POSITIONAL),), Block((), (loop,), out))
    seen = []
    evaluate(f, ([1, 2],), observe=lambda var, value: seen.append((var, value)))
    assert [value for var, value in seen if var is x] == [1, 2]
    assert seen[0] == (xs, [1, 2]) and seen[-1] == (out, 3)
