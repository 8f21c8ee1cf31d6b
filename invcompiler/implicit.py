"""Derivatives of a function that cannot be differentiated, from those of its inverse.

If y = g(x) and x = f(y), then dx = J dy with the Jacobian J of f at y, so that dy is the solution of a linear
system: the inverse function theorem. With further arguments p, x = f(y, p) and dx = J dy + df/dp dp.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from invcompiler.independent_axes import independent_axes


def implicit_inverse(
    g: Callable[..., Any],
    *,
    forward: Callable[..., Any] | None = None,
    forward_jacobian: Any = None,
) -> Callable[..., Any]:
    """Return `g` with derivatives of every order, in both modes, taken through its inverse.

    Args:
      g: any function `g(x, *args) -> y`: it is called, never differentiated.
      forward: its inverse, `forward(y, *args) -> x`, which JAX can differentiate. Where it treats the elements of y by themselves
        no matrix is formed, where it treats leading axes by themselves one matrix for each position; otherwise its whole Jacobian
        is. Derivatives with respect to further arguments are taken too, and to what it closes over.
      forward_jacobian: instead of `forward`: the Jacobian dx/dy, an array `(..., n, n)` or a function `y -> (..., n, n)`, for
        x and y of shape `(..., n)`, batch axes first. Further arguments, and what is closed over, are then taken to be constants.

    Raises TypeError if `g` is not callable, or if not exactly one of `forward` and `forward_jacobian` is given.
    """
    if not callable(g):
        raise TypeError(f"expected a function, got {type(g).__name__}")
    if (forward is None) == (forward_jacobian is None):
        raise TypeError("give exactly one of `forward` and `forward_jacobian`")
    if forward is not None and not callable(forward):
        raise TypeError(f"`forward` must be a function, got {type(forward).__name__}")

    @functools.wraps(g, assigned=("__name__", "__qualname__", "__doc__"), updated=())
    def inverse(x: Any, *args: Any, **kwargs: Any) -> Any:
        leaves, structure = jax.tree.flatten((args, kwargs))
        traced = [_is_array(leaf) for leaf in leaves]

        def given(arrays: tuple) -> tuple[tuple, dict[str, Any]]:
            rest = iter(arrays)
            pairs = zip(leaves, traced, strict=True)
            return jax.tree.unflatten(structure, [next(rest) if t else leaf for leaf, t in pairs])

        def call(function: Callable[..., Any], value: Any, arrays: tuple) -> Any:
            positional, named = given(arrays)
            return function(value, *positional, **named)

        arrays = tuple(leaf for leaf, t in zip(leaves, traced, strict=True) if t)
        apply, of_g = _hoisted(g, lambda value, *arrays: call(g, value, arrays), x, *arrays)
        back, of_forward = apply, ()
        if forward is not None:
            y = jax.eval_shape(apply, x, *arrays, *of_g)
            by_forward = lambda value, *arrays: call(forward, value, arrays)
            back, of_forward = _hoisted(forward, by_forward, y, *arrays)

        @jax.custom_jvp
        def run(x: Any, arrays: tuple, of_g: tuple, of_forward: tuple) -> Any:
            return apply(x, *arrays, *of_g)

        @run.defjvp
        def tangent(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
            y = run(*primals)
            if forward is not None:
                of_all = lambda value, arrays, hoisted: back(value, *arrays, *hoisted)
                args, args_dot = primals[1::2], tangents[1::2]
                return y, _through_forward(of_all, y, args, (tangents[0], *args_dot))
            jacobian = forward_jacobian(y) if callable(forward_jacobian) else forward_jacobian
            return y, _solved(jacobian, tangents[0])

        return run(x, arrays, of_g, of_forward)

    return inverse


def _hoisted(function: Callable, apply: Callable, *args: Any) -> tuple[Callable, tuple]:
    """Return `apply`, which calls `function`, with the traced arrays that that closes over as further parameters.

    Only what has cells or state can hold traced arrays: a function of a module is not run for it.
    """
    if inspect.isfunction(function) and not function.__closure__:
        return apply, ()
    converted, hoisted = jax.closure_convert(apply, *args)
    return converted, tuple(hoisted)


def _is_array(leaf: Any) -> bool:
    """Whether a leaf is an argument of the traced function: arrays and Python floats are, the others are constants."""
    return hasattr(leaf, "dtype") or isinstance(leaf, float | complex)


def _through_forward(f: Callable[..., Any], y: Any, args: tuple, tangents: tuple) -> Any:
    """Return dy from dx and the tangents of the other arguments."""
    x_dot, *args_dot = tangents
    if args:
        _, moved = jax.jvp(lambda *rest: f(y, *rest), args, tuple(args_dot))
        x_dot = jax.tree.map(jnp.subtract, x_dot, moved)
    of_y = lambda value: f(value, *args)
    if not hasattr(y, "shape"):
        return _whole(of_y, y, x_dot)
    axes = independent_axes(f, y, args)
    if axes == len(y.shape):
        _, slope = jax.jvp(of_y, (y,), (jnp.ones_like(y),))
        return x_dot / slope
    return _by_position(of_y, y, x_dot, axes) if axes else _whole(of_y, y, x_dot)


def _whole(of_y: Callable[..., Any], y: Any, x_dot: Any) -> Any:
    """Solve with the Jacobian of all elements of `y`, a pytree."""
    flat, unravel = ravel_pytree(y)
    jacobian = jax.jacfwd(lambda value: ravel_pytree(of_y(unravel(value)))[0])(flat)
    right = ravel_pytree(x_dot)[0]
    if jacobian.shape != (flat.size, right.size):
        raise ValueError(f"`forward` returns {jacobian.shape[0]} numbers for {flat.size} numbers")
    return unravel(jnp.linalg.solve(jacobian, right))


def _by_position(of_y: Callable[..., Any], y: Any, x_dot: Any, axes: int) -> Any:
    """Solve with one Jacobian for each position along the first `axes` axes, which do not mix."""
    batch, rest = y.shape[:axes], y.shape[axes:]
    n = math.prod(rest)

    def column(direction: Any) -> Any:
        _, dot = jax.jvp(of_y, (y,), (jnp.broadcast_to(direction.reshape(rest), y.shape),))
        return dot.reshape(*batch, n)

    jacobian = jax.vmap(column, out_axes=-1)(jnp.eye(n, dtype=y.dtype))
    solution = jnp.linalg.solve(jacobian, x_dot.reshape(*batch, n, 1))
    return solution.reshape(y.shape)


def _solved(jacobian: Any, x_dot: Any) -> Any:
    jacobian = jnp.asarray(jacobian)
    n = jacobian.shape[-1] if jacobian.ndim else 0
    if jacobian.ndim < 2 or jacobian.shape[-2] != n or (x_dot.shape[-1:] or (1,)) != (n,):
        raise ValueError(
            f"the Jacobian has shape {jacobian.shape}; for x of shape {x_dot.shape} it must be "
            f"(..., n, n) with n = {x_dot.shape[-1] if x_dot.ndim else 1}"
        )
    column = x_dot.reshape(*x_dot.shape[:-1], n, 1)
    return jnp.linalg.solve(jacobian, column).reshape(x_dot.shape)


__all__ = ["implicit_inverse"]
