"""Checks for functions that were generated, or written by hand beside one another.

Each check states a law, raises an AssertionError that says where it is broken, and returns the largest
error that it met, relative to the size of what was compared. Unless `rtol` is given, half of the digits of
a dtype must agree: what is off by 0.1 % fails in float32 and float64.

>>> check_inverse(jnp.exp, jnp.float32(2.0), inverse=jnp.log) < 1e-6
True
>>> check_inverse(jnp.exp, jnp.float32(2.0), inverse=lambda y: 1.001 * jnp.log(y))
Traceback (most recent call last):
AssertionError: the inverse of the output is not the input: float32[] is off by 0.001 ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import invcompiler

Argnums = int | Sequence[int]


def check_inverse(
    f: Callable,
    *args: Any,
    argnums: Argnums = 0,
    inverse: Callable | None = None,
    rtol: float | None = None,
    **options: Any,
) -> float:
    """Check `g(f(*args), *known) == x`, in structure, shapes, dtypes and values.

    `x` are the arguments that `argnums` names and `known` all others. `g` is `inverse`, by default
    `invcompiler.inverse(f, argnums, **options)`.
    """
    g = inverse or invcompiler.inverse(f, argnums, **options)
    x, known = _split(args, argnums)
    return _agree(g(f(*args), *known), x, "the inverse of the output is not the input", rtol)


def check_ildj(
    f: Callable,
    *args: Any,
    argnums: Argnums = 0,
    batch_ndims: int = 0,
    ildj: Callable | None = None,
    rtol: float | None = None,
    **options: Any,
) -> float:
    """Check `ildj(f(*args), *known)` against the dense Jacobian of `f` with respect to `argnums`.

    With `batch_ndims=n` the first n axes of every leaf of `x` are independent examples. `ildj` is by default
    `invcompiler.ildj(f, argnums, batch_ndims=batch_ndims, **options)`.
    """
    if ildj is None:
        ildj = invcompiler.ildj(f, argnums, batch_ndims=batch_ndims, **options)
    x, known = _split(args, argnums)
    actual = ildj(f(*args), *known)
    expected = -log_abs_det_jacobian(lambda x: f(*_join(x, known, argnums)), x, batch_ndims)
    what = "the ILDJ is not that of the dense Jacobian"
    return _agree(actual, expected.astype(jnp.result_type(actual)), what, rtol, smallest_scale=1.0)


def check_gradient(
    f: Callable,
    *args: Any,
    argnums: Argnums = 0,
    inverse: Callable | None = None,
    rtol: float | None = None,
    seed: int = 0,
    **options: Any,
) -> float:
    """Check that gradients flow through the inverse: the VJP of the round trip is the identity.

    That is, of `(x, known) -> g(f(x, known), known)` it is the identity in x and zero in every known array.
    """
    g = inverse or invcompiler.inverse(f, argnums, **options)
    x, known = _split(args, argnums)
    known_leaves, structure = jax.tree.flatten(known)
    differentiable = [_is_inexact(leaf) for leaf in known_leaves]

    def round_trip(x, chosen):
        chosen = iter(chosen)
        leaves = [
            next(chosen) if is_chosen else leaf
            for leaf, is_chosen in zip(known_leaves, differentiable, strict=True)
        ]
        known = jax.tree.unflatten(structure, leaves)
        return g(f(*_join(x, known, argnums)), *known)

    chosen = [leaf for leaf, chosen in zip(known_leaves, differentiable, strict=True) if chosen]
    x_bar = _random_like(x, seed)
    actual = jax.vjp(round_trip, x, chosen)[1](x_bar)
    expected = x_bar, jax.tree.map(jnp.zeros_like, chosen)
    what = "the VJP of the round trip is not the identity"
    return _agree(actual, expected, what, rtol, smallest_scale=1.0)


def check_vjp(
    f: Callable,
    *primals: Any,
    vjp: Callable | None = None,
    rtol: float | None = None,
    seed: int = 0,
) -> float:
    """Check that `vjp(f, *primals)`, output and cotangents, is `jax.vjp(f, *primals)`.

    `vjp` is by default `invcompiler.vjp`.
    """
    out, pullback = (vjp or invcompiler.vjp)(f, *primals)
    expected_out, expected_pullback = jax.vjp(f, *primals)
    out_bar = _random_like(expected_out, seed)
    return max(
        _agree(out, expected_out, "the output is not that of the function", rtol),
        _agree(
            pullback(out_bar), expected_pullback(out_bar), "the VJP is not that of jax.vjp", rtol
        ),
    )


def tolerance(dtype: Any) -> float:
    """The relative error allowed in `dtype`: half of its digits; none in integers and bools."""
    dtype = jnp.dtype(dtype)
    if not jnp.issubdtype(dtype, jnp.inexact):
        return 0.0
    return float(jnp.finfo(dtype).eps) ** 0.5


def log_abs_det_jacobian(f: Callable, x: Any, batch_ndims: int = 0) -> jax.Array:
    """`log |det dy/dx|` of `y = f(x)` from its dense Jacobian, for each of the independent examples.

    x and y are pytrees of real or complex arrays with the same number of real elements. The first `batch_ndims`
    axes of every leaf of x count examples.
    """
    x = jax.tree.map(jnp.asarray, x)
    leaves, structure = jax.tree.flatten(x)

    def real_f(vectors):
        parts = [_from_real(vector, leaf) for vector, leaf in zip(vectors, leaves, strict=True)]
        return jnp.concatenate(_to_real(f(jax.tree.unflatten(structure, parts))))

    vectors = _to_real(x)
    columns = [
        np.asarray(column, np.float64) for column in jax.jacfwd(real_f)(vectors)
    ]  # a leaf each
    jacobian = np.concatenate(columns, axis=1)
    rows, width = jacobian.shape
    assert rows == width, f"{width} real elements go in and {rows} come out: there is no ILDJ"
    batch = leaves[0].shape[:batch_ndims] if leaves else ()
    examples = np.concatenate([_example_of(leaf, batch_ndims) for leaf in leaves])
    terms = [_log_volume(jacobian[:, examples == i]) for i in range(int(np.prod(batch)))]
    return jnp.asarray(np.reshape(terms, batch))


def _log_volume(columns: np.ndarray) -> float:
    """log of the volume that some columns of a Jacobian span: log |det| if they are square, and if the
    rows they share with no other column are."""
    with np.errstate(divide="ignore"):  # that of a singular Jacobian is minus infinity
        return float(np.sum(np.log(np.abs(np.diag(np.linalg.qr(columns, mode="r"))))))


def _example_of(leaf: jax.Array, batch_ndims: int) -> np.ndarray:
    """For every real element of a leaf, in order, the number of the example that it belongs to."""
    count = int(np.prod(leaf.shape[:batch_ndims]))
    reals = leaf.size * (2 if jnp.iscomplexobj(leaf) else 1)
    return np.repeat(np.arange(count), reals // max(count, 1))


def _to_real(tree: Any) -> list[jax.Array]:
    """Every leaf as a vector of reals, a complex number as two."""
    return [
        jnp.stack([leaf.real, leaf.imag], axis=-1).ravel()
        if jnp.iscomplexobj(leaf)
        else jnp.ravel(leaf)
        for leaf in jax.tree.leaves(tree)
    ]


def _from_real(vector: jax.Array, leaf: jax.Array) -> jax.Array:
    if not jnp.iscomplexobj(leaf):
        return vector.reshape(leaf.shape)
    pairs = vector.reshape(*leaf.shape, 2)
    return jax.lax.complex(pairs[..., 0], pairs[..., 1])


# ---- arguments and comparison ---------------------------------------------------------------------


def _split(args: tuple, argnums: Argnums) -> tuple[Any, list]:
    """The arguments to recover (a tuple of them for a tuple of argnums), and all others in order."""
    positions = [n % len(args) for n in ([argnums] if isinstance(argnums, int) else argnums)]
    unknown = tuple(args[n] for n in positions)
    known = [arg for n, arg in enumerate(args) if n not in positions]
    return (unknown[0] if isinstance(argnums, int) else unknown), known


def _join(unknown: Any, known: Sequence, argnums: Argnums) -> list:
    """The arguments that `_split` took apart."""
    single = isinstance(argnums, int)
    unknowns = [unknown] if single else unknown
    count = len(unknowns) + len(known)
    positions = [n % count for n in ([argnums] if isinstance(argnums, int) else argnums)]
    rest = iter(known)
    return [unknowns[positions.index(n)] if n in positions else next(rest) for n in range(count)]


def _agree(
    actual: Any, expected: Any, what: str, rtol: float | None, smallest_scale: float = 0.0
) -> float:
    """The largest relative error of any leaf; an AssertionError if it, or a shape or dtype, is off."""
    trees: tuple[Any, Any] = jax.tree.structure(actual), jax.tree.structure(expected)
    assert trees[0] == trees[1], f"{what}: its structure is {trees[0]}, not {trees[1]}"
    paths = jax.tree_util.tree_leaves_with_path(expected)
    return max(
        (
            _leaf_error(leaf, wanted, what + jax.tree_util.keystr(path), rtol, smallest_scale)
            for leaf, (path, wanted) in zip(jax.tree.leaves(actual), paths, strict=True)
        ),
        default=0.0,
    )


def _leaf_error(
    actual: Any, expected: Any, what: str, rtol: float | None, smallest_scale: float
) -> float:
    actual, expected = jnp.asarray(actual), jnp.asarray(expected)
    kinds = jax.typeof(actual).str_short(), jax.typeof(expected).str_short()
    assert kinds[0] == kinds[1], f"{what}: it is {kinds[0]}, not {kinds[1]}"
    allowed = tolerance(expected.dtype) if rtol is None else rtol
    error = _relative_error(_wide(actual), _wide(expected), smallest_scale)
    assert error <= allowed, (
        f"{what}: {kinds[0]} is off by {error:.2g} of its largest element, {allowed:.2g} is allowed"
        f"\nactual:   {actual}\nexpected: {expected}"
    )
    return error


def _relative_error(actual: np.ndarray, expected: np.ndarray, smallest_scale: float) -> float:
    """The largest difference over the largest element; NaN and infinities agree with themselves only."""
    same = (actual == expected) | ((actual != actual) & (expected != expected))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0, np.abs(actual - expected)).astype(np.float64)
    if not np.isfinite(difference).all():
        return float("inf")
    sizes = np.abs(expected).astype(np.float64)
    scale = max(sizes[np.isfinite(sizes)].max(initial=0.0), smallest_scale)
    largest = difference.max(initial=0.0)
    return float(largest / scale) if scale else float("inf" if largest else 0)


def _wide(array: jax.Array) -> np.ndarray:
    """In a dtype that numpy can subtract without loss: bfloat16 it cannot, uint8 wraps."""
    if jnp.iscomplexobj(array):
        return np.asarray(array).astype(np.complex128)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return np.asarray(array).astype(np.float64)
    return np.asarray(array).astype(object)


def _is_inexact(leaf: Any) -> bool:
    return isinstance(leaf, (jax.Array, np.ndarray, float, complex)) and jnp.issubdtype(
        jnp.result_type(leaf), jnp.inexact
    )


def _random_like(tree: Any, seed: int) -> Any:
    """Cotangents for `tree`: normal numbers, and `float0` zeros where it is not differentiable."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(seed), max(len(leaves), 1))
    return jax.tree.unflatten(structure, [_cotangent(k, leaf) for k, leaf in zip(keys, leaves)])


def _cotangent(key: jax.Array, leaf: Any) -> Any:
    leaf = jnp.asarray(leaf)
    if jnp.issubdtype(leaf.dtype, jnp.inexact):
        return jax.random.normal(key, leaf.shape, leaf.dtype)
    return np.zeros(leaf.shape, jax.dtypes.float0)
