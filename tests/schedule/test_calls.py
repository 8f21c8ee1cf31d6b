"""Calls of other functions are inverted by calls of their inverses, however the functions come about."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import invcompiler as inv

X = jnp.array([0.3, -1.2, 0.7])
W = jnp.array([0.5, 1.5, -0.3])
ROWS = jnp.arange(6.0).reshape(2, 3) / 3 - 0.7
SWAPPED = jnp.array([2, 0, 1])


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["weight", "bias"], meta_fields=["kind"]
)
@dataclasses.dataclass
class Layer:
    weight: jax.Array
    bias: jax.Array
    kind: str = "affine"

    def __call__(self, x):
        if self.kind == "affine":
            return x * jnp.exp(self.weight) + self.bias
        return jnp.sinh(x)

    def forward(self, x):
        return self(x) + 1


LAYER = Layer(W, X)


def coupling(state, s):
    a, b = state
    return a, b * jnp.exp(s) + a


def scaled(net, x):
    return x * jnp.exp(net(W))


def twice(f, x):
    return f(f(x))


def composed(functions, x):
    for f in functions:
        x = f(x)
    return x


def row(r, w, c=1.0):
    return jnp.cumsum(r) * jnp.exp(w) + c


def layer_with_log_det(x, w):
    return x * jnp.exp(w), jnp.sum(w)


def positive(x):
    return jnp.exp(x) + 1


def even(x, n):
    if n == 0:
        return x
    return odd(jnp.sinh(x), n - 1)


def odd(x, n):
    if n == 0:
        return x + 1
    return even(2 * x, n - 1)


def through(x, layers):
    if len(layers) == 0:
        return x
    return through(jnp.sinh(x) * layers[0], layers[1:])


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@logged
def wrapped(x, w, *, c=2.0):
    return x * jnp.exp(w) + c


@inv.invertible
def decorated(x):
    return jnp.sinh(x) + 1


GENERATED = inv.inverse(decorated)


def added(a, b):
    return 2 * a + b


# ---- programs -----------------------------------------------------------------------------------


def argument_known_in_part(x, w):
    return coupling((w, x), w)[1]


def containers_of_unknowns(pair, w):
    a, b = pair
    a, b = coupling((a, b), w)
    return a, b


def lambda_of_knowns(x, w):
    return scaled(lambda v: v * w, x)


def lambda_on_the_way(x, w):
    return twice(lambda v: v * jnp.exp(w) + 1, x)


def list_of_functions(x):
    return composed([jnp.sinh, lambda v: 2 * v, jnp.arctan], x)


def functions_as_argument(x, functions):
    return composed(functions, x)


def nested_functions(x, w):
    def outer(v):
        def inner(u):
            return u * jnp.exp(w) + two

        two = 2.0
        return inner(v) + w

    return outer(x)


def unknown_in_a_closure(x, w):
    def times(v):
        return jnp.exp(x) * v

    return times(jnp.exp(w))


def default_of_a_local_function(x, w):
    def inner(v, by=w):
        return v * jnp.exp(by)

    return inner(x)


def capture_of_a_local_function(x):
    def inner(v):
        return v[SWAPPED] * 2

    return inner(x)


def layer_as_argument(x, layer):
    return layer(x)


def method_of_an_argument(x, layer):
    return layer.forward(x) * 2


def layers_of_a_list(x, layers):
    return layers[1](layers[0](x))


def layers_in_a_loop(x, layers):
    for layer in layers:
        x = layer(x)
    return x


def captured_layer(x):
    return LAYER.forward(LAYER(x))


def decorated_function(x):
    return decorated(2 * x)


def generated_function(x):
    return GENERATED(jnp.exp(x) + 9)


def mapped_over_axis_one(x, w):
    return jax.vmap(row, in_axes=(1, 0), out_axes=1)(x, w)


def mapped_lambda(x, w):
    return jax.vmap(lambda r: r * jnp.exp(w[:3]))(x)


def mapped_twice(x, w):
    return jax.vmap(jax.vmap(lambda r: jnp.sinh(r) * 2))(x) + w


def mapped_partial(x, w):
    return jax.vmap(functools.partial(row, w=w[0]))(x)


def mapped_pairs(pair):
    return jax.vmap(lambda ab: (ab[0], ab[1] * jnp.exp(ab[0])))(pair)


def dropped_log_det(x, w):
    x, _ = layer_with_log_det(x, w)
    y, _ = layer_with_log_det(x, 2 * w)
    return y


def one_unknown_twice(x):
    return 3 * added(x, x)


def positive_helper(x):
    return positive(x) ** 2


def mutual(x, n):
    return even(x, n)


def calls_a_wrapper(x, w):
    return wrapped(x, w, c=3.0) * 2


MIXED = [Layer(W, X), Layer(W + 1, X, "sinh")]
PROGRAMS = [
    (argument_known_in_part, (X, W)),
    (containers_of_unknowns, ((X, W), W)),
    (lambda_of_knowns, (X, W)),
    (lambda_on_the_way, (X, W)),
    (list_of_functions, (X,)),
    (functions_as_argument, (X, [jnp.sinh, jnp.arctan])),
    (nested_functions, (X, W)),
    (unknown_in_a_closure, (X, W)),
    (default_of_a_local_function, (X, W)),
    (capture_of_a_local_function, (X,)),
    (layer_as_argument, (X, LAYER)),
    (method_of_an_argument, (X, LAYER)),
    (layers_of_a_list, (X, MIXED)),
    (layers_in_a_loop, (X, MIXED)),
    (captured_layer, (X,)),
    (decorated_function, (X,)),
    (generated_function, (X,)),
    (mapped_over_axis_one, (ROWS, W)),
    (mapped_lambda, (ROWS, W)),
    (mapped_twice, (ROWS, W)),
    (mapped_partial, (ROWS, W)),
    (mapped_pairs, ((ROWS, 2 * ROWS),)),
    (jax.vmap(row, in_axes=(0, None)), (ROWS, W)),
    (jax.vmap(jax.vmap(jnp.sinh)), (ROWS,)),
    (dropped_log_det, (X, W)),
    (one_unknown_twice, (X,)),
    (positive_helper, (X,)),
    (mutual, (X, 3)),
    (through, (X, [W + 3, W + 4])),
    (wrapped, (X, W)),
    (calls_a_wrapper, (X, W)),
]


def _close(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def _log_det(f, x):
    flat, unravel = ravel_pytree(x)
    dense = jax.jacobian(lambda v: ravel_pytree(f(unravel(v)))[0])(flat)
    return jnp.linalg.slogdet(dense)[1]


def _name(value):
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("f", "args"), PROGRAMS, ids=_name)
def test_round_trip_and_log_dets(f, args):
    x, *known = args
    y = f(*args)
    fldj = _log_det(lambda x: f(x, *known), x)
    _close(inv.inverse(f)(y, *known), x)
    _close(inv.inverse_and_ildj(f)(y, *known), (x, -fldj))
    _close(inv.forward_and_fldj(f)(*args), (y, fldj))


@pytest.mark.parametrize("batch_ndims", [0, 1, 2])
def test_a_mapped_axis_is_kept_where_it_is_a_batch_axis(batch_ndims):
    f = jax.vmap(jax.vmap(lambda r: jnp.sinh(r) * 2))
    slopes = jnp.log(2 * jnp.cosh(ROWS))
    wanted = jnp.sum(slopes, axis=tuple(range(batch_ndims, 2)))
    _, ildj = inv.inverse_and_ildj(f, batch_ndims=batch_ndims)(f(ROWS))
    np.testing.assert_allclose(ildj, -wanted, rtol=1e-5)


# ---- what is emitted ----------------------------------------------------------------------------


def _definitions(generated):
    return re.findall(r"^def (\w+)\((.*)\):", generated.source, re.MULTILINE)


def test_a_local_function_is_emitted_once_with_what_it_closes_over():
    def f(x, w):
        def inner(v):
            return v * jnp.exp(w)

        return inner(jnp.sinh(inner(x)))

    assert _definitions(inv.inverse(f)) == [("f_inverse", "y, w"), ("inner_inverse", "y, *, w")]


def test_two_calls_of_one_helper_share_its_inverse():
    def f(x, w):
        return added(w, jnp.exp(added(2 * w, x)))

    assert [name for name, _ in _definitions(inv.inverse(f))] == ["f_inverse", "added_inverse"]


def test_a_function_that_is_inverted_is_not_passed_along():
    def f(x):
        return twice(positive, x)

    generated = inv.inverse(f)
    assert _definitions(generated)[1] == ("twice_inverse", "y")


def test_a_helper_of_constant_volume_adds_nothing():
    def shifted(x, by):
        return x + by

    def f(x, w):
        return jnp.exp(shifted(x, w))

    source = inv.inverse_and_ildj(f).source
    assert "shifted_inverse(" in source
    assert "shifted_inverse_and_ildj" not in source


def test_a_recursive_function_has_a_recursive_inverse():
    generated = inv.inverse(through)
    generated(through(X, [W + 3, W + 4]), [W + 3, W + 4])
    assert [name for name, _ in _definitions(generated)] == ["through_inverse"]
    assert generated.source.count("through_inverse(") == 2


def test_a_mapped_function_is_inverted_under_vmap():
    def f(x, w):
        return jax.vmap(row, in_axes=(0, None))(x, w)

    assert "jax.vmap(row_inverse, in_axes=(0, None))(y, w)" in inv.inverse(f).source


# ---- what is refused ----------------------------------------------------------------------------


def halved(x):
    return x[: x.shape[0] // 2] * 0


def test_an_error_of_a_callee_says_where_it_was_called_once():
    def f(x):
        return halved(jnp.exp(halved(x)))

    with pytest.raises(inv.InversionError) as caught:
        inv.inverse(f)
    assert str(caught.value).count("called here") == 1


def endless(x, parts):
    return endless(jnp.sinh(x), (parts, x))


def test_a_recursion_that_never_repeats_is_refused():
    def f(x):
        return endless(x, (x, x))

    with pytest.raises(inv.InversionError):
        inv.inverse(f)


def one_for_all(x, w):
    return jax.vmap(lambda r: r * x)(w)


def test_one_unknown_for_all_mapped_calls_is_refused():
    with pytest.raises(inv.InversionError):
        inv.inverse(one_for_all)(one_for_all(X, ROWS + 2), ROWS + 2)
