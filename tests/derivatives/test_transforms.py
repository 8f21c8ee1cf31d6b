"""Emitted derivatives are ordinary functions: under JAX's transforms, with aux, defaults, captures, and misuse."""

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.derivatives import grad, jvp, tangent, value_and_grad, vjp
from invcompiler.errors import InvcompilerError
from invcompiler.reconstructing import adjoint
from invcompiler.rules.adjoint_registry import adjoint_rule

pytestmark = pytest.mark.usefixtures("double_precision")

close = functools.partial(np.testing.assert_allclose, rtol=1e-9)
W = np.arange(9.0).reshape(3, 3) / 10
X = np.array([0.3, -0.5, 0.8])
XS = np.stack([X, 2 * X, X + 1])


def loss(w, x):
    return jnp.sum(jnp.tanh(w @ x) ** 2)


def test_jit():
    close(jax.jit(grad(loss))(W, X), jax.grad(loss)(W, X))


def test_vmap():
    close(jax.vmap(grad(loss, 1), (None, 0))(W, XS), jax.vmap(jax.grad(loss, 1), (None, 0))(W, XS))


def test_vmap_of_fwd_and_bwd():
    made = adjoint(loss, 1)
    out, residuals = jax.vmap(made.fwd, (None, 0))(W, XS)
    bars = jax.vmap(made.bwd)(residuals, jnp.ones(3))
    close(bars, jax.vmap(jax.grad(loss, 1), (None, 0))(W, XS))


def test_hessian_over_emitted():
    close(jax.jacfwd(grad(loss, 1), 1)(W, X), jax.hessian(loss, 1)(W, X))
    close(jax.jacrev(grad(loss, 1), 1)(W, X), jax.hessian(loss, 1)(W, X))


def test_forward_over_reverse_on_source():
    along = lambda g: lambda w, x: g(lambda x: jax.grad(loss, 1)(w, x), (x,), (X,))[1]
    found = jvp(lambda x: grad(loss, 1)(W, x), (X,), (X,))[1]
    close(found, along(jax.jvp)(W, X))


def test_reverse_over_forward_on_source():
    directional = lambda x: jvp(lambda v: loss(W, v), (x,), (X,))[1]
    plain = lambda x: jax.jvp(lambda v: loss(W, v), (x,), (X,))[1]
    close(jax.grad(directional)(X), jax.grad(plain)(X))


def test_inside_scan_and_checkpoint():
    descend = lambda g: (
        lambda x: jax.lax.scan(lambda c, _: (c - 0.1 * g(W, c), None), x, None, 3)[0]
    )
    close(descend(grad(loss, 1))(X), descend(jax.grad(loss, 1))(X))
    remat = jax.checkpoint(lambda x: loss(W, x))
    close(grad(lambda x: remat(x) * 2)(X), 2 * jax.grad(loss, 1)(W, X))


def test_residuals_through_jit():
    made = adjoint(loss, (0, 1))
    out, residuals = jax.jit(made.fwd)(W, X)
    found = jax.jit(made.bwd)(residuals, 1.0)
    jax.tree.map(close, found, jax.grad(loss, (0, 1))(W, X))


def test_gradient_into_captures():
    outer = lambda w: grad(lambda x: jnp.sum((w @ x) ** 2))(X).sum()
    plain = lambda w: jax.grad(lambda x: jnp.sum((w @ x) ** 2))(X).sum()
    close(jax.grad(outer)(W), jax.grad(plain)(W))


class Holder:
    scale = 2.0


def test_captures_are_read_anew():
    holder = Holder()
    f = lambda x: x**2 * holder.scale
    made = grad(f)
    close(made(3.0), 12.0)
    holder.scale = 5.0
    close(made(3.0), 30.0)


def with_aux(x, scale=2.0, *, shift=1.0):
    y = jnp.sum(x * scale + shift)
    return y**2, {"y": y}


def test_aux_defaults_and_keywords():
    found = value_and_grad(with_aux, has_aux=True)(X, shift=3.0)
    expected = jax.value_and_grad(with_aux, has_aux=True)(X, shift=3.0)
    jax.tree.map(close, found, expected)
    jax.tree.map(close, grad(with_aux, has_aux=True)(X), jax.grad(with_aux, has_aux=True)(X))
    out, pullback, aux = vjp(with_aux, X, has_aux=True)
    close(pullback(1.0)[0], jax.grad(with_aux, has_aux=True)(X)[0])
    close(aux["y"], with_aux(X)[1]["y"])


def test_pullback_is_linear():
    _, pullback = vjp(lambda x: jnp.sin(x) * 2, X)
    close(pullback(jnp.asarray(X))[0] * 3, pullback(3 * jnp.asarray(X))[0])


def test_pickling():
    made = pickle.loads(pickle.dumps(grad(loss)))
    close(made(W, X), jax.grad(loss)(W, X))


def test_shapes_and_dtypes_get_code_of_their_own():
    made = grad(lambda x, b: jnp.sum(x * b))
    close(made(XS, X), jnp.broadcast_to(X, (3, 3)))
    close(made(XS, 2.0), np.full((3, 3), 2.0))
    assert made(X.astype(np.float32), X.astype(np.float32)).dtype == np.float32


def test_zero_size():
    close(grad(lambda x: jnp.sum(x**2))(jnp.zeros((0, 3))), np.zeros((0, 3)))


def test_source_before_and_after_a_call():
    made = adjoint(loss)
    generic = made.source
    assert "def loss_fwd" in generic and "def loss_bwd" in generic
    made.fwd(W, X)
    assert "def loss_bwd" in made.source and made.source != generic


def test_sources_of_the_others():
    assert "def loss_grad" in grad(loss).source
    assert "def loss_jvp" in tangent(loss, (0, 1)).source


def test_gradients_inside_are_source_too():
    def trained(w, x):
        for _ in range(2):
            w = w - 0.1 * grad(loss)(w, x)
        return loss(w, x)

    def expected(w, x):
        for _ in range(2):
            w = w - 0.1 * jax.grad(loss)(w, x)
        return loss(w, x)

    made = grad(trained)
    close(made(W, X), jax.grad(expected)(W, X))
    assert "def loss_grad_bwd" in made.source and "invcompiler" not in made.source


def test_misuse():
    with pytest.raises(TypeError, match="scalar"):
        grad(lambda x: x)(X)
    with pytest.raises(TypeError, match="real"):
        grad(lambda x: 1j * x)(1.0)
    with pytest.raises(TypeError):
        grad(lambda n: n * 2.0)(3)
    with pytest.raises(TypeError, match="function"):
        grad(3)
    with pytest.raises(ValueError, match="out of range"):
        grad(loss, 2)
    with pytest.raises(TypeError, match="argnums"):
        adjoint(loss, "x")
    with pytest.raises(ValueError, match="twice"):
        grad(loss, (0, 0))
    with pytest.raises(ValueError, match="residuals"):
        adjoint(loss, residuals="all")
    with pytest.raises(TypeError, match="residuals"):
        adjoint(loss).bwd((W, X), 1.0)
    with pytest.raises(ValueError, match="shape"):
        jvp(loss, (W, X), (W, XS))
    with pytest.raises(TypeError, match="float32"):
        jvp(loss, (W, X), (W, X.astype(np.float32)))
    for bar in (1.0, XS, X.astype(np.float32), (X,)):
        with pytest.raises(ValueError, match="cotangent"):
            vjp(jnp.sin, X)[1](bar)
    with pytest.raises(TypeError, match="holomorphic"):
        grad(loss, holomorphic=True)(W, X)


def test_complex_numbers():
    z = X + 1j * X[::-1]
    energy = lambda z: jnp.sum(jnp.abs(z) ** 2)
    close(grad(energy)(z), jax.grad(energy)(z))
    f = lambda z: jnp.sum(jnp.sin(z))
    close(grad(f, holomorphic=True)(z), jax.grad(f, holomorphic=True)(z))


def test_integers_beside_floats():
    n = np.arange(3)
    assert grad(lambda x: jnp.sum(n * x))(X).dtype == np.float64
    assert grad(lambda x: x * n[1])(1.5).dtype == np.float64


def test_pullback_is_a_pytree():
    pull = jax.jit(lambda x: vjp(jnp.sin, x))(X)[1]
    close(jax.jit(lambda p, bar: p(bar))(pull, X)[0], X * np.cos(X))
    out, out_dot, aux = jvp(lambda x: (x**2, x + 1), (X,), (X,), has_aux=True)
    close(out_dot, 2 * X * X)
    close(aux, X + 1)


twofold = jax.custom_jvp(lambda x: 2 * x)
twofold.defjvps(lambda x_dot, y, x: 3 * x_dot)


def with_defaults(x, f=twofold, *, w=W):
    return jnp.sum(w @ f(x))


def test_defaults_that_no_text_can_name():
    close(grad(with_defaults)(X), 3 * np.sum(W, 0))
    part = functools.partial(with_defaults, f=twofold)
    close(grad(lambda x: jnp.sum(grad(part)(x) * x))(X), 3 * np.sum(W, 0))
    close(vjp(jnp.linalg.norm, X)[1](1.0)[0], X / np.linalg.norm(X))


def recursive(x):
    def power(n):
        return x if n == 0 else power(n - 1) * x

    return power(3)


def generated_rows(x):
    def rows():
        for row in x:
            yield row * 2

    total = 0.0
    for row in rows():
        total = total + row**2
    return total


def counted(x):
    k = 0
    while k < 3:
        x = jnp.sin(x) * (k + 1)
        k += 1
    return x


def with_a_rule_inside(x):
    @jax.custom_jvp
    def square(z):
        return z**2

    @square.defjvp
    def square_jvp(primals, tangents):
        return square(primals[0]), 5 * primals[0] * tangents[0]

    return square(x) * x


@pytest.mark.parametrize("f", [recursive, generated_rows, counted, with_a_rule_inside])
def test_what_no_pass_takes_apart(f):
    close(vjp(f, X)[1](f(X))[0], jax.vjp(f, X)[1](f(X))[0])
    close(jvp(f, (X,), (X,))[1], jax.jvp(f, (X,), (X,))[1])


def foreign(x, power):
    return jax.pure_callback(lambda v: np.asarray(v) ** power, x, x, vmap_method="sequential")


@adjoint_rule(foreign, "x")
def foreign_x_bar(y_bar, x, power):
    return y_bar * power * x ** (power - 1)


def test_adjoint_rule():
    made = grad(lambda x: jnp.sum(foreign(x, 3) * 2))
    close(made(X), 6 * X**2)
    assert "jax.vjp" not in made.source
    with pytest.raises(ValueError, match="already"):
        adjoint_rule(foreign, "x")(lambda y_bar: y_bar)
    with pytest.raises(ValueError, match="not a parameter"):
        adjoint_rule(foreign, "z")


def test_run_time_length_is_an_error():
    with pytest.raises(InvcompilerError):
        grad(lambda x, n: jax.lax.fori_loop(0, n, lambda i, c: c * x, x))(2.0, jnp.asarray(3))
