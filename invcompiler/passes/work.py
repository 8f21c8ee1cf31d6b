"""How much work an equation is: operations, counted on the jaxpr of what it calls.

An addition or a product of two elements is one operation, a division or a root four, a transcendental function sixteen; a matrix
product is two for each product of elements, as XLA counts. Moving elements is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax

from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import Apply, Block, Function, Param, ParameterKind, Var
from invcompiler.passes.avals import Held
from invcompiler.passes.emission import CONCRETE

_FREE = frozenset(
    """reshape transpose rev concatenate slice dynamic_slice pad squeeze expand_dims broadcast_in_dim convert_element_type
    copy split gather iota stop_gradient real imag bitcast_convert_type select_n optimization_barrier sharding_constraint
    dynamic_update_slice name copy_p reduce_precision""".split()
)
_ONE = frozenset(
    """add sub mul neg abs sign max min eq ne lt le gt ge and or xor not floor ceil round square integer_pow clamp conj
    is_finite add_any shift_left shift_right_logical shift_right_arithmetic""".split()
)
_FOUR = frozenset("div rem sqrt rsqrt cbrt nextafter".split())
_SIXTEEN = frozenset(
    """exp exp2 expm1 log log1p tanh logistic sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh erf erfc erf_inv pow
    lgamma digamma""".split()
)
_SUMS = frozenset(
    """reduce_sum reduce_max reduce_min reduce_prod reduce_and reduce_or argmax argmin cumsum cumprod cummax cummin
    cumlogsumexp""".split()
)
_WEIGHTS = {
    **dict.fromkeys(_FREE, 0),
    **dict.fromkeys(_ONE, 1),
    **dict.fromkeys(_FOUR, 4),
    **dict.fromkeys(_SIXTEEN, 16),
}


def work(equation: Apply, values: Mapping[Var, Any]) -> int | None:
    """Return how many operations `equation` is for operands that look like `values`; None if that cannot be told."""
    if any(isinstance(leaf, Held) for leaf in jax.tree.leaves(list(values.values()))):
        return None
    variables = tuple(values)
    params = tuple(Param(var, ParameterKind.POSITIONAL_OR_KEYWORD) for var in variables)
    function = Function("", params, Block(variables, (equation,), equation.out))
    flat, treedef = jax.tree.flatten([values[var] for var in variables])
    arrays = [isinstance(leaf, jax.ShapeDtypeStruct) for leaf in flat]

    def body(given: list) -> None:
        it = iter(given)
        full = [next(it) if a else leaf for leaf, a in zip(flat, arrays, strict=True)]
        evaluate(function, tuple(jax.tree.unflatten(treedef, full)))

    try:
        traced = jax.make_jaxpr(body)([leaf for leaf, a in zip(flat, arrays, strict=True) if a])
    except CONCRETE:
        return None
    return _of_jaxpr(traced.jaxpr)


def _of_jaxpr(jaxpr: Any) -> int | None:
    total = 0
    for equation in jaxpr.eqns:
        found = _of_equation(equation)
        if found is None:
            return None
        total += found
    return total


def _of_equation(equation: Any) -> int | None:
    name = equation.primitive.name
    inputs = [math.prod(getattr(var.aval, "shape", ())) for var in equation.invars]
    outputs = [math.prod(getattr(var.aval, "shape", ())) for var in equation.outvars]
    if name in _WEIGHTS:
        return _WEIGHTS[name] * max(outputs, default=0)
    if name in _SUMS:
        return max(inputs, default=0)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return 2 * outputs[0] * math.prod(shape[axis] for axis in contracted)
    inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    if inner is None or name == "while":
        return None
    found = _of_jaxpr(getattr(inner, "jaxpr", inner))
    return found if found is None or name != "scan" else found * equation.params["length"]


__all__ = ["work"]
