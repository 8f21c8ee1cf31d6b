"""Products that sum over axes, in one form: an einsum of the known operand and the unknown one.

`jnp.tensordot`, `lax.dot_general`, `jnp.vecdot`, and `jnp.dot` and `jnp.inner` of more than two axes say by numbers which axes are summed
over. What their subscripts are follows from the ranks of the operands.

>>> of_dimensions(2, 3, ((1,), (2,)), ((), ()))
'ab,cdb->acd'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_letters
from typing import Any, Protocol

import jax.numpy as jnp
from jax import lax

from invcompiler.ir.nodes import Const
from invcompiler.rules.canonical import NONE, Call
from invcompiler.rules.conditions import static_value
from invcompiler.rules.registry import Facts

Pair = tuple[Sequence[int], Sequence[int]]


def of_dimensions(rank_a: int, rank_b: int, summed: Pair, shared: Pair) -> str | None:
    """Return the subscripts of a product that sums over pairs of axes; shared ones come first. None for axes that there are not."""
    letters = iter(ascii_letters)
    a = [next(letters) for _ in range(rank_a)]
    b = [""] * rank_b
    for pair in (summed, shared):
        for i, j in zip(*pair, strict=True):
            if not (-rank_a <= i < rank_a and -rank_b <= j < rank_b):
                return None
            b[j] = a[i]
    b = [letter or next(letters) for letter in b]
    first = [a[i] for i in shared[0]]
    gone = {*first, *(a[i] for i in summed[0])}
    rest = [letter for letter in (*a, *b) if letter not in gone]
    return f"{''.join(a)},{''.join(b)}->{''.join((*first, *rest))}"


# ---- spellings ------------------------------------------------------------------------------------------


def _of_tensordot(call: Call, ranks: tuple[int, int], facts: Facts) -> str | None:
    found = static_value(call.arguments["axes"], facts)
    if found is None:
        return None
    axes = found[0]
    if isinstance(axes, int):
        pairs: Pair = (tuple(range(ranks[0] - axes, ranks[0])), tuple(range(axes)))
    else:
        first, second = (part if isinstance(part, list | tuple) else (part,) for part in axes)
        pairs = (first, second)
    return of_dimensions(*ranks, pairs, ((), ())) if len(pairs[0]) == len(pairs[1]) else None


def _of_dot_general(call: Call, ranks: tuple[int, int], facts: Facts) -> str | None:
    found = static_value(call.arguments["dimension_numbers"], facts)
    return None if found is None else of_dimensions(*ranks, *found[0])


def _of_dot(call: Call, ranks: tuple[int, int], facts: Facts) -> str | None:
    return of_dimensions(*ranks, ((-1,), (-2 if ranks[1] > 1 else -1,)), ((), ()))


def _of_inner(call: Call, ranks: tuple[int, int], facts: Facts) -> str | None:
    return of_dimensions(*ranks, ((-1,), (-1,)), ((), ()))


def _of_vecdot(call: Call, ranks: tuple[int, int], facts: Facts) -> str | None:
    """Vectors along the last axis; axes before it are broadcast, which subscripts say where one operand has fewer."""
    dtype = facts.dtype(call.arguments["x1"])
    if call.arguments["axis"] != Const(-1) or dtype is None or dtype.kind == "c":
        return None
    shapes = [facts.shape(call.arguments[name]) for name in ("x1", "x2")]
    before = [shape[:-1] for shape in shapes if shape]
    short = min(map(len, before), default=0)
    if (
        len(before) != 2
        or before[0][len(before[0]) - short :] != before[1][len(before[1]) - short :]
    ):
        return None
    letters = ascii_letters[1 : max(ranks)]
    a, b = (letters[len(letters) - rank + 1 :] + "a" for rank in ranks)
    return f"{a},{b}->{letters}"


_READINGS: dict[Any, Callable[[Call, tuple[int, int], Facts], str | None]] = {
    jnp.tensordot: _of_tensordot,
    lax.dot_general: _of_dot_general,
    jnp.dot: _of_dot,
    jnp.inner: _of_inner,
    jnp.vecdot: _of_vecdot,
}


class _Ranks(Protocol):
    def rank(self, tree: Any) -> int | None: ...


def is_open(call: Call, facts: _Ranks) -> bool:
    """Whether what a product sums over is not known before the ranks of its operands are."""
    return call.fn in _READINGS and None in _ranks(call, facts)


def _ranks(call: Call, facts: _Ranks) -> tuple[int | None, ...]:
    return tuple(facts.rank(tree) for tree in list(call.arguments.values())[:2])


def as_einsum(call: Call, unknown: str, facts: Facts) -> Call | None:
    """Return a product as an einsum whose second operand is the unknown one; None for any other call."""
    if call.fn is jnp.einsum:
        found = static_value(call.arguments["subscripts"], facts)
        a, b = call.arguments["a"], call.arguments["b"]
        subscripts = found[0] if found is not None and b != NONE else None
    elif call.fn in _READINGS:
        a, b = list(call.arguments.values())[:2]
        ranks = facts.rank(a), facts.rank(b)
        known = ranks[0] is not None and ranks[1] is not None
        subscripts = _READINGS[call.fn](call, ranks, facts) if known else None  # type: ignore[arg-type]
    else:
        return None
    if not isinstance(subscripts, str):
        return None
    operands, arrow, after = subscripts.replace(" ", "").partition("->")
    if call.arguments[unknown] is a:
        operands, a, b = ",".join(operands.split(",")[::-1]), b, a
    return Call(jnp.einsum, {"subscripts": Const(operands + arrow + after), "a": a, "b": b})


__all__ = ["as_einsum", "is_open", "of_dimensions"]
