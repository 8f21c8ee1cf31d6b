"""Print a module's tree: astor walks it, `layout` breaks the lines, and the result is held against the tree.

Astor prints what we make. Where it would not print what a person (or `ruff format`) would, a method
here does; and a statement of the user's that it cannot print at all (`match`, type parameters) goes through
`ast.unparse`.

>>> tree = ast.parse("def f(x, *, w): return -x ** 2 + w[..., 1 :x.ndim - 1]")
>>> print(print_module(tree, {}, False)[0], end="")
def f(x, *, w):
    return -(x**2) + w[..., 1 : x.ndim - 1]
"""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
import warnings
from collections.abc import Mapping
from typing import Any

from invcompiler.backend.layout import WIDTH, Begin, lay_out
from invcompiler.ir.nodes import Span

with warnings.catch_warnings():  # astor names classes that Python deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    import astor
    from astor.code_gen import SourceGenerator, set_precedence
    from astor.op_util import Precedence

Spans = Mapping[ast.stmt, tuple[Span, ...]]

_UNPRINTABLE = tuple(
    getattr(ast, name)
    for name in (
        "TryStar",
        "TypeAlias",
        "AsyncFunctionDef",
        "ClassDef",
        "AsyncFor",
        "AsyncWith",
    )
    if hasattr(ast, name)
)


_SIGNS = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.Not: "not "}


class PrintedWrong(AssertionError):
    """What was printed does not parse to the tree that was to be printed: a bug of the printer's."""


def print_module(
    tree: ast.Module, spans: Spans, line_comments: bool
) -> tuple[str, tuple[tuple[int, Span | None], ...]]:
    """Return the text of `tree`, a fixed point of `ruff format` at 100 columns, and where its lines come from.

    Raises PrintedWrong if the text does not parse to `tree`.
    """
    place_docstrings(tree.body, "")
    comments = _line_comments(tree, spans) if line_comments else {}
    laid_out = lay_out(_pieces(tree), comments)
    _verify(laid_out.text, tree)
    origins = (
        (line, next(iter(spans.get(statement, ())), None))
        for line, statement in laid_out.statements
    )
    return laid_out.text, tuple(origins)


def _pieces(tree: ast.Module) -> list[str]:
    """Return what astor hands to its `pretty_source`: text, line breaks, and where each statement begins."""
    pieces: list[str] = []

    def keep(result: list[str]) -> str:
        pieces.extend(result)
        return ""

    astor.to_source(tree, pretty_source=keep, source_generator_class=_Generator)
    return pieces


def _verify(text: str, tree: ast.Module) -> None:
    printed = ast.parse(text)
    if not same_tree(printed, tree) and not same_tree(printed, _normal(tree)):
        wanted = ast.unparse(ast.fix_missing_locations(tree))
        raise PrintedWrong(f"printed\n\n{text}\n\nfor\n\n{wanted}")


def _normal(tree: ast.Module) -> ast.AST:
    """Return `tree` as the parser would make it: of some texts there are several trees."""
    return ast.parse(ast.unparse(ast.fix_missing_locations(tree)))


def same_tree(one: ast.AST, other: ast.AST) -> bool:
    """Whether two trees are the same but for positions."""
    pairs: list[tuple[Any, Any]] = [(one, other)]
    while pairs:
        left, right = pairs.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, ast.AST):
            names = left._fields
            pairs += [(getattr(left, n, None), getattr(right, n, None)) for n in names]
        elif isinstance(left, list):
            if len(left) != len(right):
                return False
            pairs += zip(left, right, strict=True)
        elif left != right and repr(left) != repr(right):
            return False
    return True


def _line_comments(tree: ast.Module, spans: Spans) -> dict[ast.stmt, str]:
    """Return `# line N` for each statement that has a line of the user's for itself."""
    owners: dict[tuple[str, int], list[ast.stmt]] = {}
    for statement, found in spans.items():
        for line in {(span.file, span.line) for span in found}:
            owners.setdefault(line, []).append(statement)
    comments = {}
    for statement, found in spans.items():
        lines = {(span.file, span.line) for span in found}
        if len(lines) == 1 and len(owners[line := lines.pop()]) == 1:
            comments[statement] = f"# line {line[1]}"
    return comments


class _Generator(SourceGenerator):
    """Astor's walk over a tree, with the spacing of `ruff format`."""

    # ---- statements ----

    def visit(self, node: Any) -> None:
        if isinstance(node, _UNPRINTABLE):
            self._verbatim(node)
        else:
            super().visit(node)

    def newline(self, node: Any = None, extra: int = 0) -> None:
        super().newline(None, extra)
        if isinstance(node, ast.stmt):
            self.write("")
            self.result.append(Begin(node))

    def _verbatim(self, node: ast.stmt) -> None:
        """Print a statement through `ast.unparse`."""
        first = True
        for line in _requoted(ast.unparse(ast.fix_missing_locations(node))).splitlines():
            self.newline()
            self.write("")
            if first:
                self.result.append(Begin(node))
            first = False
            if line:
                self.result.append(line)

    def visit_Match(self, node: ast.Match) -> None:
        set_precedence(Precedence.Expr, node.subject)
        self.statement(node, "match ", node.subject, ":")
        self.indentation += 1
        for case in node.cases:
            pattern = _requoted(ast.unparse(ast.fix_missing_locations(case.pattern)))
            self.write(self.newline, "case ", pattern)
            if case.guard is not None:
                set_precedence(Precedence.Comma, case.guard)
                self.write(" if ", case.guard)
            self.write(":")
            self.body(case.body)
        self.indentation -= 1

    def visit_FunctionDef(self, node: ast.FunctionDef, is_async: bool = False) -> None:
        self.decorators(node, 1)
        self.newline(node)
        self.write("def ", node.name, "(")
        self.visit_arguments(node.args)
        self.write(")")
        if node.returns is not None:
            set_precedence(Precedence.Comma, node.returns)
            self.write(" -> ", node.returns)
        self.write(":")
        body = node.body
        doc = ast.get_docstring(node, clean=False)
        self.indentation += 1
        if doc is not None:
            self.newline(body[0])
            escaped = doc.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
            self.write(f'"""{escaped}"""')
            body = body[1:]
        self.write(*body)
        self.indentation -= 1

    def visit_arguments(self, node: ast.arguments) -> None:
        parts: list[tuple] = []
        positional = [*node.posonlyargs, *node.args]
        defaults = [None] * (len(positional) - len(node.defaults)) + list(node.defaults)
        for at, (arg, default) in enumerate(zip(positional, defaults, strict=True)):
            parts.append(("", arg, default))
            if at + 1 == len(node.posonlyargs):
                parts.append(("/", None, None))
        if node.vararg is not None:
            parts.append(("*", node.vararg, None))
        elif node.kwonlyargs:
            parts.append(("*", None, None))
        parts += [("", a, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True)]
        if node.kwarg is not None:
            parts.append(("**", node.kwarg, None))
        for at, (star, arg, default) in enumerate(parts):
            self.write(", " if at else "", star)
            if arg is not None:
                self.write(arg)
            if default is not None:
                set_precedence(Precedence.Comma, default)
                self.write(" = " if arg.annotation else "=", default)

    def visit_Assert(self, node: ast.Assert) -> None:
        set_precedence(Precedence.Comma, node.test, node.msg)
        self.statement(node, "assert ", node.test)
        self.conditional_write(", ", node.msg)

    def visit_For(self, node: ast.For, is_async: bool = False) -> None:
        set_precedence(Precedence.Expr, node.target)
        set_precedence(Precedence.Expr, node.iter)
        self.statement(node, "for ", node.target, " in ", node.iter, ":")
        self.body_or_else(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.statement(node, "import ")
        self.comma_list(node.names)

    def visit_alias(self, node: ast.alias) -> None:
        self.write(node.name, *((" as ", node.asname) if node.asname else ()))

    # ---- expressions ----

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str):
            self.write(quoted(value))
        elif isinstance(value, bytes):
            self.write("b" + quoted(value.decode("latin-1"), value))
        elif isinstance(value, float | complex):
            self.write(number(value))
        else:
            self.write("..." if value is Ellipsis else repr(value))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        text = _f_string(node)
        self.write(ast.unparse(ast.fix_missing_locations(node)) if text is None else text)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        if self.get__pp(node) == Precedence.If:  # the test of an `if` or `while`
            set_precedence(Precedence.highest, node)
        if len(node.elts) != 1:
            super().visit_Tuple(node)
            return
        set_precedence(Precedence.Comma, *node.elts)
        self.write("(", node.elts[0], ",)")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not (isinstance(node.op, ast.Pow) and is_simple_power(node)):
            super().visit_BinOp(node)
            return
        with self.delimit(node, node.op):
            set_precedence(Precedence.Pow + 1, node.left)
            set_precedence(Precedence.PowRHS, node.right)
            self.write(node.left, "**", node.right)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        with self.delimit(node, node.op) as delimiters:
            inner = Precedence.highest if _is_power(node.operand) else delimiters.p
            set_precedence(inner, node.operand)
            self.write(_SIGNS[type(node.op)], node.operand)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        with self.delimit(node) as delimiters:
            set_precedence(delimiters.p, node.body)
            self.write("lambda ")
            before = len(self.result)
            self.visit_arguments(node.args)
            if len(self.result) == before:
                self.result[-1] = "lambda"
            self.write(": ", node.body)

    def visit_Slice(self, node: ast.Slice) -> None:
        set_precedence(Precedence.Comma, node.lower, node.upper, node.step)
        parts = [part for part in (node.lower, node.upper, node.step) if part is not None]
        gap = "" if all(map(_is_simple_bound, parts)) else " "
        if node.lower is not None:
            self.write(node.lower, gap)
        self.write(":")
        if node.upper is not None:
            self.write(gap, node.upper)
        if node.step is not None:
            self.write(
                gap if node.upper is not None or node.lower is not None else "", ":", gap, node.step
            )

    def visit_Subscript(self, node: ast.Subscript) -> None:
        index = node.slice
        items = index.elts if isinstance(index, ast.Tuple) else ()
        starred = any(isinstance(item, ast.Starred) for item in items)
        starred = starred and not any(isinstance(item, ast.Slice) for item in items)
        set_precedence(Precedence.highest if starred else Precedence.Expr, index)
        self.write(node.value, "[", index, "]")

    def visit_Starred(self, node: ast.Starred) -> None:
        set_precedence(Precedence.BitOr, node.value)
        self.write("*", node.value)

    def visit_Dict(self, node: ast.Dict) -> None:
        keys = [key for key in node.keys if key is not None]
        set_precedence(Precedence.Comma, *keys)
        super().visit_Dict(node)

    def visit_ListComp(self, node: Any) -> None:
        set_precedence(Precedence.Comma, node.elt)
        super().visit_ListComp(node)

    def visit_SetComp(self, node: Any) -> None:
        set_precedence(Precedence.Comma, node.elt)
        super().visit_SetComp(node)

    def visit_DictComp(self, node: Any) -> None:
        set_precedence(Precedence.Comma, node.key, node.value)
        super().visit_DictComp(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        set_precedence(Precedence.Comma, node.value)
        self.write("(", node.target, " := ", node.value, ")")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Constant) and _is_number(node.value.value):
            self.write("(", node.value, ").", node.attr)
        else:
            super().visit_Attribute(node)


def _f_string(node: ast.JoinedStr) -> str | None:
    """Return an f-string in double quotes with single ones inside, or None if that cannot be."""
    parts = []
    for value in node.values:
        if isinstance(value, ast.Constant):
            assert isinstance(value.value, str)
            parts.append(quoted(value.value + "'")[1:-2].replace("{", "{{").replace("}", "}}"))
            continue
        assert isinstance(value, ast.FormattedValue)
        inner = ast.unparse(ast.fix_missing_locations(value.value))
        if any(character in inner for character in '"\\{}'):
            return None
        spec = "" if value.format_spec is None else _f_string(value.format_spec)  # type: ignore[arg-type]
        if spec is None:
            return None
        conversion = f"!{chr(value.conversion)}" if value.conversion != -1 else ""
        parts.append("{" + inner + conversion + (":" + spec[2:-1] if spec else "") + "}")
    return f'f"{"".join(parts)}"'


def _requoted(text: str) -> str:
    """Return code with double quotes around plain strings.

    >>> print(_requoted("x = f('a', b)"))
    x = f("a", b)
    """
    lines = text.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        (row, start), (end_row, end) = token.start, token.end
        if token.type == tokenize.STRING and row == end_row and token.string[0] == "'":
            value = ast.literal_eval(token.string)
            if not token.string.startswith("'''"):
                line = lines[row - 1]
                lines[row - 1] = line[:start] + quoted(value) + line[end:]
    return "".join(lines)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_power(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)


def is_simple_power(node: ast.BinOp) -> bool:
    """Whether ruff writes this power without spaces: `x**2`, `a.b**-k`, but `x[0] ** 2`."""
    if isinstance(node.left, ast.UnaryOp):
        return False
    right = node.right
    while isinstance(right, ast.BinOp) and isinstance(right.op, ast.Pow):
        right = right.left
    return _is_simple_base(node.left) and _is_simple_base(right)


def _is_simple_base(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.Not()):
            return False
        case ast.UnaryOp(operand=operand):
            return _is_simple_base(operand)
        case ast.Attribute(value=value):
            return isinstance(value, ast.Name) or (
                isinstance(value, ast.Attribute) and _is_simple_base(value)
            )
        case ast.Constant(value=value):
            return isinstance(value, int | float | complex | None)
        case _:
            return isinstance(node, ast.Name)


def _is_simple_bound(node: ast.expr) -> bool:
    """Whether ruff writes a slice with this bound without spaces."""
    match node:
        case ast.UnaryOp(op=ast.Not()):
            return False
        case ast.UnaryOp(operand=operand):
            return _is_simple_bound(operand)
        case _:
            return isinstance(node, ast.Name | ast.Constant)


def number(value: float | complex) -> str:
    """Return the text of a number, its exponent without a `+`.

    >>> number(1e16), number(2.5e-7), number(3j)
    ('1e16', '2.5e-07', '3j')
    """
    return repr(value).replace("e+", "e").replace("inf", "1e999")


def quoted(text: str, data: bytes | None = None) -> str:
    """Return a string literal in double quotes, or in single ones where that saves escapes.

    >>> print(quoted("a"), quoted('say "a"'), quoted("it's \\n"))
    "a" 'say "a"' "it's \\n"
    """
    quote = "'" if text.count('"') > text.count("'") else '"'
    body = repr(text if data is None else data)
    body = body[1:] if data is not None else body
    inner = body[1:-1].replace("\\'", "'") if body[0] == "'" else body[1:-1]
    if body[0] == quote:
        return body
    return quote + inner.replace(quote, "\\" + quote) + quote


def place_docstrings(body: list[ast.stmt], indent: str) -> None:
    """Give every docstring its lines' indents, and fill those that are one long line."""
    for statement in body:
        for name in ("body", "orelse", "finalbody"):
            place_docstrings(getattr(statement, name, []), indent + "    ")
        if isinstance(statement, ast.FunctionDef) and ast.get_docstring(statement) is not None:
            constant = statement.body[0].value  # type: ignore[attr-defined]
            constant.value = placed(constant.value, indent + "    ")


def placed(doc: str, indent: str) -> str:
    """Return `doc` as it stands between its quotes.

    >>> placed("One.\\n  Two.", "    ")
    'One.\\n    Two.\\n    '
    """
    doc = inspect.cleandoc(doc)
    if "\n" not in doc and len(doc) > WIDTH - len(indent) - 6:
        doc = textwrap.fill(doc, WIDTH - len(indent) - 3, break_on_hyphens=False)
    first, *rest = doc.split("\n")
    if not rest:
        return first + " " * first.endswith('"')
    return "\n".join([first, *(indent + line if line else "" for line in rest), indent])
