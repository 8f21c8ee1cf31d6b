"""The checkers pass what is right, and fail what is off by 0.1 %, in every dtype that can tell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler import testing

PRECISE = [jnp.float32, jnp.complex64]
MATRIX = jnp.array([[2.0, 0.5, 0.0], [0.0, 1.5, 0.3], [0.2, 0.0, 1.0]])


def affine(x, scale, shift):
    return x * scale + shift


def affine_inverse(y, scale, shift, off=1.0):
    return (y - shift) / (scale * off)


def off_inverse(y, scale, shift):
    return affine_inverse(y, scale, shift, off=1.001)


def affine_ildj(y, scale, shift):
    return -jnp.sum(jnp.log(jnp.abs(scale)) * jnp.ones(y.shape))


ARGS = (jnp.array([0.3, -1.0, 2.0]), jnp.array([2.0, -0.5, 3.0]), jnp.float32(0.1))


@pytest.mark.parametrize("dtype", PRECISE)
def test_an_inverse_off_by_a_thousandth_fails(dtype):
    args = tuple(arg.astype(dtype) for arg in ARGS)
    assert testing.check_inverse(affine, *args, inverse=affine_inverse) < 1e-6
    with pytest.raises(AssertionError, match="the inverse of the output is not the input"):
        testing.check_inverse(affine, *args, inverse=off_inverse)


def test_a_wrong_structure_shape_or_dtype_fails():
    for wrong, message in [
        (lambda y, *_: (y,), "structure"),
        (
            lambda y, *_: affine_inverse(y, *ARGS[1:])[:, None],
            r"it is float(..)\[3,1\], not float\1\[3\]",
        ),
        (lambda y, *_: affine_inverse(y, *ARGS[1:]).astype(jnp.bfloat16), "it is bfloat16"),
    ]:
        with pytest.raises(AssertionError, match=message):
            testing.check_inverse(affine, *ARGS, inverse=wrong)


def test_nan_fails_and_integers_agree_exactly():
    with pytest.raises(AssertionError, match="inf"):
        testing.check_inverse(affine, *ARGS, inverse=lambda y, *_: y * jnp.nan)
    x = jnp.array([3, 200], jnp.uint8)
    assert testing.check_inverse(lambda x: x + 100, x, inverse=lambda y: y - 100) == 0.0
    with pytest.raises(AssertionError, match="uint8"):
        testing.check_inverse(lambda x: x + 100, x, inverse=lambda y: y - 101)


def test_several_arguments_are_recovered_as_a_tuple():
    def haar(a, k, b):
        return k * (a + b), k * (a - b)

    def inverse(y, k):
        return (y[0] + y[1]) / (2 * k), (y[0] - y[1]) / (2 * k)

    args = jnp.float32(3.0), jnp.float32(0.5), jnp.float32(1.0)
    assert testing.check_inverse(haar, *args, argnums=(0, -1), inverse=inverse) < 1e-6


def test_an_ildj_off_by_a_thousandth_fails():
    assert testing.check_ildj(affine, *ARGS, ildj=affine_ildj) < 1e-5
    with pytest.raises(AssertionError, match="dense Jacobian"):
        testing.check_ildj(affine, *ARGS, ildj=lambda *args: 1.001 * affine_ildj(*args))


def test_an_ildj_near_zero_is_compared_on_the_scale_of_one():
    rotation = jnp.array([[0.6, -0.8], [0.8, 0.6]])
    args = jnp.array([1.0, 2.0]), rotation
    testing.check_ildj(lambda x, w: w @ x, *args, ildj=lambda y, w: jnp.float32(1e-7))
    with pytest.raises(AssertionError):
        testing.check_ildj(lambda x, w: w @ x, *args, ildj=lambda y, w: jnp.float32(1e-3))


def test_an_ildj_of_independent_examples_has_their_shape():
    x = jnp.arange(12.0).reshape(2, 2, 3)
    slogdet = jnp.linalg.slogdet(MATRIX)[1]

    def ildj(y, scale):
        return -3 * jnp.log(scale) - slogdet * jnp.ones(y.shape[:2])

    def forward(x, scale):
        return (scale[..., None] * x @ MATRIX)[::-1]

    scale = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    testing.check_ildj(forward, x, scale, ildj=ildj, batch_ndims=2)
    with pytest.raises(AssertionError, match=r"float..\[2,2\]"):
        testing.check_ildj(forward, x, scale, ildj=lambda y, s: 1.001 * ildj(y, s), batch_ndims=2)


def test_complex_numbers_and_pytrees_count_in_reals():
    def forward(x):
        return {"b": 2j * x["a"], "c": 3 * x["b"]}

    def ildj(y):
        return -2 * 2 * jnp.log(2.0) - jnp.log(3.0)

    x = {"a": jnp.array([1 + 1j, 2 - 1j]), "b": jnp.float32(1.0)}
    testing.check_ildj(forward, x, ildj=ildj)


def test_differing_degrees_of_freedom_have_no_ildj():
    with pytest.raises(AssertionError, match="2 real elements go in and 4 come out"):
        testing.check_ildj(lambda x: (x, x), jnp.ones(2), ildj=lambda y: jnp.float32(0.0))


def test_a_gradient_off_by_a_thousandth_fails():
    assert testing.check_gradient(affine, *ARGS, inverse=affine_inverse) < 1e-5

    def wrong_only_in_scale(y, scale, shift):
        return affine_inverse(y, jax.lax.stop_gradient(scale), shift)

    for inverse in (off_inverse, wrong_only_in_scale):
        with pytest.raises(AssertionError, match="VJP of the round trip"):
            testing.check_gradient(affine, *ARGS, inverse=inverse)


def test_known_arguments_that_have_no_gradient_are_left_alone():
    def rolled(x, net, n):
        return net(jnp.roll(x, n))

    def inverse(y, net, n):
        return jnp.roll(y / 2, -n)

    testing.check_gradient(rolled, jnp.arange(3.0), lambda x: 2 * x, 1, inverse=inverse)


def test_a_vjp_off_by_a_thousandth_fails():
    def off_vjp(f, *primals):
        out, pullback = jax.vjp(f, *primals)
        return out, lambda out_bar: jax.tree.map(lambda bar: 1.001 * bar, pullback(out_bar))

    assert testing.check_vjp(affine, *ARGS, vjp=jax.vjp) == 0.0
    with pytest.raises(AssertionError, match=r"jax\.vjp"):
        testing.check_vjp(affine, *ARGS, vjp=off_vjp)


def test_tolerances_follow_the_dtype():
    sizes = [testing.tolerance(d) for d in (jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 0.001
    assert testing.tolerance(np.int32) == testing.tolerance(bool) == 0.0
