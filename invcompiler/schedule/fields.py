"""Which fields of an unknown container go their own way: no value is computed from two of them.

{"scale": softplus(z["scale"]), "rate": exp(z["rate"])}        two ways
(x1, x2 * exp(net(x1)))                                        one: they meet in the product
"""

from __future__ import annotations

import operator
from collections.abc import Hashable
from typing import TYPE_CHECKING

from invcompiler.ir.nodes import Apply, Const, Equation, Ref, Var
from invcompiler.ir.walk import operands

if TYPE_CHECKING:
    from invcompiler.schedule.context import Context

Path = tuple[Hashable, ...]


class Ways:
    """The fields of the unknowns of a function, those grouped that meet. A path is an unknown and the keys below it."""

    def __init__(self, context: Context):
        self._context = context
        self._paths: dict[Var, frozenset[Path]] = {
            var: frozenset({(var,)}) for var in context.unknown
        }
        self._leaders: dict[Path, Path] = {}
        whole: set[Path] = set()
        for equation in context.function.body.equations:
            whole |= self._enter(equation)
        met = [path for paths in self._paths.values() for path in paths]
        for path in whole:
            for other in met:
                if other[: len(path)] == path:
                    self._meet(path, other)

    def meet(self, one: Var, other: Var) -> bool:
        """Whether a value is computed from what both belong to; also so where the one or the other is not known of."""
        ours, theirs = ({self._leader(p) for p in self._paths.get(v, ())} for v in (one, other))
        return not ours or not theirs or not ours.isdisjoint(theirs)

    def _enter(self, equation: Equation) -> set[Path]:
        """Say from which fields the values of an equation are; return those that it uses as a whole."""
        field = self._field(equation)
        if field is not None:
            self._paths[equation.outs[0]] = frozenset({field})
            return set()
        read = [path for var in operands(equation) for path in self._paths.get(var, ())]
        for path in read[1:]:
            self._meet(read[0], path)
        self._paths.update(dict.fromkeys(equation.outs, frozenset(read)))
        return set(read)

    def _field(self, equation: Equation) -> Path | None:
        """Return the path of what an equation takes out of a container that is one of the unknowns, or a field of one."""
        if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
            return None
        if equation.fn.value not in (operator.getitem, getattr):
            return None
        box, key = equation.args[:2]
        if not isinstance(box, Var) or not isinstance(key, Const):
            return None
        paths = self._paths.get(box, frozenset())
        if len(paths) != 1 or self._context.is_container(box) is not True:
            return None
        return (*next(iter(paths)), key.value)

    def _leader(self, path: Path) -> Path:
        while path in self._leaders:
            path = self._leaders[path]
        return path

    def _meet(self, one: Path, other: Path) -> None:
        ours, theirs = self._leader(one), self._leader(other)
        if ours != theirs:
            self._leaders[theirs] = ours


__all__ = ["Ways"]
