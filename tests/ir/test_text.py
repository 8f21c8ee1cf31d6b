"""`show` reads like Python."""

import inspect
import operator

import jax.numpy as jnp

from invcompiler.ir.build import Builder
from invcompiler.ir.nodes import (
    Branch,
    BranchKind,
    Capture,
    Const,
    Display,
    Each,
    Enumerate,
    Function,
    Loop,
    LoopKind,
    Method,
    Param,
    Ref,
    Reversed,
    Slice,
    Star,
    Var,
)
from invcompiler.ir.text import show


def ref(fn, spelling=None):
    return Ref(fn, spelling or fn.__name__)


def expected(text):
    return inspect.cleandoc(text)


def test_equations_read_like_statements():
    x, k, rest, w = Var("x"), Var("k"), Var("rest"), Var("w")
    builder = Builder()
    half = builder.apply(ref(operator.getitem), (x, Slice(Const(None), k, Const(None))))
    part = builder.apply(
        ref(operator.getitem), (x, Display(tuple, (Const(...), Slice(k, *[Const(None)] * 2))))
    )
    size = builder.apply(ref(getattr), (half, Const("shape")))
    flat = builder.apply(Method("reshape"), (part, Const(-1)), (("order", Const("C")),))
    power = builder.apply(ref(operator.pow), (Const(-2), flat), name="x")
    both = builder.apply(ref(jnp.concatenate, "jnp.concatenate"), (Display(list, (power, w)),))
    last = builder.apply(ref(print), (Star(rest),))
    result = Display(dict, (both, last), ("a", "b"))
    kinds = inspect.Parameter
    params = (
        Param(x, kinds.POSITIONAL_ONLY),
        Param(k, kinds.KEYWORD_ONLY, Const(2)),
        Param(rest, kinds.VAR_KEYWORD),
    )
    capture = Capture("self", None, (("attr", "w"), ("item", 0)))
    f = Function("f", params, builder.block((), result), ((w, capture),))
    assert show(f) == expected("""
        def f(x, /, *, k=2, **rest):
            # captures w = self.w[0]
            v1 = x[:k]
            v2 = x[..., k:]
            v3 = v1.shape
            v4 = v2.reshape(-1, order='C')
            x_1 = (-2) ** v4
            v5 = jnp.concatenate([x_1, w])
            v6 = print(*rest)
            return {'a': v5, 'b': v6}
    """)
    assert show(f) == show(f)


def test_loops_and_branches():
    xs, carry, i, x, last, ys, out = (Var(n) for n in ["xs", "c", "i", "x", "last", "ys", "out"])
    outer = Builder()
    body = outer.nested()
    total = body.apply(ref(operator.add), (carry, x), name="c")
    block = body.block((carry, i, x), Display(tuple, (total, total)))
    iterable = Enumerate(Reversed(Each(xs)))
    outer.add(Loop(LoopKind.SCAN, (last, ys), (Const(0.0),), iterable, block))
    sides = tuple(outer.nested().block((), Display(tuple, (v,))) for v in (last, Const(1)))
    outer.add(Branch(BranchKind.COND, (out,), last, sides))
    params = (Param(xs, inspect.Parameter.POSITIONAL_OR_KEYWORD),)
    assert show(Function("f", params, outer.block((), out))) == expected("""
        def f(xs):
            last, ys = scan i, x in enumerate(reversed(xs), 0) from c = 0.0:
                c_1 = c + x
                yield c_1, c_1
            out = cond last:
                yield last
            else:
                yield 1
            return out
    """)
