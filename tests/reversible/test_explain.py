"""`inv.explain` says of each value how the way back has it, in how many bytes and operations, and warns of what loses digits."""

import re

import jax
import jax.numpy as jnp
import pytest

import invcompiler as inv
from tests.reversible.test_programs import bytes_of


def coupling_stack(params, x):
    def layer(x, w):
        a, b = jnp.split(x, 2, axis=-1)
        h = jnp.tanh(a @ w)
        return jnp.concatenate([b * jnp.exp(h) + h, a], axis=-1), None

    return jax.lax.scan(layer, x, params)[0]


STACK = (jnp.ones((5, 2, 2)), jnp.ones((3, 4)))


def row(report, name):
    """The words of the row of a value."""
    (found,) = [line for line in report.splitlines() if re.match(rf"  {name}  ", line)]
    return found


def test_each_way_with_its_cost():
    adjoint = inv.adjoint(coupling_stack, (0, 1))
    report = inv.explain(adjoint, example=STACK)
    assert re.search(r"h +kept +24 bytes +line 16: h = jnp.tanh", row(report, "h"))
    assert re.search(r"a +undone +24 bytes +0 operations +line 15", row(report, "a"))
    assert "in each of the 5 steps" in report
    _, residuals = adjoint.fwd(*STACK)
    assert f"hands over {bytes_of(residuals):,} bytes" in report
    assert inv.explain(adjoint) == report


@pytest.mark.parametrize("residuals", ["save", "reconstruct"])
def test_bytes_are_those_that_are_handed_over(residuals):
    adjoint = inv.adjoint(coupling_stack, (0, 1), residuals=residuals)
    report = inv.explain(adjoint, example=STACK)
    _, kept = adjoint.fwd(*STACK)
    assert f"hands over {bytes_of(kept):,} bytes" in report
    way = {"save": r"kept +24 bytes", "reconstruct": r"undone +24 bytes"}[residuals]
    assert re.search(way, row(report, "a"))


def elementwise(x, w):
    c = x - jnp.mean(x, axis=-1, keepdims=True)
    p = c * w
    return p**3 * jnp.tanh(c)


def test_what_is_computed_again_is_counted():
    report = inv.explain(inv.adjoint(elementwise, (0, 1)), example=(jnp.ones((8, 4)), jnp.ones(4)))
    assert re.search(r"tanh +kept +128 bytes", row(report, "tanh"))
    assert re.search(r"p +computed again +128 bytes +32 operations +line 54", row(report, "p"))


def test_shapes_will_do_and_are_not_needed():
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), STACK)
    adjoint = inv.adjoint(coupling_stack, (0, 1))
    assert inv.explain(adjoint, example=shapes) == inv.explain(adjoint, example=STACK)
    assert re.search(r"v +undone +line", inv.explain(inv.reversible(damped, (1, 2))))
    with pytest.raises(inv.ShapeError):
        inv.explain(inv.reversible(coupling_stack, 1))


def damped(weights, x, v):
    for w in weights:
        v = 0.9 * v + jnp.tanh(x @ w)
        x = x + v
    return x, v


def test_warnings():
    weights, x = [jnp.ones((4, 4))] * 3, jnp.ones((2, 4))
    report = inv.explain(inv.reversible(damped, (1, 2)), example=(weights, x, x))
    assert "the factor 0.9 is below one" in report and "at each step" in report
    assert "exp(h)` may be below one" in inv.explain(
        inv.reversible(coupling_stack, 1), example=STACK
    )
    narrow = jax.tree.map(lambda x: x.astype(jnp.bfloat16), STACK)
    report = inv.explain(inv.reversible(coupling_stack, 1), example=narrow)
    assert "undone in bfloat16" in report
    safe = inv.explain(inv.reversible(lambda x, w: x[::-1] + jnp.tanh(w)), example=(x, x))
    assert "warning" not in safe


def test_what_must_be_kept_is_shown():
    def mixed(weights, x):
        for w in weights:
            x = jax.nn.relu(x @ w)
        return x

    weights, x = [jnp.ones((4, 4))] * 3, jnp.ones((2, 4))
    reversible = inv.reversible(mixed, 1)
    reversible(weights, x)
    assert re.search(r"x +kept +32 bytes", inv.explain(reversible))
    with pytest.raises(inv.InversionError):
        inv.explain(inv.adjoint(mixed, 1, residuals="reconstruct"), example=(weights, x))
