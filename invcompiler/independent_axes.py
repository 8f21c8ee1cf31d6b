"""Along which axes a function treats each position by itself, as far as the operations that JAX traces show it.

Of `lambda y: jnp.sinh(y @ w)` those are all axes but the last: rows do not mix. If they are all axes the function is elementwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax

Position = int | None
"""Where in a value the axis stands that is followed; None if the value does not depend on the argument."""


class _Mixed(Exception):
    """Positions along the axis meet, or may meet."""


def independent_axes(f: Callable[..., Any], y: Any, args: tuple = ()) -> int:
    """Return along how many leading axes of the array `y` each position of `f(y, *args)` depends on the same position alone.

    `f` returns an array of the shape of `y`. What it does that is not known to keep positions apart counts as mixing them.
    """
    closed, out = jax.make_jaxpr(lambda value: f(value, *args), return_shape=True)(y)
    shape = y.shape
    if getattr(out, "shape", None) != shape:
        return 0
    for axis in range(len(shape)):
        try:
            (position,) = _run(closed, [axis])
        except _Mixed:
            return axis
        if position not in (None, axis):
            return axis
    return len(shape)


def _run(closed: Any, given: Sequence[Position]) -> list[Position]:
    """Return where the axis stands in the results of a jaxpr, given where it stands in its arguments."""
    jaxpr = closed.jaxpr if hasattr(closed, "jaxpr") else closed
    places: dict[Any, Position] = dict(zip(jaxpr.invars, given, strict=True))

    def place(atom: Any) -> Position:
        return None if hasattr(atom, "val") else places.get(atom)

    for equation in jaxpr.eqns:
        inputs = [place(atom) for atom in equation.invars]
        if all(position is None for position in inputs):
            continue
        outputs = _step(equation, inputs)
        places.update(zip(equation.outvars, outputs, strict=True))
    return [place(atom) for atom in jaxpr.outvars]


def _step(equation: Any, inputs: list[Position]) -> list[Position]:
    name = equation.primitive.name
    rule = _RULES.get(name)
    if rule is not None:
        return rule(equation, inputs)
    if name in _ELEMENTWISE:
        return [_one([p for p in inputs if p is not None])] * len(equation.outvars)
    body = equation.params.get(_BODIES[name]) if name in _BODIES else None
    if body is None:
        raise _Mixed
    return _run(body, inputs)


_BODIES = {
    **dict.fromkeys(("jit", "pjit", "remat2", "checkpoint"), "jaxpr"),
    **dict.fromkeys(
        ("custom_jvp_call", "custom_vjp_call", "closed_call", "core_call"), "call_jaxpr"
    ),
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}


def _one(positions: Iterable[int]) -> int:
    """Return the one position that operands of one shape share."""
    found = set(positions)
    if len(found) != 1:
        raise _Mixed
    return found.pop()


_ELEMENTWISE = frozenset(
    "add sub mul div rem pow max min atan2 and or xor not neg sign abs floor ceil round exp exp2 expm1 log log1p "
    "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sqrt rsqrt cbrt logistic erf erf_inv erfc lgamma "
    "digamma igamma igammac regularized_incomplete_beta integer_pow square is_finite eq ne lt le gt ge select_n "
    "clamp convert_element_type copy copy_p stop_gradient real imag conj complex nextafter reduce_precision "
    "optimization_barrier name polygamma zeta bessel_i0e bessel_i1e shift_left shift_right_logical".split()
)


# ---- what moves axes ----------------------------------------------------------------------------


def _shape(atom: Any) -> tuple[int, ...]:
    return tuple(atom.aval.shape)


def _broadcast(equation: Any, inputs: list[Position]) -> list[Position]:
    axis = inputs[0]
    assert axis is not None
    new = equation.params["broadcast_dimensions"][axis]
    if equation.params["shape"][new] != _shape(equation.invars[0])[axis]:
        raise _Mixed
    return [new]


def _reshape(equation: Any, inputs: list[Position]) -> list[Position]:
    axis = inputs[0]
    assert axis is not None
    before, after = _shape(equation.invars[0]), _shape(equation.outvars[0])
    for place, size in enumerate(after):
        if size == before[axis] and math.prod(after[:place]) == math.prod(before[:axis]):
            return [place]
    raise _Mixed


def _squeeze(equation: Any, inputs: list[Position]) -> list[Position]:
    return _dropped(inputs[0], equation.params["dimensions"])


def _reduce(equation: Any, inputs: list[Position]) -> list[Position]:
    return _dropped(inputs[0], equation.params["axes"])


def _dropped(axis: Position, axes: Sequence[int]) -> list[Position]:
    assert axis is not None
    if axis in axes:
        raise _Mixed
    return [axis - sum(other < axis for other in axes)]


def _transpose(equation: Any, inputs: list[Position]) -> list[Position]:
    return [list(equation.params["permutation"]).index(inputs[0])]


def _slice(equation: Any, inputs: list[Position]) -> list[Position]:
    """The whole axis must be left."""
    if _shape(equation.invars[0])[inputs[0]] != _shape(equation.outvars[0])[inputs[0]]:  # type: ignore[index]
        raise _Mixed
    return [inputs[0]]


def _along(name: str) -> Callable[[Any, list[Position]], list[Position]]:
    """Return the rule of what works along the axis, or axes, that parameter `name` says."""

    def rule(equation: Any, inputs: list[Position]) -> list[Position]:
        axes = equation.params[name]
        axis = _one(position for position in inputs if position is not None)
        if axis == axes or (isinstance(axes, tuple) and axis in axes):
            raise _Mixed
        return [axis] * len(equation.outvars)

    return rule


def _dot(equation: Any, inputs: list[Position]) -> list[Position]:
    contracted, batch = equation.params["dimension_numbers"]
    shapes = [_shape(atom) for atom in equation.invars]
    free = [
        [axis for axis in range(len(shape)) if axis not in (*contracted[side], *batch[side])]
        for side, shape in enumerate(shapes)
    ]
    found = set()
    for side, axis in enumerate(inputs):
        if axis is None:
            continue
        if axis in contracted[side]:
            raise _Mixed
        if axis in batch[side]:
            found.add(list(batch[side]).index(axis))
        elif inputs[1 - side] is None:
            before = len(batch[0]) + (len(free[0]) if side else 0)
            found.add(before + free[side].index(axis))
        else:
            raise _Mixed
    return [_one(found)]


# ---- loops and branches ---------------------------------------------------------------------------


def _scan(equation: Any, inputs: list[Position]) -> list[Position]:
    consts, carried = equation.params["num_consts"], equation.params["num_carry"]
    fixed, carry, items = inputs[:consts], inputs[consts:], []
    carry, items = carry[:carried], carry[carried:]
    if 0 in items:
        raise _Mixed  # step by step along the axis
    rows = [None if axis is None else axis - 1 for axis in items]
    body = equation.params["jaxpr"]
    results = _settled(lambda held: _run(body, [*fixed, *held, *rows]), carry)
    collected = [None if axis is None else axis + 1 for axis in results[carried:]]
    return [*results[:carried], *collected]


def _while(equation: Any, inputs: list[Position]) -> list[Position]:
    of_test, of_body = equation.params["cond_nconsts"], equation.params["body_nconsts"]
    tested, fixed = inputs[:of_test], inputs[of_test : of_test + of_body]
    body = equation.params["body_jaxpr"]
    carry = _settled(lambda held: _run(body, [*fixed, *held]), inputs[of_test + of_body :])
    if _run(equation.params["cond_jaxpr"], [*tested, *carry]) != [None]:
        raise _Mixed
    return carry


def _settled(
    step: Callable[[list[Position]], list[Position]], carry: list[Position]
) -> list[Position]:
    """Run the body of a loop until what it carries stands where it stood."""
    while True:
        results = step(carry)
        merged = [_merged(a, b) for a, b in zip(carry, results, strict=False)]
        if merged == carry:
            return results
        carry = merged


def _merged(a: Position, b: Position) -> Position:
    if a is None or b is None:
        return b if a is None else a
    return _one([a, b])


def _cond(equation: Any, inputs: list[Position]) -> list[Position]:
    if inputs[0] is not None:
        raise _Mixed
    sides = [_run(branch, inputs[1:]) for branch in equation.params["branches"]]
    merged = sides[0]
    for side in sides[1:]:
        merged = [_merged(a, b) for a, b in zip(merged, side, strict=True)]
    return merged


_RULES: dict[str, Callable[[Any, list[Position]], list[Position]]] = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "transpose": _transpose,
    "slice": _slice,
    "dot_general": _dot,
    "concatenate": _along("dimension"),
    "rev": _along("dimensions"),
    "sort": _along("dimension"),
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    **{name: _along("axis") for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")},
    **{f"reduce_{name}": _reduce for name in ("sum", "max", "min", "prod", "and", "or")},
}

__all__ = ["independent_axes"]
