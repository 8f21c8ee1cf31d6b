"""Calls that passes write themselves, by name."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import Const, Display, Method, Ref, Slice, Tree

_NAMES = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/",
    operator.neg: "-", operator.getitem: "[]", operator.matmul: "@", operator.floordiv: "//", operator.invert: "~",
    operator.eq: "==", operator.or_: "|", operator.and_: "&", operator.ne: "!=",
    operator.xor: "^", operator.mod: "%", operator.lshift: "<<", operator.rshift: ">>", operator.ge: ">=", operator.le: "<=", operator.gt: ">", operator.lt: "<",
}  # fmt: skip
FULL = Slice(Const(None), Const(None), Const(None))


def ref(fn: Callable[..., Any]) -> Ref:
    """Return the Ref of an operator, a builtin, or a public function of `jax` or `jax.numpy`."""
    if fn in _NAMES:
        return Ref(fn, _NAMES[fn])
    name = fn.__name__
    if getattr(jnp, name, None) is fn:
        return Ref(fn, f"jnp.{name}", jnp)
    if getattr(jax.lax, name, None) is fn:
        return Ref(fn, f"jax.lax.{name}", jax)
    if getattr(jnp.linalg, name, None) is fn:
        return Ref(fn, f"jnp.linalg.{name}", jnp)
    return Ref(fn, name, fn)


def call(builder: Builder, fn: Callable[..., Any], *args: Tree, **kwargs: Tree) -> Tree:
    return builder.apply(ref(fn), args, tuple(kwargs.items()))


def method(builder: Builder, name: str, value: Tree, *args: Tree, **kwargs: Tree) -> Tree:
    return builder.apply(Method(name), (value, *args), tuple(kwargs.items()))


def getitem(builder: Builder, value: Tree, key: Any, arity: int | None = None) -> Tree:
    index = key if isinstance(key, Tree.__args__) else Const(key)
    return builder.apply(ref(operator.getitem), (value, index), arity=arity)


def attribute(builder: Builder, value: Tree, name: str) -> Tree:
    return builder.apply(Ref(getattr, "getattr"), (value, Const(name)))


def tuple_of(items: Iterable[Tree]) -> Display:
    return Display(tuple, tuple(items))


def ints(values: Iterable[int]) -> Display:
    return Display(tuple, tuple(Const(int(value)) for value in values))
