"""The IR as text, for doctests and for people: one line an equation, close to Python.

    def f(x, k=2):
        a = x[:k]
        total = scan c, x_1 in reversed(a) from c = 0.0:
            v1 = c + x_1
            yield v1
        return total

Names are the user's wishes, told apart by numbers; vars without a wish are v1, v2, ...
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterator
from typing import assert_never

from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Closure,
    Const,
    Display,
    Each,
    Enumerate,
    Equation,
    Function,
    Iter,
    Loop,
    Method,
    Opaque,
    Param,
    ParameterKind,
    Range,
    Ref,
    Reversed,
    Slice,
    Star,
    Tree,
    Var,
    Zip,
)

_INFIX = {
    operator.add: "+",
    operator.sub: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.mod: "%",
    operator.pow: "**",
    operator.matmul: "@",
    operator.and_: "&",
    operator.or_: "|",
    operator.xor: "^",
    operator.lshift: "<<",
    operator.rshift: ">>",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
    operator.is_: "is",
    operator.is_not: "is not",
}
_PREFIX = {operator.neg: "-", operator.pos: "+", operator.invert: "~", operator.not_: "not "}
# A callee need not be hashable.
_INFIX_BY_ID = {id(fn): sign for fn, sign in _INFIX.items()}
_PREFIX_BY_ID = {id(fn): sign for fn, sign in _PREFIX.items()}


def show(function: Function) -> str:
    """Return the text of `function`; the same IR always has the same text."""
    names = _Names()
    params = ", ".join(_params(names, function.params))
    lines = [f"def {function.name}({params}):"]
    if function.captures:
        found = (_capture(names, var, capture) for var, capture in function.captures)
        lines.append(f"    # captures {', '.join(found)}")
    lines += _indent(_block(names, function.body, "return"))
    return "\n".join(lines)


class _Names:
    def __init__(self) -> None:
        self._names: dict[Var, str] = {}
        self._taken: set[str] = set()
        self._unnamed = 0

    def __getitem__(self, var: Var) -> str:
        if var not in self._names:
            self._names[var] = self._named(var.name) if var.name else self._number()
            self._taken.add(self._names[var])
        return self._names[var]

    def _named(self, wish: str) -> str:
        name, count = wish, 0
        while name in self._taken:
            count += 1
            name = f"{wish}_{count}"
        return name

    def _number(self) -> str:
        self._unnamed += 1
        return self._named(f"v{self._unnamed}")


# ---- functions ----------------------------------------------------------------------------------


def _params(names: _Names, params: tuple[Param, ...]) -> Iterator[str]:
    stars = {ParameterKind.VAR_POSITIONAL: "*", ParameterKind.VAR_KEYWORD: "**"}
    before: ParameterKind | None = None
    for param in params:
        if before is ParameterKind.POSITIONAL_ONLY and param.kind is not before:
            yield "/"
        starred = (ParameterKind.VAR_POSITIONAL, ParameterKind.KEYWORD_ONLY)
        if param.kind is ParameterKind.KEYWORD_ONLY and before not in starred:
            yield "*"
        default = "" if param.default is None else f"={_tree(names, param.default)}"
        yield f"{stars.get(param.kind, '')}{names[param.var]}{default}"
        before = param.kind
    if before is ParameterKind.POSITIONAL_ONLY:
        yield "/"


def _capture(names: _Names, var: Var, capture) -> str:
    found = capture.name
    for kind, step in capture.steps:
        found += f".{step}" if kind == "attr" else f"[{step!r}]"
    name = names[var]
    return name if name == found else f"{name} = {found}"


def _indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _block(names: _Names, block: Block, word: str) -> list[str]:
    lines = [line for equation in block.equations for line in _equation(names, equation)]
    result = block.result
    if word == "yield" and isinstance(result, Display) and result.kind is tuple:
        return [*lines, f"yield {', '.join(_tree(names, item) for item in result.items)}".rstrip()]
    return [*lines, f"{word} {_tree(names, result)}"]


# ---- equations ----------------------------------------------------------------------------------


def _equation(names: _Names, equation: Equation) -> list[str]:
    match equation:
        case Apply():
            right = _apply(names, equation)
            arity = "" if equation.arity is None else f"  # of {equation.arity}"
            return [f"{names[equation.out]} = {right}{arity}"]
        case Loop():
            return _loop(names, equation)
        case Branch():
            return _branch(names, equation)
        case Opaque():
            ins = "".join(f", {name}={_tree(names, tree)}" for name, tree in equation.ins)
            return [f"{_outs(names, equation)}opaque({equation.what!r}{ins})"]
        case _:
            assert_never(equation)


def _outs(names: _Names, equation: Equation) -> str:
    return f"{', '.join(names[var] for var in equation.outs)} = " if equation.outs else ""


def _apply(names: _Names, equation: Apply) -> str:
    fn, args = equation.fn, equation.args
    if isinstance(fn, Ref) and not equation.kwargs:
        special = _special(names, fn.value, args)
        if special is not None:
            return special
    texts = [_tree(names, arg) for arg in args]
    texts += [
        f"**{_tree(names, value)}" if name is None else f"{name}={_tree(names, value)}"
        for name, value in equation.kwargs
    ]
    if isinstance(fn, Method):
        return f"{_operand(names, args[0])}.{fn.name}({', '.join(texts[1:])})"
    return f"{_operand(names, fn)}({', '.join(texts)})"


def _special(names: _Names, fn: object, args: tuple[Tree, ...]) -> str | None:
    if any(isinstance(arg, Star) for arg in args):
        return None
    if len(args) == 2 and id(fn) in _INFIX_BY_ID:
        left, right = (_operand(names, arg) for arg in args)
        return f"{left} {_INFIX_BY_ID[id(fn)]} {right}"
    if len(args) == 1 and id(fn) in _PREFIX_BY_ID:
        return f"{_PREFIX_BY_ID[id(fn)]}{_operand(names, args[0])}"
    if fn is operator.getitem:
        return f"{_operand(names, args[0])}[{_index(names, args[1])}]"
    if fn is getattr and len(args) == 2 and isinstance(args[1], Const):
        return f"{_operand(names, args[0])}.{args[1].value}"
    return None


def _loop(names: _Names, loop: Loop) -> list[str]:
    params = [names[var] for var in loop.body.params]
    carried, items = params[: len(loop.init)], params[len(loop.init) :]
    head = loop.kind.value.removeprefix("lax.")
    if loop.iterable is not None:
        head += f" {', '.join(items)} in {_iter(names, loop.iterable)}"
    if carried:
        init = ", ".join(_tree(names, tree) for tree in loop.init)
        head += f" from {', '.join(carried)} = {init}"
    if loop.options:
        head += " with " + ", ".join(f"{k}={_tree(names, v)}" for k, v in loop.options)
    body = _indent(_block(names, loop.body, "yield"))
    return [f"{_outs(names, loop)}{head}:", *body]


def _branch(names: _Names, branch: Branch) -> list[str]:
    predicate = _tree(names, branch.predicate)
    if branch.kind is BranchKind.SWITCH:
        heads = [f"case {i}:" for i in range(len(branch.blocks))]
        heads[0] = f"switch {predicate}: case 0:"
    else:
        heads = [f"{'cond' if branch.kind is BranchKind.COND else 'if'} {predicate}:", "else:"]
    lines: list[str] = []
    for head, block in zip(heads, branch.blocks, strict=True):
        lines += [head, *_indent(_block(names, block, "yield"))]
    return [_outs(names, branch) + lines[0], *lines[1:]]


def _iter(names: _Names, iterable: Iter) -> str:
    match iterable:
        case Range():
            bounds = (_tree(names, t) for t in (iterable.start, iterable.stop, iterable.step))
            return f"range({', '.join(bounds)})"
        case Each():
            view = f".{iterable.view}()" if iterable.view else ""
            return f"{_operand(names, iterable.value)}{view}"
        case Zip():
            strict = ["strict=True"] if iterable.strict else []
            return f"zip({', '.join([*(_iter(names, p) for p in iterable.parts), *strict])})"
        case Enumerate():
            return f"enumerate({_iter(names, iterable.part)}, {_tree(names, iterable.start)})"
        case Reversed():
            return f"reversed({_iter(names, iterable.part)})"
        case _:
            assert_never(iterable)


# ---- trees --------------------------------------------------------------------------------------


def _operand(names: _Names, tree: Tree) -> str:
    text = _tree(names, tree)
    return f"({text})" if text.startswith(("-", "lambda")) else text


def _tree(names: _Names, tree: Tree) -> str:
    match tree:
        case Var():
            return names[tree]
        case Const():
            return "..." if tree.value is Ellipsis else repr(tree.value)
        case Ref():
            return tree.value.name if isinstance(tree.value, Function) else tree.spelling
        case Display():
            return _display(names, tree)
        case Slice():
            return f"slice({', '.join(_tree(names, t) for t in _parts(tree))})"
        case Star():
            return f"*{_operand(names, tree.value)}"
        case Closure():
            return _closure(names, tree)
        case _:
            assert_never(tree)


def _closure(names: _Names, closure: Closure) -> str:
    if isinstance(closure.node, ast.Lambda):
        text = ast.unparse(closure.node)
    else:
        text = f"<def {closure.node.name}>"
    env = [(name, _tree(names, value)) for name, value in closure.env]
    differs = [f"{name}={value}" for name, value in env if name != value]
    return f"{text} [{', '.join(differs)}]" if differs else text


def _parts(part: Slice) -> tuple[Tree, Tree, Tree]:
    return part.lower, part.upper, part.step


def _index(names: _Names, tree: Tree) -> str:
    if isinstance(tree, Slice):
        lower, upper, step = (
            "" if part == Const(None) else _tree(names, part) for part in _parts(tree)
        )
        return f"{lower}:{upper}" + (f":{step}" if step else "")
    if isinstance(tree, Display) and tree.kind is tuple and tree.items:
        items = ", ".join(_index(names, item) for item in tree.items)
        return f"{items}," if len(tree.items) == 1 else items
    return _tree(names, tree)


def _display(names: _Names, display: Display) -> str:
    items = [_tree(names, item) for item in display.items]
    if display.kind is dict:
        pairs = (
            f"**{item[1:]}" if isinstance(tree, Star) else f"{key!r}: {item}"
            for key, tree, item in zip(display.keys or (), display.items, items, strict=True)
        )
        return f"{{{', '.join(pairs)}}}"
    if display.keys is not None:
        named = zip(display.keys, items, strict=True)
        return f"{display.kind.__name__}({', '.join(f'{key}={item}' for key, item in named)})"
    if display.kind is tuple:
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    brackets: dict[type, tuple[str, str]] = {list: ("[", "]"), set: ("{", "}")}
    opening, closing = brackets.get(display.kind, (f"{display.kind.__name__}([", "])"))
    return f"{opening}{', '.join(items)}{closing}"


__all__ = ["show"]
