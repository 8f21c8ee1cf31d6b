"""Every function of the user's that is named is one of the IR, so that what it captures is hoisted like what is captured here.

    def f(x):                         def f(x, *, w, b):
        return model(x) + jax.vmap(g)(x)      return call(x, w=w, b=b) + jax.vmap(partial(g, b=b))(x)

Methods, partials, callable objects and what `jax.vmap` made are written as calls of what runs. Left alone are functions of
libraries, functions with derivative rules of their own, and recursive ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, assert_never

import jax

from invcompiler.errors import InvcompilerError
from invcompiler.frontend import mapped, read
from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    Closure,
    Display,
    Equation,
    Function,
    Loop,
    Opaque,
    Ref,
    Star,
    Tree,
    Var,
)
from invcompiler.passes.adjoint_pairs import has_own_rule, is_library
from invcompiler.passes.emission import reference


def expose_callees(function: Function) -> Function:
    """Return `function`, which calls no function of the user's but those of the IR."""
    return _Exposer().function(function)


class _Exposer:
    def __init__(self) -> None:
        self.known: dict[int, Function | None] = {}
        self.kept: list[Any] = []  # so that their ids stay theirs

    def function(self, function: Function) -> Function:
        return replace(function, body=self.block(function.body))

    def block(self, block: Block) -> Block:
        before: list[Equation] = []
        equations: list[Equation] = []
        for equation in block.equations:
            new = self.equation(equation, before)
            equations += [*before, new]
            before.clear()
        result = self.tree(block.result, before)
        return replace(block, equations=(*equations, *before), result=result)

    def equation(self, equation: Equation, before: list[Equation]) -> Equation:
        """Return `equation` with exposed functions; what must be computed for that is put `before` it."""

        def tree(part: Tree) -> Tree:
            return self.tree(part, before)

        match equation:
            case Apply():
                fn: Any = equation.fn
                fn = tree(fn) if isinstance(fn, Ref | Closure) else fn
                args = tuple(map(tree, equation.args))
                kwargs = tuple((name, tree(value)) for name, value in equation.kwargs)
                return replace(equation, fn=fn, args=args, kwargs=kwargs)
            case Loop():
                return replace(
                    equation,
                    init=tuple(map(tree, equation.init)),
                    body=self.block(equation.body),
                )
            case Branch():
                return replace(equation, blocks=tuple(map(self.block, equation.blocks)))
            case Opaque():
                return replace(equation, ins=tuple((name, tree(t)) for name, t in equation.ins))
            case _:
                assert_never(equation)

    def tree(self, tree: Tree, before: list[Equation]) -> Tree:
        match tree:
            case Ref():
                return self.ref(tree, before)
            case Display():
                return replace(tree, items=tuple(self.tree(item, before) for item in tree.items))
            case Star():
                return Star(self.tree(tree.value, before))
            case Closure():
                env = tuple((name, self.tree(value, before)) for name, value in tree.env)
                changed = any(
                    new is not old for (_, new), (_, old) in zip(env, tree.env, strict=True)
                )
                return replace(tree, env=env) if changed else tree
            case _:
                return tree

    def ref(self, ref: Ref, before: list[Equation]) -> Tree:
        exposed = self.exposed(ref.value)
        if exposed is not None:
            return Ref(exposed, exposed.name)
        vmapped = mapped(ref.value) if callable(ref.value) else None
        return ref if vmapped is None else self.mapped(ref, vmapped, before)

    def mapped(self, ref: Ref, vmapped: Any, before: list[Equation]) -> Tree:
        """Return the value of `jax.vmap` of the exposed function."""
        exposed = self.exposed(vmapped.fun)
        axes = {"in_axes": vmapped.in_axes, "out_axes": vmapped.out_axes, **dict(vmapped.options)}
        options = tuple((name, as_tree(value)) for name, value in axes.items() if value != 0)
        if exposed is None or any(value is None for _, value in options):
            return ref
        out = Var(exposed.name)
        args = (Ref(exposed, exposed.name),)
        before.append(Apply(out, reference(jax.vmap), args, options))  # type: ignore[arg-type]
        return out

    def exposed(self, callee: Any) -> Function | None:
        """Return what runs when an object of the user's is called, or None if that is left alone."""
        if isinstance(callee, type | Function) or not callable(callee):
            return None
        if is_library(callee) or has_own_rule(callee):
            return None
        if id(callee) not in self.known:
            self.known[id(callee)] = None
            self.kept.append(callee)
            try:
                self.known[id(callee)] = self.function(read(callee))
            except InvcompilerError:
                return None
        return self.known[id(callee)]


__all__ = ["expose_callees"]
