"""What is known about the derivatives of functions: one rule for each argument that has one.

A rule is a plain function whose parameter names say what it needs: `y_bar` is the cotangent of the output, `y` the
output, and the other names are those of the function's parameters. It returns the cotangent of its argument. Asking an
operand for its shape costs nothing: only operands whose *values* are used are kept for the walk back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from invcompiler.ir.interval import REAL
from invcompiler.ir.nodes import Tree
from invcompiler.rules.canonical import declare, key_of, parameters_of
from invcompiler.rules.registry import Kind, Numbers, inverse_rules, parameters


@dataclass(frozen=True)
class AdjointRule:
    """How the cotangent of `argument` of `fn` follows from that of the output.

    elementwise   `template` is the slope, and the cotangent is `y_bar` times it
    pointwise     the cotangent has the shape of the output; broadcasting of the argument is still to be undone
    emits         `template(emit, arguments, y, y_bar)` builds the code itself
    linear        `fn` is linear in `argument`: its tangent is `fn` of the tangent
    moves         if all elements of `y_bar` are one number, so are those of the cotangent
    holomorphic   right for complex numbers as well
    real_only     wrong for them; of others, that is not known
    condition     abstract arguments -> whether the rule applies
    output        what the template calls the output
    """

    fn: Any
    argument: str
    template: Callable
    elementwise: bool = False
    pointwise: bool = False
    emits: bool = False
    linear: bool = False
    moves: bool = False
    holomorphic: bool = False
    real_only: bool = False
    condition: Callable[..., bool] | None = None
    output: str = "y"

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.template).parameters)


@dataclass(frozen=True)
class Spread:
    """The cotangent `value` broadcast to `shape`: not yet code, for most consumers broadcast it themselves."""

    value: Tree
    shape: tuple[int, ...]


_BUILT_IN: dict[tuple[int, str], AdjointRule] = {}
_USERS: dict[tuple[int, str], AdjointRule] = {}
_KEPT: list[Any] = []  # functions with rules, so that their ids stay theirs


def rule_for(fn: Any, argument: str) -> AdjointRule | None:
    """Return the rule for `argument` of the canonical `fn`: a user's, a built-in one, or the slope of an inverse rule."""
    place = (id(fn), argument)
    return _USERS.get(place) or _BUILT_IN.get(place) or _from_inverse(fn, argument)


def has_rules(fn: Any) -> bool:
    """Whether somebody has stated how `fn` is differentiated by one of its arguments."""
    return any(key == id(fn) for key, _ in (*_USERS, *_BUILT_IN))


def _from_inverse(fn: Any, argument: str) -> AdjointRule | None:
    """Return what the slope of an elementwise inverse rule says, if it says it everywhere.

    A slope in terms of the output holds only on the branch that the rule inverts; conditions are those of inverting.
    """
    rules = inverse_rules(fn, argument)
    if len(rules) != 1 or rules[0].condition is not None or rules[0].slope is None:
        return None
    (rule,) = rules
    assert rule.slope is not None
    of_output = rule.output in parameters(rule.slope)
    if rule.kind is not Kind.ELEMENTWISE or rule.local_slope:
        return None
    if of_output and rule.domain != REAL:
        return None
    holomorphic = Numbers.COMPLEX in rule.numbers
    return AdjointRule(
        fn,
        argument,
        rule.slope,
        elementwise=True,
        pointwise=True,
        holomorphic=holomorphic,
        output=rule.output,
    )


def has_user_rule(fn: Any) -> bool:
    return any(place[0] == id(fn) for place in _USERS)


def built_in(fn: Any, argument: str, **facts: Any) -> Callable[[Callable], Callable]:
    """Enter the function decorated as the adjoint of `fn` with respect to `argument`."""

    def enter(template: Callable) -> Callable:
        _enter(_BUILT_IN, AdjointRule(key_of(fn), argument, template, **facts))
        return template

    return enter


def slope(fn: Any, argument: str = "x", **facts: Any) -> Callable[[Callable], Callable]:
    """Enter the function decorated as the elementwise slope of `fn`."""
    return built_in(fn, argument, elementwise=True, pointwise=True, **facts)


def pointwise(fn: Any, argument: str = "x", **facts: Any) -> Callable[[Callable], Callable]:
    """Enter the function decorated as the cotangent of an operand that broadcasts."""
    return built_in(fn, argument, pointwise=True, **facts)


def emitter(fn: Any, argument: str, **facts: Any) -> Callable[[Callable], Callable]:
    """Enter a function that builds the code of the cotangent: for operands that are lists, and the like."""
    return built_in(fn, argument, emits=True, **facts)


def static(fn: Callable) -> Callable:
    """Mark a function of shapes and axes: it is run while compiling."""
    fn.is_static = True  # type: ignore[attr-defined]
    return fn


def _enter(table: dict, rule: AdjointRule) -> None:
    place = (id(rule.fn), rule.argument)
    if place in table:
        raise ValueError(f"there is an adjoint rule for `{rule.argument}` of {rule.fn} already")
    _KEPT.append(rule.fn)
    table[place] = rule


def adjoint_rule(fn: Callable, argument: str | None = None) -> Callable[[Callable], Callable]:
    """Teach the compiler the derivative of someone else's function: `@inv.adjoint_rule(fn, "x")`.

    The function decorated returns the cotangent of `argument` (by default the first parameter of `fn`). Its parameters
    say what it needs: `y_bar`, the output's cotangent; `y`, the output; any parameter of `fn` by its name.
    Raises TypeError if `fn` is not callable, ValueError if a name is not a parameter of `fn`, or has a rule already.
    """
    if not callable(fn):
        raise TypeError(f"adjoint_rule takes a function, got {type(fn).__name__}")
    declare(fn)
    names = parameters_of(fn)
    chosen = names[0] if argument is None else argument
    if chosen not in names:
        raise ValueError(f"`{chosen}` is not a parameter of {fn.__name__}({', '.join(names)})")

    def enter(template: Callable) -> Callable:
        rule = AdjointRule(key_of(fn), chosen, template)
        unknown = [name for name in rule.needs if name not in (*names, "y", "y_bar")]
        if unknown:
            raise ValueError(f"`{unknown[0]}` is neither y, y_bar nor a parameter of {fn.__name__}")
        _enter(_USERS, rule)
        return template

    return enter


__all__ = [
    "AdjointRule",
    "Spread",
    "adjoint_rule",
    "built_in",
    "emitter",
    "has_user_rule",
    "pointwise",
    "rule_for",
    "slope",
    "static",
]
