"""What is said of values holds: against abstract runs, and under JAX's transformations."""

import dataclasses
import functools
import importlib.util
import operator
from collections import namedtuple
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.frontend import read
from invcompiler.ir.nodes import Apply, Loop, Ref
from invcompiler.schedule.dims import Dim, axis_of, floor_div, scaled, symbol
from invcompiler.schedule.facts import concrete_facts, symbolic_facts
from tests.work import work

SCALE = jnp.array([2.0, 3.0])
TABLE = np.arange(6).reshape(2, 3)
WIDTH = 3
RATE = 0.5
Point = namedtuple("Point", ["a", "b"])


class Opaque:
    pass


def var(function, name):
    """Return the last var of that name, wherever it is bound."""
    found = [p.var for p in function.params if p.var.name == name]
    found += [v for v, _ in function.captures if v.name == name]
    waiting = [function.body]
    while waiting:
        block = waiting.pop(0)
        found += [v for v in block.params if v.name == name]
        for equation in block.equations:
            found += [v for v in equation.outs if v.name == name]
            if isinstance(equation, Loop):
                waiting.append(equation.body)
            waiting += getattr(equation, "blocks", ())
    assert found, name
    return found[-1]


def concrete(fn, *args):
    function = read(fn)
    params = [p.var for p in function.params]
    return function, concrete_facts(function, dict(zip(params, args, strict=False)))


def symbolic(fn, *unknown):
    function = read(fn)
    params = {p.var.name: p.var for p in function.params}
    return function, symbolic_facts(function, unknown=[params[name] for name in unknown])


# ---- concrete -----------------------------------------------------------------------------------


def test_shapes_dtypes_and_statics_of_a_call():
    def f(x, k, mode="same"):
        h = x[:k] * RATE
        n = x.shape[0] - k
        return h.astype(jnp.float16), n

    function, facts = concrete(f, jax.ShapeDtypeStruct((5, 2), jnp.float32), 2)
    h, n = var(function, "h"), var(function, "n")
    assert facts.shape(h) == (2, 2)
    assert facts.dtype(h) == np.float32
    assert facts.static(n).value == 3
    assert facts.static(var(function, "mode")).value == "same"
    assert facts.structure(function.body.result).length == 2
    assert facts.output.items[0].dtype == np.float16


def test_floats_are_traced_and_integers_are_static():
    def f(x, a, b, c):
        return x * a * b, c

    function, facts = concrete(f, jnp.ones(2), 0.5, 2, True)
    a, b, c = (var(function, name) for name in "abc")
    assert facts.static(a) is None and facts.shape(a) == () and facts.weak_type(a)
    assert facts.static(b).value == 2 and facts.dtype(b) is None
    assert facts.static(c).value is True


def test_pytrees_and_objects():
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass
    class State:
        mean: jax.Array
        scale: float

    def f(x, options):
        point = Point(x["a"], [x["b"], 1])
        a, rest = point
        return a, rest, options.width, x["state"].mean

    class Options:
        width = 4

    state = State(jnp.ones(3), 1.0)
    function, facts = concrete(f, {"a": jnp.ones(2), "b": jnp.int32(1), "state": state}, Options())
    x = function.params[0].var
    assert facts.structure(x).kind is dict and facts.structure(x).keys == ("a", "b", "state")
    assert facts.static(function.params[1].var) is None
    output = facts.structure(function.body.result)
    assert output.kind is tuple
    a, rest, width, mean = function.body.result.items
    assert facts.shape(a) == (2,)
    assert facts.static(width).value == 4
    assert facts.shape(mean) == (3,)


def test_zero_size_and_scalars():
    def f(x, y):
        z = jnp.sum(x) + y
        return jnp.concatenate([x, x]), z

    function, facts = concrete(f, jnp.zeros((0, 3)), jnp.float32(1))
    assert facts.shape(var(function, "z")) == ()
    assert facts.output.items[0].shape == (0, 3)


def test_precision_is_that_of_the_caller():
    def f(x):
        return x * 2

    for enabled, dtype in [(False, "float32"), (True, "float64")]:
        with jax.enable_x64(enabled):
            _, facts = concrete(f, np.ones(2))
            assert facts.output.dtype == dtype


def test_arguments_may_be_tracers():
    seen = []

    def f(x):
        return jnp.concatenate([x[:1], x[1:] * 2])

    def observe(x):
        _, facts = concrete(f, x)
        seen.append(facts.output)
        return jnp.sum(x)

    x = jnp.ones((4, 3))
    jax.jit(observe)(x)
    jax.vmap(observe)(x)
    jax.grad(observe)(x)
    jax.jit(jax.vmap(jax.grad(observe)))(x)
    assert [out.shape for out in seen] == [(4, 3), (3,), (4, 3), (3,)]
    assert {str(out.dtype) for out in seen} == {"float32"}


def test_dispatch_on_what_is_known_is_followed():
    class Scale:
        def __call__(self, x):
            return x * 2

    def f(layers, x, deep):
        for layer in layers:
            x = layer(x)
        if deep:
            y = jnp.stack([x, x])
        else:
            y = x
        return y

    function, facts = concrete(f, [Scale(), jnp.tanh], jnp.ones(3), True)
    assert facts.output.shape == (2, 3)


def test_items_of_different_shapes_are_joined():
    def f(weights, x):
        for w in weights:
            half = w[: w.shape[0] // 2]
            x = x + jnp.sum(half)
        return x

    same = [jnp.ones((4, 2)), jnp.ones((4, 2))]
    function, facts = concrete(f, same, jnp.ones(3))
    assert facts.shape(var(function, "half")) == (2, 2)
    function, facts = concrete(f, [*same, jnp.ones((6, 2))], jnp.ones(3))
    w, half = var(function, "w"), var(function, "half")
    assert facts.shape(w) == (axis_of(w, 0), 2)
    assert facts.shape(half) == (floor_div(axis_of(w, 0), 2), 2)
    assert facts.output.shape == (3,)


def test_counters_that_vary_have_no_value():
    def f(x):
        for i in range(3):
            x = x + i
        return x

    function, facts = concrete(f, jnp.ones(2))
    i = var(function, "i")
    assert facts.static(i) is None and facts.value_dim(i) == symbol(i)


def test_bodies_of_lax_loops_are_seen():
    def f(x, w):
        def step(carry, row):
            new = jnp.tanh(carry @ w + row)
            return new, new.sum()

        last, sums = jax.lax.scan(step, x[0], x)
        return last, sums

    function, facts = concrete(f, jnp.ones((5, 3)), jnp.ones((3, 3)))
    assert facts.shape(var(function, "new")) == (3,)
    assert [item.shape for item in facts.output.items] == [(3,), (5,)]


def test_callees_have_facts_of_their_own_and_share_them():
    def half(v, n):
        part = v[:n]
        return part

    def f(x):
        return half(x, 2), half(x * 2, 2), half(x, 3), half([x][0][None], 1)

    function, facts = concrete(f, jnp.ones(4))
    calls = [e for e in function.body.equations if isinstance(e, Apply) and len(e.args) == 2]
    calls = [e for e in calls if not isinstance(e.fn, Ref) or e.fn.value not in _OPERATORS]
    callee = read(half)
    found = [facts.of_call(call, callee) for call in calls]
    part = var(callee, "part")
    assert [each.shape(part) for each in found] == [(2,), (2,), (3,), (1, 4)]
    assert found[0] is found[1] and found[0] is not found[2]


_OPERATORS = (operator.mul, operator.getitem, getattr)


def test_callees_in_a_loop_over_different_shapes():
    def layer(v, w):
        u = v * jnp.sum(w)
        return u

    def f(x, weights):
        for w in weights:
            x = layer(x, w)
        return x

    function, facts = concrete(f, jnp.ones(3), [jnp.ones(2), jnp.ones((2, 2))])
    (loop,) = [e for e in function.body.equations if isinstance(e, Loop)]
    (call,) = [e for e in loop.body.equations if isinstance(e, Apply)]
    callee = read(layer)
    inner = facts.of_call(call, callee)
    assert inner.shape(var(callee, "v")) == (3,)
    assert inner.shape(var(callee, "w")) is None


def test_errors_of_the_program_are_the_programs():
    def f(x):
        return x @ jnp.ones((5, 5))

    with pytest.raises(TypeError):
        concrete(f, jnp.ones(3))


# ---- constants ----------------------------------------------------------------------------------


def test_constants_are_evaluated():
    def f(x):
        a = SCALE * 2 - jnp.array([4.0, 5.0])
        b = jnp.where(a > 0, 1.0, 0.0)
        c = x * a
        d = jnp.array(TABLE)[:, ::-1]
        return a, b, c, d, RATE

    for facts in (concrete(f, jnp.ones(2))[1], symbolic(f, "x")[1]):
        a, b, c, d, rate = facts.function.body.result.items
        np.testing.assert_array_equal(facts.array_value(a), [0, 1])
        np.testing.assert_array_equal(facts.array_value(b), [0, 1])
        assert facts.array_value(c) is None
        np.testing.assert_array_equal(facts.array_value(d), TABLE[:, ::-1])
        assert facts.array_value(rate) == 0.5


def test_constants_run_nothing_of_the_users():
    def noisy(v):
        raise AssertionError("run")

    def f(x):
        return jax.lax.map(noisy, SCALE), noisy(SCALE)

    function = read(f)
    facts = symbolic_facts(function)
    assert facts.array_value(function.body.result.items[0]) is None
    assert facts.array_value(function.body.result.items[1]) is None


def test_traced_captures_are_no_constants():
    def outer(w):
        def f(x):
            return x * w

        function = read(f)
        facts = symbolic_facts(function)
        assert facts.array_value(var(function, "w")) is None
        assert facts.shape(var(function, "w")) == (2,)
        return w

    jax.jit(outer)(jnp.ones(2))


# ---- symbolic -----------------------------------------------------------------------------------


def test_slices_split_and_concatenate():
    def f(x, k):
        a, b = x[..., :k], x[..., k:]
        c, d = jnp.split(x, 2, axis=-1)
        e, g = x[..., ::2], x[..., 1::2]
        y = jnp.concatenate([a, jnp.exp(b)], -1)
        z = jnp.concatenate([c, d * 2], -1)
        return a, b, c, d, e, g, y, z

    function, facts = symbolic(f, "x")
    x, k = var(function, "x"), var(function, "k")
    n, width = axis_of(x, -1), symbol(k)
    sizes = [facts.dim(tree, -1) for tree in function.body.result.items]
    half, floor = scaled(n, Fraction(1, 2)), floor_div(n, 2)
    assert sizes == [width, n - width, half, half, n - floor, floor, n, n]
    assert facts.same_shape(function.body.result.items[6], x) is True
    assert facts.same_shape(function.body.result.items[7], x) is True
    assert facts.same_shape(function.body.result.items[0], x) is None
    assert facts.shape(x) is None


def test_python_integers_are_followed():
    def f(x, k):
        n = x.shape[-1]
        half = n // 2
        a = x[..., :half]
        b = x[..., half:]
        c = x[..., : n - k]
        d = x[..., -k:]
        return a, b, c, d

    function, facts = symbolic(f, "x")
    n, k = axis_of(var(function, "x"), -1), symbol(var(function, "k"))
    sizes = [facts.dim(tree, -1) for tree in function.body.result.items]
    assert sizes == [floor_div(n, 2), n - floor_div(n, 2), n - k, k]


def test_an_unknown_gives_what_it_meets_its_shape():
    def net(h):
        return h

    def f(x, h, b):
        a = x * net(h) + b
        c = jnp.where(h > 0, a, 0.0)
        return a, c, h * b

    function, facts = symbolic(f, "x")
    x = var(function, "x")
    a, c, product = function.body.result.items
    assert facts.same_shape(a, x) is True and facts.same_shape(c, x) is True
    assert facts.same_shape(product, x) is None


def test_unpacking_a_shape_tells_the_rank():
    def f(x):
        n, d = x.shape
        y = x.reshape(n, 2, -1)
        z = jnp.transpose(y, (1, 0, 2)).reshape(2, -1)
        return y, z, x.T

    function, facts = symbolic(f, "x")
    x = var(function, "x")
    n, d = axis_of(x, 0), axis_of(x, 1)
    y, z, t = function.body.result.items
    assert facts.shape(x) == (n, d)
    assert facts.shape(y) == (n, 2, scaled(d, Fraction(1, 2)))
    assert facts.shape(t) == (d, n)
    assert facts.rank(z) == 2


def test_reshapes_of_the_last_axis():
    def f(x):
        y = x.reshape((*x.shape[:-1], 2, -1))
        z = y.reshape((*y.shape[:-2], -1))
        return y, z

    function, facts = symbolic(f, "x")
    x = var(function, "x")
    y, z = function.body.result.items
    assert facts.dim(y, -2) == 2
    assert facts.dim(y, -1) == scaled(axis_of(x, -1), Fraction(1, 2))
    assert facts.same_shape(z, x) is True


def test_examples_give_shapes():
    def f(x):
        return x[2:], x.reshape(-1)

    function = read(f)
    facts = symbolic_facts(function, {function.params[0].var: jax.ShapeDtypeStruct((5, 2), "f4")})
    a, b = function.body.result.items
    assert facts.shape(a) == (3, 2) and facts.shape(b) == (10,)


def test_updates_keep_the_shape():
    def f(x, i):
        return x.at[i].set(1.0), x.at[..., 0].add(x[..., 1])

    function, facts = symbolic(f, "x")
    assert all(facts.same_shape(y, var(function, "x")) for y in function.body.result.items)


def test_loops_keep_shapes_that_stay():
    def f(x, weights):
        for w in weights:
            x = jnp.tanh(x) * w
        return x

    def grows(x, weights):
        for w in weights:
            x = jnp.concatenate([x, x], 0)
        return x

    function, facts = symbolic(f, "x")
    assert facts.same_shape(function.body.result, function.params[0].var) is True
    function, facts = symbolic(grows, "x")
    assert facts.same_shape(function.body.result, function.params[0].var) is None


def test_a_container_is_not_taken_for_an_array():
    def f(x):
        return x[0], x["a"]

    function, facts = symbolic(f, "x")
    for tree in function.body.result.items:
        assert facts.shape(tree) is None and facts.structure(tree) is None


def test_defaults_and_captured_integers_are_static():
    def f(x, axis=-1):
        return jnp.split(x, WIDTH, axis)

    function, facts = symbolic(f, "x")
    assert facts.static(var(function, "axis")).value == -1
    assert facts.structure(function.body.result).length == 3
    function = read(f)
    assert symbolic_facts(function, defaults=False).static(var(function, "axis")) is None


def test_callees_know_nothing_of_the_callers_vars():
    def layer(v, n):
        a = v[..., :n]
        return a

    def f(x, k):
        return layer(x, k), layer(jnp.exp(x), k)

    function, facts = symbolic(f, "x")
    callee = read(layer)
    calls = [e for e in function.body.equations if isinstance(e, Apply) and len(e.args) == 2]
    inner = [facts.of_call(call, callee) for call in calls]
    v, n = (p.var for p in callee.params)
    assert inner[0].dim(var(callee, "a"), -1) == symbol(n)
    assert inner[0] is inner[1]
    assert inner[0].dim(v, -1) == axis_of(v, -1)


def chain(length):
    lines = ["def f(x, s, k):", "    n = x.shape[0]"]
    for i in range(length):
        lines.append(f"    x = jnp.tanh(x) * s + {i}")
        lines.append(f"    n = n + k - {i} // 2")
    return "\n".join([*lines, "    return x[: n]"])


def chained(length, folder):
    path = folder / f"chained_{length}.py"
    path.write_text("import jax.numpy as jnp\n" + chain(length))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return read(module.f)


def test_long_chains_take_linear_work(tmp_path):
    def infer(function):
        return symbolic_facts(function, unknown=[function.params[0].var])

    infer(chained(10, tmp_path))
    short, function = chained(300, tmp_path), chained(1500, tmp_path)
    assert work(infer, function) < 5.5 * work(infer, short)
    facts = infer(function)
    assert len(function.body.equations) > 4000
    assert isinstance(facts.dim(function.body.result, 0), Dim | None)


def test_functions_made_in_the_run_are_not_kept():
    def scale(v, w):
        return v * w

    def f(x, w, act):
        g = functools.partial(scale, w=w)
        h = act
        k = functools.partial(scale, w=2)
        return g(h(k(x)))

    offset = jnp.ones(2)
    function, facts = concrete(f, jnp.ones(2), jnp.ones(2), lambda v: v + offset)
    assert facts.static(var(function, "act")) is not None
    made = [
        e.out for e in function.body.equations if getattr(e.fn, "value", 0) is functools.partial
    ]
    assert [facts.static(v) is None for v in made] in ([], [True, False])
