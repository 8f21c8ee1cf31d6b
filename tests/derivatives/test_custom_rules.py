"""JAX's tutorial on custom derivative rules, through `inv`: the numbers are the tutorial's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from invcompiler.derivatives import grad, jvp, value_and_grad, vjp

close = functools.partial(np.testing.assert_allclose, rtol=1e-5)


@jax.custom_jvp
def log1pexp(x):
    return jnp.log(1.0 + jnp.exp(x))


@log1pexp.defjvp
def log1pexp_jvp(primals, tangents):
    (x,), (x_dot,) = primals, tangents
    return log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * x_dot


def test_numerical_stability():
    close(grad(log1pexp)(3.0), 0.95257413)
    close(grad(log1pexp)(100.0), 1.0)
    close(jax.jit(grad(log1pexp))(100.0), 1.0)
    close(jax.vmap(grad(log1pexp))(jnp.arange(3.0)), [0.5, 0.7310586, 0.8807971])


def test_inside_another_function():
    f = lambda x: log1pexp(2 * x)
    close(grad(f)(50.0), 2.0)
    close(grad(grad(log1pexp))(3.0), jax.grad(jax.grad(log1pexp))(3.0))
    close(jvp(f, (50.0,), (1.0,))[1], 2.0)


@jax.custom_jvp
def ratio(x):
    return x / (1 + jnp.sqrt(x))


@ratio.defjvp
def ratio_jvp(primals, tangents):
    (x,), (x_dot,) = primals, tangents
    return ratio(x), ((jnp.sqrt(x) + 2) / (2 * (jnp.sqrt(x) + 1) ** 2)) * x_dot


def test_convention_at_zero():
    close(grad(ratio)(0.0), 1.0)
    close(grad(lambda x: 3 * ratio(x))(0.0), 3.0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def clip_gradient(lo, hi, x):
    return x


clip_gradient.defvjp(lambda lo, hi, x: (x, None), lambda lo, hi, _, g: (jnp.clip(g, lo, hi),))


def test_gradient_clipping():
    def clip_sin(x):
        x = clip_gradient(-0.75, 0.75, x)
        return jnp.sin(x)

    close(jax.vmap(grad(clip_sin))(jnp.array([0.0, 1.0])), [0.75, 0.5403023])


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def fixed_point(f, a, x_guess):
    def cond_fun(carry):
        x_prev, x = carry
        return jnp.abs(x_prev - x) > 1e-6

    def body_fun(carry):
        _, x = carry
        return x, f(a, x)

    _, x_star = lax.while_loop(cond_fun, body_fun, (x_guess, f(a, x_guess)))
    return x_star


def fixed_point_fwd(f, a, x_init):
    x_star = fixed_point(f, a, x_init)
    return x_star, (a, x_star)


def fixed_point_rev(f, res, x_star_bar):
    a, x_star = res
    _, vjp_a = jax.vjp(lambda a: f(a, x_star), a)
    (a_bar,) = vjp_a(
        fixed_point(functools.partial(rev_iter, f), (a, x_star, x_star_bar), x_star_bar)
    )
    return a_bar, jnp.zeros_like(x_star)


def rev_iter(f, packed, u):
    a, x_star, x_star_bar = packed
    _, vjp_x = jax.vjp(lambda x: f(a, x), x_star)
    return x_star_bar + vjp_x(u)[0]


fixed_point.defvjp(fixed_point_fwd, fixed_point_rev)


def newton_sqrt(a):
    update = lambda a, x: 0.5 * (x + a / x)
    return fixed_point(update, a, a)


def test_implicit_differentiation():
    close(newton_sqrt(2.0), 1.4142135)
    close(grad(newton_sqrt)(2.0), 0.35355338)
    close(grad(grad(newton_sqrt))(2.0), -0.088388346, rtol=1e-4)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def app(f, x):
    return f(x)


@app.defjvp
def app_jvp(f, primals, tangents):
    (x,), (x_dot,) = primals, tangents
    return f(x), 2.0 * x_dot


def test_app():
    close(app(lambda x: x**3, 3.0), 27.0)
    close(grad(app, 1)(lambda x: x**3, 3.0), 2.0)
    close(grad(lambda x: app(lambda v: v**3, x))(3.0), 2.0)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 2))
def app2(f, x, g):
    return f(g(x))


@app2.defjvp
def app2_jvp(f, g, primals, tangents):
    (x,), (x_dot,) = primals, tangents
    return f(g(x)), 3.0 * x_dot


def test_app2():
    f, g = lambda x: x**3, lambda y: 5 * y
    close(app2(f, 3.0, g), 3375.0)
    close(grad(app2, 1)(f, 3.0, g), 3.0)


@jax.custom_jvp
def first_of_two(x, y):
    return jnp.sin(x) * y


first_of_two.defjvps(lambda x_dot, primal_out, x, y: jnp.cos(x) * x_dot * y, None)


def test_defjvps_with_none():
    close(grad(first_of_two)(2.0, 3.0), 3 * np.cos(2.0))
    close(grad(first_of_two, 1)(2.0, 3.0), 0.0)
    close(grad(lambda x, y: first_of_two(x, y) * y, 1)(2.0, 3.0), np.sin(2.0) * 3)


@jax.custom_vjp
def of_pytrees(point):
    return point["x"] ** 2 + point["y"]


of_pytrees.defvjp(lambda p: (of_pytrees(p), p["x"]), lambda x, g: ({"x": 7 * g * x, "y": 2 * g},))


def test_pytrees():
    found = grad(of_pytrees)({"x": 2.0, "y": 1.0})
    close(found["x"], 14.0)
    close(found["y"], 2.0)
    value, bars = value_and_grad(lambda p: 3 * of_pytrees(p))({"x": 2.0, "y": 1.0})
    close(value, 15.0)
    close(bars["x"], 42.0)


def test_vjp_of_a_custom_function():
    out, pullback = vjp(of_pytrees, {"x": 2.0, "y": 1.0})
    close(out, 5.0)
    close(pullback(1.0)[0]["x"], 14.0)


def test_python_control_flow_on_values():
    def f(x):
        while x < 10:
            x = x * x + 1
        return x if x > 50 else -x

    close(grad(f)(2.0), jax.grad(f)(2.0))
    close(grad(f)(3.0), jax.grad(f)(3.0))
    out, pullback = vjp(f, 2.0)
    close(out, f(2.0))
    close(pullback(1.0)[0], jax.grad(f)(2.0))


def test_while_loop_is_refused_in_reverse():
    from invcompiler.errors import UnsupportedSyntaxError

    def f(x):
        return lax.while_loop(lambda c: c < 10, lambda c: c * 2, x)

    with pytest.raises(UnsupportedSyntaxError, match="fori_loop"):
        grad(f)(1.0)
    close(jvp(f, (1.0,), (1.0,))[1], 16.0)


def test_fori_loop_of_run_time_length_is_refused_in_reverse():
    from invcompiler.errors import UnsupportedSyntaxError

    def f(x, n):
        return lax.fori_loop(0, n, lambda i, c: c * x, 1.0)

    with pytest.raises(UnsupportedSyntaxError, match="run time"):
        grad(f)(2.0, jnp.asarray(3))
    close(grad(f)(2.0, 3), 12.0)
