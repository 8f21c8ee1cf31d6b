"""Functions that cannot be differentiated get their derivatives from their inverses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.implicit import implicit_inverse
from invcompiler.independent_axes import independent_axes

pytestmark = pytest.mark.usefixtures("double_precision")

MIX = np.array([[2.0, 0.5, 0.0], [0.3, 1.5, 0.2], [0.0, 0.4, 1.8]])
X = np.array([0.3, -0.7, 1.2])


def cubic(y):
    return y**3 + y


def mixed(y):
    return jnp.sinh(MIX @ y)


def on_the_host(f):
    """Return a NumPy function behind a callback, which JAX cannot differentiate."""

    def call(x):
        out = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(f, out, x, vmap_method="sequential")

    return call


def solve_cubic(x):
    y = np.zeros_like(x)
    for _ in range(60):
        y = y - (y**3 + y - x) / (3 * y**2 + 1)
    return y


solve_mixed = on_the_host(lambda x: np.linalg.solve(MIX, np.arcsinh(x)))
solve_mixed_jax = lambda x: jnp.linalg.solve(MIX, jnp.arcsinh(x))


def test_axes_that_do_not_mix_are_seen():
    x, rows = jnp.asarray(X), jnp.ones((5, 4, 3))
    assert independent_axes(cubic, x) == 1
    assert independent_axes(mixed, x) == 0
    assert independent_axes(lambda y: y * jnp.sum(y), x) == 0
    assert independent_axes(lambda y: y[::-1], x) == 0
    assert independent_axes(jax.vmap(lambda y: jax.nn.softplus(y) + y), x) == 1
    assert independent_axes(lambda y: jax.lax.fori_loop(0, 3, lambda i, c: c * y, y), x) == 1
    assert independent_axes(lambda y: jax.lax.while_loop(lambda c: c[0] < 1, jnp.exp, y), x) == 0
    assert independent_axes(lambda y: jnp.sinh(y @ MIX.T), rows) == 2
    assert independent_axes(lambda y: jax.nn.softmax(y, 1) * 2, rows) == 1
    assert independent_axes(lambda y: y - jnp.mean(y, 0), rows) == 0
    assert independent_axes(lambda y: y.swapaxes(0, 1).reshape(5, 4, 3), rows) == 0


def test_batch_without_a_matrix_of_the_batch():
    xs = np.stack([X, 2 * X, X + 1, -X])
    solve = lambda x: jnp.linalg.solve(MIX, jnp.arcsinh(x)[..., None])[..., 0]
    g = implicit_inverse(
        lambda x: jax.lax.stop_gradient(solve(x)), forward=lambda y: jnp.sinh(y @ MIX.T)
    )
    bar = np.arange(12.0).reshape(4, 3)
    np.testing.assert_allclose(jax.vjp(g, xs)[1](bar)[0], jax.vjp(solve, xs)[1](bar)[0], rtol=1e-9)
    assert "12,12" not in str(jax.make_jaxpr(lambda x: jax.vjp(g, x)[1](bar))(xs))


def test_keywords_and_static_arguments():
    g = implicit_inverse(
        lambda x, kind, scale=1.0: jax.lax.stop_gradient(jnp.cbrt(x) / scale),
        forward=lambda y, kind, scale=1.0: (y * scale) ** 3,
    )
    expected = jax.grad(lambda s: jnp.sum(jnp.cbrt(X + 2) / s))(3.0)
    found = jax.grad(lambda s: jnp.sum(g(jnp.asarray(X + 2), "cube", scale=s)))(3.0)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_elementwise():
    g = implicit_inverse(on_the_host(solve_cubic), forward=cubic)
    y = g(X)
    slope = 1 / (3 * y**2 + 1)
    np.testing.assert_allclose(jax.vjp(g, X)[1](jnp.asarray(X))[0], X * slope, rtol=1e-9)
    np.testing.assert_allclose(jax.jvp(g, (X,), (X,))[1], X * slope, rtol=1e-9)
    text = str(jax.make_jaxpr(jax.grad(lambda x: jnp.sum(g(x))))(X))
    assert "lu" not in text and "triangular" not in text


def test_second_order_of_elementwise():
    g = implicit_inverse(on_the_host(solve_cubic), forward=cubic)
    y = solve_cubic(np.array(0.7))
    expected = -6 * y / (3 * y**2 + 1) ** 3
    np.testing.assert_allclose(jax.grad(jax.grad(g))(jnp.asarray(0.7)), expected, rtol=1e-8)


@pytest.mark.parametrize("mode", [jax.jacrev, jax.jacfwd])
def test_matrix(mode):
    g = implicit_inverse(solve_mixed, forward=mixed)
    np.testing.assert_allclose(mode(g)(X), mode(solve_mixed_jax)(X), rtol=1e-9)


def test_second_order_of_matrix():
    g = implicit_inverse(solve_mixed, forward=mixed)
    loss = lambda h: lambda x: jnp.sum(jnp.sin(h(x)) * X)
    np.testing.assert_allclose(
        jax.hessian(loss(g))(X), jax.hessian(loss(solve_mixed_jax))(X), rtol=1e-8, atol=1e-10
    )


def test_jacobian_as_array_with_batch():
    stack = np.stack([MIX, MIX.T, MIX + np.eye(3)])
    xs = np.stack([X, 2 * X, X + 1])
    solve = lambda x: jnp.linalg.solve(stack, x[..., None])[..., 0]
    g = implicit_inverse(lambda x: jax.lax.stop_gradient(solve(x)), forward_jacobian=stack)
    bar = np.arange(9.0).reshape(3, 3)
    found, expected = jax.vjp(g, xs)[1](bar), jax.vjp(solve, xs)[1](bar)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-9)


def test_jacobian_as_function():
    jacobian = lambda y: jnp.cosh(MIX @ y)[:, None] * MIX
    g = implicit_inverse(solve_mixed, forward_jacobian=jacobian)
    np.testing.assert_allclose(jax.jacrev(g)(X), jax.jacrev(solve_mixed_jax)(X), rtol=1e-9)


def test_further_arguments():
    forward = lambda y, a: a * y**3 + y
    solve = on_the_host(solve_cubic)
    g = implicit_inverse(lambda x, a: solve(x) + 0 * a, forward=forward)
    _, y_bar = jax.grad(lambda x, a: jnp.sum(g(x, a)), (0, 1))(jnp.asarray(X), 1.0)
    y = solve_cubic(X)
    np.testing.assert_allclose(y_bar, np.sum(-(y**3) / (3 * y**2 + 1)), rtol=1e-9)


def test_misuse():
    with pytest.raises(TypeError, match="exactly one"):
        implicit_inverse(cubic)
    with pytest.raises(TypeError, match="exactly one"):
        implicit_inverse(cubic, forward=cubic, forward_jacobian=MIX)
    with pytest.raises(TypeError, match="expected a function"):
        implicit_inverse(3, forward=cubic)


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_derivatives_with_respect_to_what_is_closed_over(transform):
    x = jnp.array([0.3, -1.0, 2.0])

    def unrolled(t, x):
        y = x
        for _ in range(60):
            y = y - (t * y + jnp.sinh(y) - x) / (t + jnp.cosh(y))
        return y

    def implicit(t, x):
        forward = lambda y: t * y + jnp.sinh(y)
        return implicit_inverse(lambda v: unrolled(t, v), forward=forward)(x)

    loss = lambda solve: lambda t, x: jnp.sum(jnp.sin(solve(t, x)))
    for derivative in (lambda f: jax.grad(f, (0, 1)), lambda f: jax.hessian(f, (0, 1))):
        found = transform(derivative(loss(implicit)))(1.5, x)
        expected = derivative(loss(unrolled))(1.5, x)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-9, 1e-11), found, expected)
