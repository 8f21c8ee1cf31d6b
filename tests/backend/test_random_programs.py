"""Random programs of loops and branches, whose names collide as often as they can, print as what they compute."""

import operator
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.backend.load import load
from invcompiler.backend.render import render
from invcompiler.backend.text import Header
from invcompiler.ir.build import Builder
from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import (
    Branch,
    BranchKind,
    Const,
    Display,
    Each,
    Enumerate,
    Function,
    Loop,
    LoopKind,
    Param,
    ParameterKind,
    Range,
    Ref,
    Reversed,
    Var,
    Zip,
)
from invcompiler.sources import SOURCES

NAMES = ["x", "y", "z", "x", "y", None, None, "i"]
COUNT = 40
BINARY = [operator.add, operator.sub, operator.mul]


class Maker:
    """Makes a random function of two arrays, a list of arrays, and a flag."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.stacked = Var("rows")
        self.listed = Var("parts")
        self.flag = Var("flag")
        self.sign = Var("sign")

    def function(self):
        x, y = Var("x"), Var("y")
        builder = Builder()
        scope = self.fill(builder, [x, y], depth=2, count=6)
        result = Display(tuple, tuple(self.random.sample(scope, min(3, len(scope)))))
        variables = [x, y, self.stacked, self.listed, self.flag, self.sign]
        params = tuple(Param(var, ParameterKind.POSITIONAL_OR_KEYWORD) for var in variables)
        return Function("program", params, builder.block(variables, result))

    def name(self):
        return self.random.choice(NAMES)

    def fill(self, builder, scope, depth, count):
        scope = list(scope)
        for _ in range(self.random.randint(1, count)):
            kind = self.random.random()
            if depth and kind < 0.25:
                scope += self.loop(builder, scope, depth - 1)
            elif depth and kind < 0.45:
                scope += self.branch(builder, scope, depth - 1)
            elif kind < 0.55:
                scope += self.pair(builder, scope)
            elif kind < 0.65:
                scope.append(
                    builder.apply(
                        self.ref(jnp.tanh, "tanh"), (self.random.choice(scope),), name=self.name()
                    )
                )
            else:
                operands = (self.random.choice(scope), self.pick(scope))
                fn = self.random.choice(BINARY)
                scope.append(builder.apply(Ref(fn, fn.__name__), operands, name=self.name()))
        return scope

    def ref(self, fn, name):
        return Ref(fn, f"jnp.{name}", jnp)

    def pick(self, scope):
        if self.random.random() < 0.1:
            return Const(self.random.choice([0.5, 2, -1]))
        return self.random.choice(scope[-6:])

    def pair(self, builder, scope):
        stacked = self.ref(jnp.stack, "stack")
        items = Display(list, (self.random.choice(scope), self.random.choice(scope)))
        both = builder.apply(stacked, (items,))
        item = Ref(operator.getitem, "getitem")
        first, second = (
            builder.apply(item, (both, Const(at)), arity=2, name=self.name()) for at in (0, 1)
        )
        return [first, second]

    def iterable(self):
        """Return an iterable of four items, and for each leaf whether it is an array."""
        rows, parts = Each(self.stacked), Each(self.listed)
        return self.random.choice(
            [
                (Range(Const(0), Const(4)), [False]),
                (Reversed(Range(Const(0), Const(4))), [False]),
                (rows, [True]),
                (parts, [True]),
                (Reversed(parts), [True]),
                (Enumerate(parts), [False, True]),
                (Zip((rows, Enumerate(parts))), [True, False, True]),
            ]
        )

    def lax_iterable(self):
        rows = Each(self.stacked)
        return self.random.choice(
            [
                (rows, [True]),
                (Reversed(rows), [True]),
                (Zip((rows, Range(Const(0), Const(4)))), [True, False]),
                (Enumerate(rows), [False, True]),
            ]
        )

    def loop(self, builder, scope, depth):
        kind = self.random.choice([LoopKind.FOR, LoopKind.FOR, LoopKind.SCAN, LoopKind.FORI])
        iterable, arrays = self.iterable() if kind is LoopKind.FOR else self.lax_iterable()
        if kind is LoopKind.FORI:
            iterable, arrays = Range(Const(0), Const(4)), [False]
        carried = [Var(self.name()) for _ in range(self.random.randint(1, 2))]
        items = [Var(self.name()) for _ in arrays]
        inner = builder.nested()
        usable = [item for item, is_array in zip(items, arrays) if is_array]
        inside = self.fill(inner, [*scope[-4:], *carried, *usable], depth, 3)
        collected = 0 if kind is LoopKind.FORI else self.random.randint(0, 1)
        results = tuple(self.random.choice(inside[-5:]) for _ in range(len(carried) + collected))
        body = inner.block([*carried, *items], Display(tuple, results))
        init = tuple(self.random.choice(scope) for _ in carried)
        outs = tuple(Var(self.name()) for _ in results)
        builder.add(Loop(kind, outs, init, iterable, body))
        stacked = [
            builder.apply(
                self.ref(jnp.sum, "sum"), (self.array(builder, out),), (("axis", Const(0)),)
            )
            for out in outs[len(carried) :]
        ]
        return [*outs[: len(carried)], *stacked]

    def array(self, builder, out):
        return builder.apply(self.ref(jnp.asarray, "asarray"), (out,))

    def branch(self, builder, scope, depth):
        kind = self.random.choice(
            [BranchKind.IF, BranchKind.IF, BranchKind.COND, BranchKind.SWITCH]
        )
        outs = tuple(Var(self.name()) for _ in range(self.random.randint(1, 2)))
        blocks = []
        for _ in range(3 if kind is BranchKind.SWITCH else 2):
            inner = builder.nested()
            inside = self.fill(inner, scope, depth, 3)
            results = tuple(self.random.choice(inside[-4:]) for _ in outs)
            blocks.append(inner.block((), Display(tuple, results)))
        predicate = self.sign if kind is BranchKind.COND else self.flag
        if kind is BranchKind.SWITCH:
            predicate = Const(self.random.randint(0, 2))
        return list(builder.add(Branch(kind, outs, predicate, tuple(blocks))))


@pytest.mark.parametrize("seed", [*range(COUNT), 112, 207])
def test_random_program_prints_as_what_it_computes(seed):
    function = Maker(seed).function()
    text = render(function, Header(), SOURCES)
    rows = jnp.linspace(-0.5, 0.5, 12).reshape(4, 3)
    x, y = jnp.array([0.1, -0.2, 0.3]), jnp.array([1.0, 0.5, -0.5])
    for flag in (True, False):
        arguments = (x, y, rows, [row * 0.5 for row in rows], flag, jnp.array(flag))
        expected = evaluate(function, arguments, {})
        actual = getattr(load(text), text.main)(*arguments)
        for left, right in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-4, err_msg=text.source)
