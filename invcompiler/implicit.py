"""Derivatives of a function that cannot be differentiated, from those of its inverse.

If y = g(x) and x = f(y), then dx = J dy with the Jacobian J of f at y, so that dy is the solution of a linear
system: the inverse function theorem. With further arguments p, x = f(y, p) and dx = J dy + df/dp dp.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from invcompiler.elementwise_functions import is_elementwise


def implicit_inverse(
    g: Callable[..., Any],
    *,
    forward: Callable[..., Any] | None = None,
    forward_jacobian: Any = None,
) -> Callable[..., Any]:
    """Return `g` with derivatives of every order, in both modes, taken through its inverse.

    Args:
      g: any function `g(x, *args) -> y`: it is called, never differentiated.
      forward: its inverse, `forward(y, *args) -> x`, which JAX can differentiate. Where it is seen to be elementwise no matrix is
        formed; otherwise its whole Jacobian is.
      forward_jacobian: instead of `forward`: the Jacobian dx/dy, an array `(..., n, n)` or a function `y -> (..., n, n)`, for
        x and y of shape `(..., n)`, batch axes first.

    Raises TypeError if `g` is not callable, or if not exactly one of `forward` and `forward_jacobian` is given.
    """
    if not callable(g):
        raise TypeError(f"expected a function, got {type(g).__name__}")
    if (forward is None) == (forward_jacobian is None):
        raise TypeError("give exactly one of `forward` and `forward_jacobian`")
    if forward is not None and not callable(forward):
        raise TypeError(f"`forward` must be a function, got {type(forward).__name__}")

    @jax.custom_jvp
    def inverse(x: Any, *args: Any) -> Any:
        return g(x, *args)

    @inverse.defjvp
    def tangent(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
        y = inverse(*primals)
        if forward is not None:
            return y, _through_forward(forward, y, primals[1:], tangents)
        jacobian = forward_jacobian(y) if callable(forward_jacobian) else forward_jacobian
        return y, _solved(jacobian, tangents[0])

    return functools.wraps(g, updated=())(inverse)


def _through_forward(f: Callable[..., Any], y: Any, args: tuple, tangents: tuple) -> Any:
    """Return dy from dx and the tangents of the other arguments."""
    x_dot, *args_dot = tangents
    if args:
        _, moved = jax.jvp(lambda *rest: f(y, *rest), args, tuple(args_dot))
        x_dot = jax.tree.map(jnp.subtract, x_dot, moved)
    of_y = lambda value: f(value, *args)
    if is_elementwise(f, y, args):
        _, slope = jax.jvp(of_y, (y,), (jnp.ones_like(y),))
        return x_dot / slope
    flat, unravel = ravel_pytree(y)
    jacobian = jax.jacfwd(lambda value: ravel_pytree(of_y(unravel(value)))[0])(flat)
    return unravel(jnp.linalg.solve(jacobian, ravel_pytree(x_dot)[0]))


def _solved(jacobian: Any, x_dot: Any) -> Any:
    jacobian = jnp.asarray(jacobian)
    n = jacobian.shape[-1]
    if jacobian.ndim < 2 or jacobian.shape[-2] != n or (x_dot.shape[-1:] or (1,)) != (n,):
        raise ValueError(
            f"the Jacobian has shape {jacobian.shape}; for x of shape {x_dot.shape} it must be "
            f"(..., n, n) with n = {x_dot.shape[-1] if x_dot.ndim else 1}"
        )
    column = x_dot.reshape(*x_dot.shape[:-1], n, 1)
    return jnp.linalg.solve(jacobian, column).reshape(x_dot.shape)


__all__ = ["implicit_inverse"]
