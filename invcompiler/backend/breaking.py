"""Where a long statement may break, as `ruff format` sees it: one line of text in, several out.

Brackets that are there break first; parentheses are added around operators where there are none.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from invcompiler.backend.docs import (
    Choice,
    Doc,
    FitsExpanded,
    Group,
    Indent,
    Line,
    Mark,
    Parenthesized,
    When,
    print_doc,
)
from invcompiler.backend.omission import (
    BOOLEAN,
    BRACKETED,
    COMPARISON,
    COMPREHENSIONS,
    LOOSENESS,
    Omission,
)


class _Level:
    """What stands around an expression: nothing, parentheses, or parentheses if `mark` is broken."""

    def __init__(self, mark: Mark | None = None, inside: bool = False):
        self.mark = mark
        self.inside = inside


_TOP = _Level()
_INSIDE = _Level(inside=True)


def break_line(text: str, indent: int, width: int) -> str:
    """Return the statement `text` (a header ends in `:`) broken into lines of at most `width` where it can be."""
    source = text.strip()
    header = source.endswith(":")
    prefix = "if 1: pass\n" if source.startswith("elif ") else ""
    tree = ast.parse(prefix + source[len("el") * bool(prefix) :] + (" pass" if header else ""))
    statement = tree.body[-1]
    doc = _Statement(source[len("el") * bool(prefix) :], len(prefix) and 2).statement(statement)
    return print_doc(["el", doc] if prefix else doc, indent, width)


@dataclass
class _Operand:
    """A piece of a chain of operators: operands and operators in turn."""

    doc: Callable[[_Level], Doc]


class _Statement:
    """Builds the document of one statement from its text and its tree."""

    def __init__(self, source: str, line: int = 0):
        self.data = source.encode()
        self.line = line or 1

    def text(self, node: ast.AST) -> str:
        return self.data[node.col_offset : node.end_col_offset].decode()  # type: ignore[attr-defined]

    # ---- statements ----

    def statement(self, node: ast.stmt) -> Doc:
        match node:
            case ast.Return(value=value) if value is not None:
                return ["return ", self.assigned(value)]
            case ast.Assign(targets=targets, value=value):
                heads = [[self.target(target), " = "] for target in targets]
                return [*heads, self.assigned(value)]
            case ast.AugAssign(value=value):
                head = self.data[: value.col_offset].decode().rstrip("( ")
                return [head, " ", self.value(value)]
            case ast.Expr(value=value):
                return self.value(value)
            case ast.If(test=test):
                return ["if ", self.value(test), ":"]
            case ast.While(test=test):
                return ["while ", self.value(test), ":"]
            case ast.For(target=target, iter=iterated):
                return ["for ", self.target(target), " in ", self.value(iterated), ":"]
            case ast.FunctionDef():
                return self.definition(node)
            case ast.ImportFrom():
                return self.import_from(node)
            case ast.Assert(test=test, msg=None):
                return ["assert ", self.value(test)]
            case _:
                return self.data.decode()

    def target(self, node: ast.expr) -> Doc:
        if isinstance(node, ast.Tuple) and not self._has_parentheses(node):
            return self.text(node)
        return self.expr(node, _TOP, -1)

    def definition(self, node: ast.FunctionDef) -> Doc:
        source = self.data.decode()
        head = source[: source.index("(")]
        args = node.args
        parts: list[Doc] = []
        positional = [*args.posonlyargs, *args.args]
        defaults = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
        for at, (arg, default) in enumerate(zip(positional, defaults, strict=True)):
            parts.append(self.parameter(arg, default))
            if at + 1 == len(args.posonlyargs):
                parts.append("/")
        if args.vararg:
            parts.append("*" + args.vararg.arg)
        elif args.kwonlyargs:
            parts.append("*")
        for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            parts.append(self.parameter(arg, default))
        if args.kwarg:
            parts.append("**" + args.kwarg.arg)
        trailing = not args.kwarg and not (args.vararg and not args.kwonlyargs)
        inner: list[Doc] = [_commas(parts, True if parts else trailing)]
        tail = source[source.rindex(")") + 1 :] if node.returns is None else ":"
        returns: Doc = ["" if node.returns is None else " -> " + self.text(node.returns), tail]
        return [head, self.brackets("(", Group(inner), ")", _TOP), returns]

    def parameter(self, arg: ast.arg, default: ast.expr | None) -> Doc:
        if default is None:
            return self.text(arg)
        sign = " = " if arg.annotation else "="
        return [self.text(arg), sign, self.expr(default, _INSIDE, -1)]

    def import_from(self, node: ast.ImportFrom) -> Doc:
        names: list[Doc] = [self.text(alias) for alias in node.names]
        head = f"from {'.' * node.level}{node.module or ''} import "
        listed = Indent([Line.SOFT, _commas(names, True)])
        return [head, Group([When(True, "("), listed, Line.SOFT, When(True, ")")])]

    def assigned(self, node: ast.expr) -> Doc:
        if not isinstance(node, ast.Lambda):
            return self.value(node)
        mark = Mark()
        head, body = self.function_parts(node, _Level(mark), -1)
        return _optional([head, FitsExpanded(body, None)], mark)

    def value(self, node: ast.expr) -> Doc:
        """Return the document of the last expression of a statement, which gets parentheses if it breaks."""
        if isinstance(node, ast.Tuple) and not self._has_parentheses(node):
            return self._tuple_without_parentheses(node)
        needs = self._needs(node)
        if needs is _Needs.NEVER:
            return self.bare(node, _TOP, -1)
        mark = Mark()
        if needs is _Needs.BEST_FIT:
            return Parenthesized(self.bare(node, _Level(mark), -1), mark)
        if Omission(self.is_parenthesized).allows(node):
            return _optional(self.bare(node, _Level(mark), -1), mark)
        return _in_parentheses_if_broken(self.bare(node, _INSIDE, -1))

    def _tuple_without_parentheses(self, node: ast.Tuple) -> Doc:
        mark = Mark()
        if len(node.elts) == 1:
            return self.expr(node.elts[0], _INSIDE, -1)
        items = [self.expr(item, _INSIDE, -1) for item in node.elts]
        return _optional(_commas(items, True), mark)

    # ---- what needs parentheses to break ----

    def _needs(self, node: ast.expr) -> str:
        match node:
            case ast.BinOp() | ast.BoolOp() | ast.Compare() | ast.IfExp() | ast.Lambda():
                return _Needs.MULTILINE
            case ast.UnaryOp(op=op, operand=operand):
                if self.is_parenthesized(operand, -1):
                    return _Needs.NEVER
                return self._needs(operand) if isinstance(op, ast.Not) else _Needs.MULTILINE
            case ast.Call(func=inner) | ast.Subscript(value=inner):
                if self.is_fluent(node):
                    return _Needs.MULTILINE
                if self.is_parenthesized(inner, -1):
                    return _Needs.NEVER
                needs = self._needs(inner)
                return _Needs.NEVER if needs is _Needs.BEST_FIT else needs
            case ast.Attribute(value=inner):
                if self.is_fluent(node):
                    return _Needs.MULTILINE
                if self.is_parenthesized(inner, -1):
                    return _Needs.NEVER
                needs = self._needs(inner)
                return _Needs.BEST_FIT if needs is _Needs.BEST_FIT else needs
            case ast.Name() | ast.Constant():
                return _Needs.BEST_FIT if len(self.text(node)) > 5 else _Needs.NEVER
            case ast.Starred(value=inner):
                return self._needs(inner)
            case _:
                return _Needs.NEVER

    def is_fluent(self, node: ast.expr) -> bool:
        """Whether a chain of method calls has enough links to be broken at its dots."""
        links = 0
        while True:
            match node:
                case ast.Attribute(value=value):
                    if self.is_parenthesized(value, -1):
                        links += 1
                        break
                    links += isinstance(value, ast.Call | ast.Subscript)
                    node = value
                case ast.Call(func=inner) | ast.Subscript(value=inner):
                    if self.is_parenthesized(inner, -1):
                        break
                    node = inner
                case _:
                    break
        return links >= 2

    # ---- expressions ----

    def is_parenthesized(self, node: ast.expr, floor: int) -> bool:
        """Whether `node` stands in parentheses of its own, inside the bracket at `floor`."""
        before, after = node.col_offset - 1, node.end_col_offset or 0
        while before >= 0 and self.data[before] in b" ":
            before -= 1
        if before < 0 or before <= floor or self.data[before] != ord("("):
            return False
        return after < len(self.data) and self.data[after] == ord(")") and not self._is_call(before)

    def _is_call(self, at: int) -> bool:
        """Whether the parenthesis at `at` opens a call."""
        before = self.data[:at]
        if not before or not (before[-1:].isalnum() or before[-1:] in b"_])"):
            return False
        word = before.rsplit(b" ", 1)[-1]
        return word not in (
            b"in",
            b"return",
            b"if",
            b"else",
            b"and",
            b"or",
            b"not",
            b"lambda",
            b"is",
        )

    def _has_parentheses(self, node: ast.Tuple) -> bool:
        return self.data[node.col_offset : node.col_offset + 1] == b"(" and (
            not node.elts
            or not self.data[node.elts[0].col_offset : node.elts[0].col_offset + 1] == b"("
            or node.elts[0].col_offset > node.col_offset
        )

    def expr(self, node: ast.expr, level: _Level, floor: int, fluent: bool | None = None) -> Doc:
        if self.is_parenthesized(node, floor):
            return self.brackets("(", self.bare(node, _INSIDE, floor), ")", level)
        return self.bare(node, level, floor, fluent)

    def bare(self, node: ast.expr, level: _Level, floor: int, fluent: bool | None = None) -> Doc:
        match node:
            case ast.Call() | ast.Subscript() | ast.Attribute():
                return self.chain(node, level, floor, fluent)
            case ast.BinOp() | ast.Compare() | ast.BoolOp():
                return _group(self.operators(self.flat(node, floor), level), level)
            case ast.UnaryOp(op=op, operand=operand):
                sign = {ast.Not: "not ", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}[type(op)]
                return [sign, self.expr(operand, level, floor)]
            case ast.IfExp():
                return _group(self.conditional(node, level, floor), level)
            case ast.Lambda():
                return self.function(node, level, floor)
            case ast.List():
                return self.sequence("[", node.elts, "]", level)
            case ast.Set():
                return self.sequence("{", node.elts, "}", level)
            case ast.Tuple():
                if self._has_parentheses(node):
                    return self.sequence("(", node.elts, ")", level)
                return _commas([self.expr(item, level, floor) for item in node.elts], True)
            case ast.Dict():
                return self.mapping(node, level)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self.comprehension(node, level)
            case ast.Starred(value=value):
                return ["*", self.expr(value, level, floor)]
            case ast.Slice():
                return self.slice(node, floor)
            case _:
                return self.text(node)

    def brackets(self, left: str, content: Doc, right: str, level: _Level) -> Doc:
        group = Group([Indent([Line.SOFT, content]), Line.SOFT, right])
        return [left, group if level.mark is None else FitsExpanded(group, level.mark)]

    def sequence(self, left: str, items: list[ast.expr], right: str, level: _Level) -> Doc:
        if not items:
            return left + right
        parts = [self.expr(item, _INSIDE, -1) for item in items]
        if len(items) == 1 and left == "(":
            return self.brackets(left, [parts[0], ","], right, level)
        return self.brackets(left, _commas(parts, True), right, level)

    def mapping(self, node: ast.Dict, level: _Level) -> Doc:
        if not node.keys:
            return "{}"
        parts: list[Doc] = [
            ["**", self.expr(value, _INSIDE, -1)]
            if key is None
            else [self.expr(key, _INSIDE, -1), ": ", self.expr(value, _INSIDE, -1)]
            for key, value in zip(node.keys, node.values, strict=True)
        ]
        return self.brackets("{", _commas(parts, True), "}", level)

    def comprehension(self, node: ast.expr, level: _Level) -> Doc:
        assert isinstance(node, COMPREHENSIONS)
        brackets = {ast.ListComp: ("[", "]"), ast.GeneratorExp: ("(", ")")}
        left, right = brackets.get(type(node), ("{", "}"))
        if isinstance(node, ast.DictComp):
            element: Doc = [
                self.expr(node.key, _INSIDE, -1),
                ": ",
                self.expr(node.value, _INSIDE, -1),
            ]
        else:
            element = Group(self.expr(node.elt, _INSIDE, node.col_offset))
        parts: list[Doc] = [element]
        for generator in node.generators:
            parts += [Line.SPACE, self.generator(generator)]
        return self.brackets(left, Group(parts), right, level)

    def generator(self, node: ast.comprehension) -> Doc:
        parts: list[Doc] = ["for ", self.target(node.target)]
        parts += [" in ", self.expr(node.iter, _INSIDE, -1)]
        for test in node.ifs:
            parts += [Line.SPACE, "if ", self.expr(test, _INSIDE, -1)]
        return Group(parts)

    def conditional(self, node: ast.IfExp, level: _Level, floor: int) -> Doc:
        parts: list[Doc] = [self.expr(node.body, level, floor), _space(level)]
        parts += ["if ", self.expr(node.test, level, floor), _space(level), "else "]
        orelse = node.orelse
        if isinstance(orelse, ast.IfExp) and not self.is_parenthesized(orelse, floor):
            return [*parts, self.conditional(orelse, level, floor)]
        return [*parts, self.expr(orelse, level, floor)]

    def function(self, node: ast.Lambda, level: _Level, floor: int) -> Doc:
        return list(self.function_parts(node, level, floor))

    def function_parts(self, node: ast.Lambda, level: _Level, floor: int) -> tuple[Doc, Doc]:
        """Return what a lambda begins with, and its body, which gets parentheses if it breaks."""
        head = self.data[node.col_offset : node.body.col_offset].decode()
        body = node.body
        if self.is_parenthesized(body, floor):
            head = head.rstrip("( ") + " "
        if isinstance(body, ast.Call | ast.Subscript) and not self.is_fluent(body):
            doc = self.bare(body, level, floor)
            inside: list[Doc] = ["(", Indent([Line.HARD, doc]), Line.HARD, ")"]
            return head, Choice((doc, Group(doc, always_broken=True), inside))
        if isinstance(body, (ast.Tuple, *BRACKETED)):
            return head, self.bare(body, level, floor)
        return head, _in_parentheses_if_broken(self.bare(body, _INSIDE, floor))

    def slice(self, node: ast.Slice, floor: int) -> Doc:
        parts = [node.lower, node.upper, node.step]
        docs = [None if part is None else self.expr(part, _INSIDE, floor) for part in parts]
        gap = " " if b" :" in self._between(node) or b": " in self._between(node) else ""
        lower, upper, step = docs
        doc: list[Doc] = [lower, gap] if lower is not None else []
        doc.append(":")
        if upper is not None:
            doc += [gap, upper]
        if step is not None:
            doc += [gap if len(doc) > 1 else "", ":", gap, step]
        return doc

    def _between(self, node: ast.Slice) -> bytes:
        """Return the text of a slice around its colons."""
        start = node.lower.end_col_offset if node.lower else node.col_offset
        after = node.upper or node.step
        end = after.col_offset if after else node.end_col_offset
        return self.data[start:end]

    # ---- calls, indices, attributes ----

    def chain(self, node: ast.expr, level: _Level, floor: int, fluent: bool | None) -> Doc:
        """Return a chain of calls; where it is long and in parentheses, it breaks before its dots."""
        is_root = fluent is None
        if fluent is None:
            fluent = level.mark is not None or level.inside
            fluent = fluent and self.is_fluent(node)
        doc = self._link(node, level, floor, fluent)
        return Group(doc) if is_root and fluent else doc

    def _link(self, node: ast.expr, level: _Level, floor: int, fluent: bool) -> Doc:
        match node:
            case ast.Call(func=func):
                return [self.expr(func, level, floor, fluent), self.arguments(node, level)]
            case ast.Subscript(value=value, slice=index):
                return [self.expr(value, level, floor, fluent), self.index(index, node, level)]
            case ast.Attribute(value=value, attr=attr):
                parts = [self.expr(value, level, floor, fluent)]
                if fluent and (
                    isinstance(value, ast.Call | ast.Subscript)
                    or self.is_parenthesized(value, floor)
                ):
                    parts.append(_soft(level))
                return [*parts, "." + attr]
        raise AssertionError(node)

    def index(self, index: ast.expr, node: ast.Subscript, level: _Level) -> Doc:
        floor = node.value.end_col_offset or 0
        if isinstance(index, ast.Tuple) and not self._has_parentheses(index):
            items = [self.expr(item, _INSIDE, floor) for item in index.elts]
            return self.brackets("[", _commas(items, True), "]", level)
        return self.brackets("[", self.expr(index, _INSIDE, floor), "]", level)

    def arguments(self, node: ast.Call, level: _Level) -> Doc:
        floor = self.data.index(b"(", node.func.end_col_offset or 0)
        if self.is_parenthesized(node.func, -1):
            floor = self.data.index(b"(", (node.func.end_col_offset or 0) + 1)
        if not node.args and not node.keywords:
            return "()"
        if len(node.args) == 1 and not node.keywords and isinstance(node.args[0], ast.GeneratorExp):
            return self.comprehension(node.args[0], level)
        parts = [self.expr(arg, _INSIDE, floor) for arg in node.args]
        parts += [self.keyword(keyword, floor) for keyword in node.keywords]
        return self.brackets("(", Group(_commas(parts, True)), ")", level)

    def keyword(self, node: ast.keyword, floor: int) -> Doc:
        value = self.expr(node.value, _INSIDE, floor)
        return ["**", value] if node.arg is None else [node.arg, "=", value]

    # ---- operators ----

    def flat(self, node: ast.expr, floor: int) -> list:
        """Return operands and operators in turn, as they stand in the text outside parentheses."""
        if isinstance(node, ast.BinOp):
            symbol = _symbol(node.op)
            return [
                *self.operand(node.left, floor),
                (symbol, node),
                *self.operand(node.right, floor),
            ]
        if isinstance(node, ast.Compare):
            parts = self.operand(node.left, floor)
            for op, comparator in zip(node.ops, node.comparators, strict=True):
                parts += [(_symbol(op), node), *self.operand(comparator, floor)]
            return parts
        assert isinstance(node, ast.BoolOp)
        parts = self.operand(node.values[0], floor)
        for value in node.values[1:]:
            parts += [(_symbol(node.op), node), *self.operand(value, floor)]
        return parts

    def operand(self, node: ast.expr, floor: int) -> list:
        inner = isinstance(node, ast.BinOp | ast.Compare | ast.BoolOp)
        if inner and not self.is_parenthesized(node, floor):
            return self.flat(node, floor)
        return [_Operand(lambda level: self.expr(node, level, floor))]

    def operators(self, parts: list, level: _Level) -> Doc:
        """Return a chain that breaks at its loosest operators first."""
        if len(parts) == 1:
            return parts[0].doc(level)
        loosest = max(_looseness(part) for part in parts[1::2])
        doc: list[Doc] = []
        start = 0
        for at in range(1, len(parts), 2):
            if _looseness(parts[at]) == loosest:
                symbol, node = parts[at]
                doc.append(self._operands(parts[start:at], level))
                if symbol == "**" and _is_tight(self.data, node):
                    doc += [_soft(level), symbol, _space_if_broken(level)]
                else:
                    doc += [_space(level), symbol, " "]
                start = at + 1
        return [*doc, self._operands(parts[start:], level)]

    def _operands(self, parts: list, level: _Level) -> Doc:
        doc = self.operators(parts, level)
        return doc if len(parts) == 1 else _group(doc, level)


class _Needs:
    NEVER = "never"
    MULTILINE = "multiline"
    BEST_FIT = "best fit"


def _symbol(op: ast.AST) -> str:
    names = {
        ast.Add: "+",
        ast.Sub: "-",
        ast.Mult: "*",
        ast.MatMult: "@",
        ast.Div: "/",
        ast.Mod: "%",
        ast.Pow: "**",
        ast.LShift: "<<",
        ast.RShift: ">>",
        ast.BitOr: "|",
        ast.BitXor: "^",
        ast.BitAnd: "&",
        ast.FloorDiv: "//",
        ast.And: "and",
        ast.Or: "or",
        ast.Eq: "==",
        ast.NotEq: "!=",
        ast.Lt: "<",
        ast.LtE: "<=",
        ast.Gt: ">",
        ast.GtE: ">=",
        ast.Is: "is",
        ast.IsNot: "is not",
        ast.In: "in",
        ast.NotIn: "not in",
    }
    return names[type(op)]


def _looseness(part: tuple[str, ast.expr]) -> int:
    node = part[1]
    if isinstance(node, ast.BinOp):
        return LOOSENESS[type(node.op)]
    return COMPARISON if isinstance(node, ast.Compare) else BOOLEAN


def _is_tight(data: bytes, node: ast.BinOp) -> bool:
    between = data[node.left.end_col_offset or 0 : node.right.col_offset]
    return b" " not in between


def _space(level: _Level) -> Doc:
    if level.inside:
        return Line.SPACE
    if level.mark is None:
        return " "
    return [When(True, Line.SPACE, level.mark), When(False, " ", level.mark)]


def _soft(level: _Level) -> Doc:
    if level.inside:
        return Line.SOFT
    return "" if level.mark is None else When(True, Line.SOFT, level.mark)


def _space_if_broken(level: _Level) -> Doc:
    if level.inside:
        return When(True, " ")
    return "" if level.mark is None else When(True, " ", level.mark)


def _group(doc: Doc, level: _Level) -> Doc:
    if level.inside:
        return Group(doc)
    return doc if level.mark is None else Group(doc, outer=level.mark)


def _commas(parts: list[Doc], trailing: bool) -> Doc:
    """Return `parts` with commas: all on one line, or one a line and a comma after the last."""
    doc: list[Doc] = []
    for at, part in enumerate(parts):
        doc += [",", Line.SPACE, part] if at else [part]
    return [*doc, When(True, ",")] if trailing else doc


def _in_parentheses_if_broken(content: Doc) -> Doc:
    return Group([When(True, "("), Indent([Line.SOFT, content]), Line.SOFT, When(True, ")")])


def _optional(content: Doc, mark: Mark) -> Doc:
    """Return `content` in parentheses if it does not fit after its brackets are broken."""
    inner = Indent([Line.SOFT, content], outer=mark)
    return Group([When(True, "("), inner, Line.SOFT, When(True, ")")], mark=mark)
