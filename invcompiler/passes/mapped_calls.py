"""The function back of one that `jax.vmap` runs is run by `jax.vmap`, too.

    ys = jax.vmap(flow, in_axes=(None, 0))(params, xs)

    back            mapped = jax.vmap(flow_bwd, in_axes=(0, None, 0), out_axes=(0, None, 0), axis_name="examples")
                    xs, params_bar, xs_bar = mapped(ys, params, ys_bar)

What all examples share has the sum of their cotangents, which is taken where they arise: `w_bar = jax.lax.psum(w_bar, "examples")`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from invcompiler.ir.nodes import Const, Display, Function, Tree, Var
from invcompiler.passes.cotangents import Sums
from invcompiler.passes.emission import Emission, reference
from invcompiler.schedule.plan import CallInverse
from invcompiler.schedule.taint import tainted


@dataclass(frozen=True)
class Rows:
    """A mapped call: the axis of its value, and those of what parameters take, by their names; None is no axis.

    The function back returns the parameters `recovered`, cotangents of `returned`, and, if it `measures`, how far it is off.
    """

    value: int
    axes: Mapping[str, Any]
    options: tuple[tuple[str | None, Tree], ...]
    params: tuple[str, ...] = ()
    recovered: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    measures: bool = False

    def of_one(self, names: Sequence[str], values: Sequence[Any]) -> tuple:
        """Return what parameters take for one example."""
        pairs = zip(names, values, strict=True)
        return tuple(_of_one(self.axes.get(name), value) for name, value in pairs)

    @property
    def axis(self) -> str:
        """The name of the mapped axis."""
        given = dict(self.options).get("axis_name")
        return given.value if isinstance(given, Const) else "examples"

    def sums(self, function: Function) -> Sums:
        """Return which vars of the mapped function differ between examples."""
        params = [p.var for p in function.params if self.axes.get(p.var.name or "") is not None]
        return Sums(tainted(function.body, params), self.axis)

    def forward(self, emit: Emission, forward: Tree, shared: int, keeps: bool) -> Var:
        """Return `forward`, mapped: it takes the parameters and so much that all share, and returns what it `keeps` behind its value."""
        in_axes = (*(self.axes.get(name) for name in self.params), *(None,) * shared)
        out_axes = (self.value, 0) if keeps else (self.value,)
        return self._mapped(emit, forward, in_axes, out_axes)

    def back(self, emit: Emission, back: Tree, given: Sequence[int], kept: int, shared: int) -> Var:
        """Return `back`, mapped: it takes the value, parameters, what is kept, so much that all share, and the cotangent."""
        taken = [self.axes.get(self.params[number]) for number in given]
        in_axes = (self.value, *taken, *(0,) * kept, *(None,) * shared, self.value)
        found = [self.axes.get(name) for name in (*self.recovered, *self.returned)]
        return self._mapped(emit, back, in_axes, (*found, *(0,) * self.measures))

    def _mapped(self, emit: Emission, fn: Tree, in_axes: tuple, out_axes: tuple) -> Var:
        named = [("in_axes", in_axes), ("out_axes", out_axes)]
        options: list[tuple[str | None, Tree]] = [
            (name, _tree(axes)) for name, axes in named if any(axis != 0 for axis in axes)
        ]
        options += [(name, value) for name, value in self.options if name != "axis_name"]
        if None in out_axes or "axis_name" in dict(self.options):
            options.append(("axis_name", Const(self.axis)))
        made = emit.apply(reference(jax.vmap), (fn,), options)
        assert isinstance(made, Var)
        return made


def rows_of(step: CallInverse) -> Rows | None:
    """Return how a mapped call is mapped; None unless each parameter goes along one axis, or along none."""
    mapping, bound = step.entered.mapping, step.entered.bound
    assert mapping is not None
    axes = {param.name: axis for param, axis in bound.axes.items() if param.name}
    unknown = [axes.get(param.name or "") for param in step.unknown]
    if not isinstance(mapping.out_axes, int) or not all(isinstance(a, int) for a in unknown):
        return None
    if not all(axis is None or isinstance(axis, int) for axis in axes.values()):
        return None
    return Rows(mapping.out_axes, axes, tuple(mapping.options))


def _of_one(axis: int | None, value: Any) -> Any:
    if axis is None:
        return value

    def of_one(leaf: Any) -> Any:
        place = axis % len(leaf.shape)
        shape = leaf.shape[:place] + leaf.shape[place + 1 :]
        return jax.ShapeDtypeStruct(shape, leaf.dtype)

    return jax.tree.map(of_one, value)


def _tree(axes: tuple) -> Tree:
    return Const(axes[0]) if len(axes) == 1 else Display(tuple, tuple(map(Const, axes)))


__all__ = ["Rows", "rows_of"]
