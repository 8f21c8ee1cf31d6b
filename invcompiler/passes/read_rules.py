"""Reading equations: from two Python functions to a pattern and a template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from invcompiler.frontend import read
from invcompiler.passes.patterns import Applied, pattern
from invcompiler.passes.rewriting import Readings, Rule, Rules, Shortcut
from invcompiler.rules.equation import Equation


def read_rules(
    equations: Iterable[Equation],
    shortcuts: Mapping[Any, tuple[Shortcut, ...]] | None = None,
    readings: Readings = lambda call: (),
) -> Rules:
    """Return the rules that `equations` state, by the callee at the root of `before`."""
    rules: dict[Any, tuple[Rule, ...]] = {}
    for equation in equations:
        rule = read_rule(equation)
        rules[rule.pattern.fn] = (*rules.get(rule.pattern.fn, ()), rule)
    return Rules(rules, dict(shortcuts or {}), readings)


def read_rule(equation: Equation) -> Rule:
    root = pattern(read(equation.before))
    after = read(equation.after)
    needs = frozenset(id(part.fn) for _, part in root.arguments if isinstance(part, Applied))
    return Rule(root, after, equation.guards, equation.sole, needs)


__all__ = ["read_rule", "read_rules"]
