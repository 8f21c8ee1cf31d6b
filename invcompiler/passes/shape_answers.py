"""The shape or dtype of a value that is not known yet: that of a known value like it, or a literal."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from invcompiler.errors import ShapeError
from invcompiler.ir.nodes import Apply, Const, Ref, Tree, Var
from invcompiler.ir.walk import map_operands
from invcompiler.passes.ops import attribute, call, getitem, ints, tuple_of
from invcompiler.schedule.plan import ShapeQuery
from invcompiler.schedule.positions import Position, terms_of

if TYPE_CHECKING:
    from invcompiler.passes.invert import Emitter


def answer(emitter: Emitter, of: Tree, name: str) -> Tree:
    """Return `of.<name>` for "shape", "ndim", "size", "dtype" or "len", where `of` is a forward tree.

    Raises ShapeError if neither a known value nor a fact tells it.
    """
    like = like_value(emitter, of)
    if like is not None and (name != "dtype" or _same_dtype(emitter, of, like[0])):
        if name == "len":
            return call(emitter.builder, len, like[1])
        return attribute(emitter.builder, like[1], name)
    found = _literal(emitter, of, name)
    if found is None:
        found = _written_shape(emitter, of, name)
    if found is None:
        raise needs_example(emitter, of)
    return found


def like_value(emitter: Emitter, of: Tree) -> tuple[Var, Tree] | None:
    """Return a known forward var of the same shape as `of`, and its value."""
    if not isinstance(of, Var):
        return None
    known = emitter.values.keys()
    like = emitter.context.like(of, known)
    if like is None:
        like = of if of in known else None
    return None if like is None else (like, emitter.values[like])


def _same_dtype(emitter: Emitter, one: Tree, other: Var) -> bool:
    mine, its = emitter.facts.dtype(one), emitter.facts.dtype(other)
    # `==` would take None for float64
    return mine is None or its is None or mine == its


def _literal(emitter: Emitter, of: Tree, name: str) -> Tree | None:
    shape = emitter.context.concrete_shape(of)
    if name == "dtype":
        dtype = emitter.facts.dtype(of)
        return None if dtype is None else dtype_ref(dtype)
    if name == "ndim" and emitter.facts.rank(of) is not None:
        return Const(emitter.facts.rank(of))
    if shape is None:
        return None
    if name == "shape":
        return ints(shape)
    if name == "size":
        return Const(int(np.prod(shape)))
    return Const(shape[0]) if name == "len" and shape else None


def dtype_ref(dtype: np.dtype) -> Ref:
    return Ref(getattr(jnp, dtype.name), f"jnp.{dtype.name}", jnp)


def _written_shape(emitter: Emitter, of: Tree, name: str) -> Tree | None:
    """Return a shape of known rank whose sizes are expressions over known values."""
    shape = emitter.facts.shape(of)
    if shape is None or name not in ("shape", "len"):
        return None
    sizes = [size_tree(emitter, size) for size in shape]
    if any(size is None for size in sizes):
        return None
    return sizes[0] if name == "len" else tuple_of(size for size in sizes if size is not None)


def size_tree(emitter: Emitter, size: Position) -> Tree | None:
    """Return code for a size: an integer, a known value, or an axis of one, plus an integer."""
    if isinstance(size, int):
        return Const(size)
    terms, constant = terms_of(size)
    if len(terms) != 1 or constant.denominator != 1:
        return None
    ((name, factor),) = terms.items()
    base = _symbol_tree(emitter, name)
    if base is None or (factor.denominator != 1 and factor.numerator != 1):
        return None
    if factor.denominator != 1:
        base = _divided(emitter, base, factor.denominator)
    elif factor != 1:
        base = call(emitter.builder, operator.mul, base, Const(int(factor)))
    if constant:
        base = call(emitter.builder, operator.add, base, Const(int(constant)))
    return base


def _divided(emitter: Emitter, base: Tree, divisor: int) -> Tree:
    return call(emitter.builder, operator.floordiv, base, Const(divisor))


def _symbol_tree(emitter: Emitter, name: object) -> Tree | None:
    if isinstance(name, Var):
        value = emitter.values.get(name)
        return value if value is not None else (name if name in emitter.given else None)
    if isinstance(name, tuple) and len(name) == 2 and isinstance(name[0], Var):
        root, axis = name
        like = like_value(emitter, root)
        if like is not None:
            shape = attribute(emitter.builder, like[1], "shape")
            return getitem(emitter.builder, shape, axis)
    return None


def answer_query(emitter: Emitter, step: ShapeQuery) -> Tree:
    """Return the value of an equation that reads only the shape or dtype of an unknown."""
    equation = step.equation
    assert isinstance(equation.fn, Ref)
    if equation.fn.value is getattr:
        name = equation.args[1]
        assert isinstance(name, Const)
        return answer(emitter, step.of, name.value)
    if equation.fn.value is len:
        return answer(emitter, step.of, "len")
    if equation.fn.value in (jnp.shape, jnp.ndim, jnp.size):
        return answer(emitter, step.of, equation.fn.value.__name__)
    return _filled(emitter, step)


def _filled(emitter: Emitter, step: ShapeQuery) -> Tree:
    """Answer `jnp.zeros_like(x)` and its kin."""
    like = like_value(emitter, step.of)
    if like is None or not _same_dtype(emitter, step.of, like[0]):
        shape, dtype = answer(emitter, step.of, "shape"), answer(emitter, step.of, "dtype")
        assert isinstance(step.equation.fn, Ref)
        fill = (emitter.value(tree) for tree in step.equation.args[1:])
        return call(emitter.builder, _PLAIN[step.equation.fn.value], shape, *fill, dtype=dtype)
    equation = map_operands(lambda v: like[1] if v is step.of else emitter.value(v), step.equation)
    assert isinstance(equation, Apply)
    return emitter.builder.apply(equation.fn, equation.args, equation.kwargs)


_PLAIN: dict[Any, Any] = {
    jnp.zeros_like: jnp.zeros,
    jnp.ones_like: jnp.ones,
    jnp.empty_like: jnp.empty,
    jnp.full_like: jnp.full,
}


def needs_example(emitter: Emitter, of: Tree) -> ShapeError:
    name = (of.name if isinstance(of, Var) else None) or "the unknown"
    function = emitter.context.function
    return ShapeError(
        f"the shape of `{name}` in `{function.name}` does not follow from the output",
        span=of.span if isinstance(of, Var) else function.span,
        function=function.name,
        label="its shape is needed here",
        known=("the output",),
        missing=(f"the shape of {name}",),
        hint="pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown",
    )
