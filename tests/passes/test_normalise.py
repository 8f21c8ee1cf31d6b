"""A normalised function has the value of the function, and shows the structure of its values."""

import collections
import dataclasses
import linecache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from invcompiler.frontend import read
from invcompiler.ir.check import check
from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import Apply, Branch, Loop
from invcompiler.ir.text import show
from invcompiler.ir.walk import free_vars
from invcompiler.passes.normalise import normalise
from invcompiler.passes.normalise_structures import show_structures, waits_for_structure
from invcompiler.schedule.facts import concrete_facts
from tests.work import work

X = jnp.array([0.3, -1.2, 0.7, 2.0])
W = jnp.array([1.5, 0.2, -0.4, 1.0])
PAIR = (X, W)
Point = collections.namedtuple("Point", "position momentum")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    mean: jax.Array
    label: str = dataclasses.field(metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Record:
    mean: jax.Array
    scale: jax.Array


def scan_of_pair(pair):
    def step(carry, _):
        a, b = carry
        return (b + jnp.sin(a), a), a * b

    return lax.scan(step, pair, length=3)


def scan_of_nested(state):
    def step(state, w):
        (q, p), t = state
        p = p - w * jnp.sin(q)
        return ((q + p, p), t + 1), None

    return lax.scan(step, state, W)


def scan_of_dict(state):
    def step(state, w):
        return {"q": state["q"] + w * state["p"], "p": state["p"]}, state["q"]

    return lax.scan(step, state, W)


def scan_of_points(point):
    def step(point, _):
        momentum = point.momentum - jnp.sin(point.position)
        return Point(point.position + momentum, momentum), None

    return lax.scan(step, point, length=2)[0]


def scan_of_records(state):
    def step(state, _):
        return State(state.mean * 2, state.label), None

    return lax.scan(step, state, length=2)[0]


def scan_with_nothing(pair):
    def step(pair, _):
        return (pair[0] * 2, None), None

    return lax.scan(step, (pair[0], None), length=2)


def scan_that_swaps(state):
    """The second item is a pair because it becomes the first."""

    def step(state, _):
        one, other = state
        a, b = one
        return (other, (b, a + b)), None

    return lax.scan(step, state, length=3)[0]


def scan_of_stacked_pairs(pair):
    double = lax.cond(pair[0][0] > 0, lambda a, b: (a, b), lambda a, b: (b, a), *pair)
    return lax.scan(lambda total, item: (total + item[0] * item[1], total), 0.0, double)


def leapfrog(state):
    def body(_, state):
        q, p = state
        p = p - 0.1 * jnp.sin(q)
        return q + 0.1 * p, p

    return lax.fori_loop(0, 3, body, state)


def python_loop(pair):
    for w in W:
        a, b = pair
        pair = (b, a + w)
    return pair


def python_loop_that_nests(pair):
    for _ in range(2):
        pair = (pair, 1.0)
    return pair


def cond_of_pairs(pair):
    return lax.cond(pair[0][0] > 0, lambda a, b: (b + a, a), lambda a, b: (a, b * 2), *pair)


def cond_of_one_pair(pair):
    return lax.cond(pair[0][0] > 0, lambda p: (p[1], p[0]), lambda p: p, pair)


def switch_of_pairs(pair):
    return lax.switch(1, [lambda p: p, lambda p: (p[1], p[0])], pair)


def loop_in_branch(pair):
    def step(carry, _):
        a, b = carry
        return lax.cond(a[0] > 0, lambda: (b, a), lambda: (a + b, b)), None

    return lax.scan(step, pair, length=4)[0]


def starred_call(pair):
    return (lambda a, b: a - b)(*pair)


TAKEN_APART = [
    (scan_of_pair, PAIR),
    (scan_of_nested, (PAIR, jnp.zeros(()))),
    (scan_of_dict, {"q": X, "p": W}),
    (scan_of_points, Point(X, W)),
    (scan_of_records, State(X, "state")),
    (scan_with_nothing, PAIR),
    (scan_that_swaps, (PAIR, PAIR)),
    (scan_of_stacked_pairs, PAIR),
    (leapfrog, PAIR),
    (python_loop, PAIR),
    (cond_of_pairs, PAIR),
    (cond_of_one_pair, PAIR),
    (switch_of_pairs, PAIR),
    (loop_in_branch, PAIR),
]


def _same_value(function, *args):
    normal = normalise(read(function))
    check(normal)
    value, expected = evaluate(normal, args), function(*args)
    assert jax.tree.structure(value) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_allclose, value, expected)
    return normal


def _inner(block):
    for equation in block.equations:
        match equation:
            case Loop():
                yield equation
                yield from _inner(equation.body)
            case Branch():
                yield equation
                for inner in equation.blocks:
                    yield from _inner(inner)


def _results(equation):
    blocks = [equation.body] if isinstance(equation, Loop) else equation.blocks
    return [item for block in blocks for item in block.result.items]


@pytest.mark.parametrize(
    "function, argument", TAKEN_APART, ids=lambda f: getattr(f, "__name__", "")
)
def test_containers_are_carried_item_by_item(function, argument):
    normal = _same_value(function, argument)
    for equation in _inner(normal.body):
        assert not any(hasattr(item, "items") for item in _results(equation)), show(normal)


def test_a_loop_that_nests_stays():
    function = read(python_loop_that_nests)
    assert normalise(function) is function


def test_starred_arguments_are_shown():
    normal = _same_value(starred_call, PAIR)
    assert "*" not in show(normal)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[None],
        lambda x: x[..., None],
        lambda x: x[:, None, :],
        lambda x: x[None, ..., None],
        lambda x: x[0, None],
        lambda x: x[None, 0, :2],
        lambda x: x[..., None, 0],
        lambda x: x[..., 0, None],
        lambda x: x[1:, ..., None, :2],
        lambda x: x[:, None, 0, None],
        lambda x: x[...],
        lambda x: x[:, :],
        lambda x: x[None].at[0, ...].set(1.0),
        lambda x: lax.slice_in_dim(x, 1, 3),
        lambda x: lax.slice_in_dim(x, -3, None, axis=-1),
        lambda x: lax.slice_in_dim(x, 0, 3, 2, axis=-2),
        lambda x: lax.index_in_dim(x, 1, axis=1),
        lambda x: lax.index_in_dim(x, -1),
        lambda x: lax.index_in_dim(x, -2, 1, keepdims=False),
        lambda x: lax.slice(x, (0, 1), (2, 3)),
        lambda x: lax.slice(x, (0, 0), (3, 4), (2, 1)),
        lambda x: lax.dynamic_slice_in_dim(x, 0, 2, axis=1),
        lambda x: lax.dynamic_slice_in_dim(x, 2, 3),
    ],
)
def test_indices_mean_what_they_meant(function):
    _same_value(function, jnp.arange(12.0).reshape(3, 4))


def test_an_index_of_no_elements_is_a_call():
    assert "expand_dims" in show(normalise(read(lambda x: x[..., None])))
    assert show(normalise(read(lambda x: x[...]))).endswith("return x")


def test_arrays_of_numpy_stay():
    mask = np.array([True, False, True, False])

    def masked(x):
        return x[mask[None]] + x[~mask[None]]

    assert "expand_dims" not in show(normalise(read(masked)))
    _same_value(masked, X[None])


def _comprehension(x):
    return jnp.stack([jnp.cos(k * x[0]) for k in range(3)])


def _scan_of_parts(x):
    return lax.scan(lambda c, w: (c + w * jnp.split(x, 2)[0], None), jnp.zeros(2), x)[0]


def _traced_branch(x):
    return lax.cond(x[1] > 0, lambda: x[2:] * 2, lambda: x[:2] + 1)


def _branch_of_common_parts(x, flag=True):
    return jnp.sin(x[0]) if flag else jnp.cos(x[0])


@pytest.mark.parametrize(
    "function", [_comprehension, _scan_of_parts, _traced_branch, _branch_of_common_parts]
)
def test_bodies_read_parts_not_wholes(function):
    normal = _same_value(function, X)
    (x, *_) = (param.var for param in normal.params)
    for equation in _inner(normal.body):
        blocks = [equation.body] if isinstance(equation, Loop) else equation.blocks
        assert not any(x in free_vars(block) for block in blocks), show(normal)


def _may_be_empty(xs):
    total = 0.0
    for x in xs:
        total = total + x * xs[0]
    return total


def _may_fail(x, flag):
    return x[3] if flag else x[0]


def test_what_may_fail_stays_where_it_is():
    _same_value(_may_be_empty, [])
    _same_value(_may_fail, X[:1], False)


def test_nothing_changes_where_nothing_is_hidden():
    function = read(lambda x: jnp.exp(x[:2]) + x[2:])
    assert normalise(function) is function


def _long_program(count):
    lines = ["def long(pair):", "    a, b = pair"]
    for number in range(count // 5):
        lines.append(f"    a = a + {number} * jnp.sin(b[{number % 4}, None])")
        lines.append("    b = b[:] * 2")
    text = "\n".join([*lines, "    return a, b", ""])
    linecache.cache["<long>"] = (len(text), None, text.splitlines(keepends=True), "<long>")
    names = {"jnp": jnp}
    exec(compile(text, "<long>", "exec"), names)
    return read(names["long"])


def test_work_is_linear():
    short, long = _long_program(500), _long_program(2500)
    assert sum(isinstance(e, Apply) for e in long.body.equations) > 2000
    assert work(normalise, long) < 5.5 * work(normalise, short)


# ---- structures that facts know ------------------------------------------------------------------------


def _starred(x):
    first, *rest = x
    return (*rest, first * 2)


def _replaced(point):
    return point._replace(momentum=point.momentum * 2)


def _record_replaced(state):
    return dataclasses.replace(state, mean=state.mean * 3)


def _doubled(tree):
    return jax.tree.map(lambda leaf: leaf * 2, tree)


def _added(tree):
    return jax.tree.map(jnp.add, tree, _doubled(tree))


def _leaves(tree):
    return sum(jax.tree.leaves(tree))


def _as_dict(point):
    return point._asdict()


@pytest.mark.parametrize(
    "function, argument",
    [
        (_starred, (X, W, X)),
        (_starred, [X, W]),
        (_replaced, Point(X, W)),
        (_record_replaced, Record(X, W)),
        (_doubled, {"b": (X, None, [W]), "a": Point(X, W)}),
        (_added, {"b": (X, W), "a": W}),
        (_leaves, {"b": (X, W), "a": W}),
        (_as_dict, Point(X, W)),
    ],
)
def test_known_structures_are_shown(function, argument):
    normal = normalise(read(function))
    unknown = tuple(param.var for param in normal.params)
    facts = concrete_facts(normal, {unknown[0]: argument})
    shown, extended = show_structures(normal, facts, unknown)
    check(shown)
    assert not any(map(waits_for_structure, shown.body.equations)), show(shown)
    value, expected = evaluate(shown, (argument,)), function(argument)
    assert jax.tree.structure(value) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_allclose, value, expected)
    again = concrete_facts(shown, {unknown[0]: argument})
    for equation in shown.body.equations:
        assert extended.shape(equation.outs[0]) == again.shape(equation.outs[0])


def test_the_structure_of_what_is_known_does_not_matter():
    def shifted(x, shifts):
        return x + jax.tree.map(jnp.exp, shifts)[0]

    normal = normalise(read(shifted))
    x, shifts = (param.var for param in normal.params)
    facts = concrete_facts(normal, {x: X, shifts: (X, W)})
    assert show_structures(normal, facts, (x,)) == (normal, facts)
