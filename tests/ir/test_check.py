"""`check` accepts what is well formed and says what is wrong with the rest."""

import inspect
import operator

import pytest

from invcompiler.ir.check import MalformedError, check
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Const,
    Display,
    Each,
    Function,
    Loop,
    LoopKind,
    Method,
    Param,
    Ref,
    Star,
    Var,
)

ADD = Ref(operator.add, "add")


def of(x, *equations, result=Const(None)):
    param = Param(x, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return Function("f", (param,), Block((), equations, result))


def loop(x, params, result, kind=LoopKind.FOR, outs=1, init=(Const(0),)):
    body = Block(tuple(params), (), result)
    return Loop(kind, tuple(Var() for _ in range(outs)), init, Each(x), body)


def test_well_formed_functions_come_back():
    x, carry, item = Var("x"), Var("c"), Var("i")
    equation = loop(x, (carry, item), Display(tuple, (item,)))
    assert check(f := of(x, equation, result=equation.outs[0])) is f


def malformed():
    x, y, z = Var("x"), Var("y"), Var("z")
    add = Apply(y, ADD, (x, x))
    inner = Branch(
        BranchKind.IF,
        (z,),
        x,
        (Block((), (add,), Display(tuple, (y,))), Block((), (), Display(tuple, (y,)))),
    )
    one = Display(tuple, (x,))
    yield "bound twice", of(x, add, add)
    yield "bound twice", of(x, Apply(x, ADD, (x, x)))
    yield "unbound", of(x, Apply(z, ADD, (y, x)))
    yield "unbound", of(x, result=y)
    yield "outside of the block", of(x, inner)
    yield "starred", of(x, result=Star(x))
    yield "method needs", of(x, Apply(y, Method("sum"), ()))
    yield "a block takes 1, not 2", of(x, loop(x, (Var(),), one))
    yield "a block gives 1, not 2", of(x, loop(x, (Var(), Var()), one, outs=2))
    yield "tuple display", of(x, loop(x, (Var(), Var()), x))
    yield "for each carried value", of(x, loop(x, (Var(), Var()), Display(tuple, ()), outs=0))
    yield "iterates a range", of(x, loop(x, (Var(), Var()), one, LoopKind.FORI))
    yield "carries nothing", of(x, loop(x, (Var(), Var()), one, LoopKind.MAP))
    yield "blocks are missing", of(x, Branch(BranchKind.COND, (y,), x, ()))


@pytest.mark.parametrize(("message", "function"), list(malformed()))
def test_malformed_functions_are_refused(message, function):
    with pytest.raises(MalformedError, match=message):
        check(function)
