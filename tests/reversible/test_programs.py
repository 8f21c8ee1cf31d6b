"""Gradients through a reversible function are those of the function, for all of its arguments and for whatever it captures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
from tests.reversible.programs import PROGRAMS

pytestmark = pytest.mark.usefixtures("double_precision")


def weighted(f):
    """A real number that every element of the value of `f` has a part in."""

    def loss(*args):
        leaves = jax.tree.leaves(f(*args))
        return sum(jnp.sum(jnp.sin(x) * (1 + jnp.arange(x.size).reshape(x.shape))) for x in leaves)

    return loss


def differentiable(args):
    """The numbers of the arguments that hold real numbers."""
    floats = lambda x: jnp.issubdtype(jnp.result_type(x), jnp.floating)
    return tuple(n for n, arg in enumerate(args) if any(map(floats, jax.tree.leaves(arg))))


def assert_close(found, expected, limit=1e-9):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=limit, atol=limit)


def gradients(f, program):
    """The gradients of `f` by the arguments of a program that have one; the others are as they are."""
    numbers = differentiable(program.args)

    def of_those(*given):
        args = list(program.args)
        for number, value in zip(numbers, given):
            args[number] = value
        return weighted(f)(*args)

    given = [program.args[number] for number in numbers]
    return jax.jit(jax.grad(of_those, tuple(range(len(given)))))(*given)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_gradients(program):
    reversible = inv.reversible(program.f, program.argnums)
    assert_close(gradients(reversible, program), gradients(program.f, program))


STORED = ["loop_over_layers", "scan_over_layers", "fori_over_layers", "scanned_revnet", "glow"]
STORED += ["loop_in_a_loop", "scan_in_a_scan", "dict_state"]


@pytest.mark.parametrize("name", STORED)
def test_every_second_state_kept(name):
    (program,) = [p for p in PROGRAMS if p.name == name]
    reversible = inv.reversible(program.f, program.argnums, store_every=2)
    assert_close(gradients(reversible, program), gradients(program.f, program))
    assert "kept" in reversible.source


RECONSTRUCTED = [
    "affine_coupling",
    "scan_over_layers",
    "glow",
    "revnet",
    "leapfrog",
    "invertible_rnn",
    "dict_state",
    "record_in_a_python_loop",
    "updated_dict",
    "scanned_updates_of_a_dict",
    "calls_that_update_a_dict",
    "replaced_fields",
]


@pytest.mark.parametrize("name", RECONSTRUCTED)
def test_adjoint_that_reconstructs(name):
    (program,) = [p for p in PROGRAMS if p.name == name]
    numbers = differentiable(program.args)
    adjoint = inv.adjoint(program.f, numbers, residuals="reconstruct")
    out, residuals = adjoint.fwd(*program.args)
    bar = jax.tree.map(jnp.cos, out)
    given = [program.args[n] for n in numbers]
    expected = jax.vjp(lambda *args: program.f(*args), *given)[1](bar)
    assert_close(adjoint.bwd(residuals, bar), expected)
    known = [a for n, a in enumerate(program.args) if n not in np.atleast_1d(program.argnums)]
    assert bytes_of(residuals) <= bytes_of((out, known))


def bytes_of(tree):
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
