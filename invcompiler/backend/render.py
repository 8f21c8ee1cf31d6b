"""Print a compiled function, and all that it calls, as one module that needs only what it imports.

The steps, each a file: `order` (what is needed, when), `nest` (expressions and statements), `bindings`
(imports, copied functions, captured values), `names`, `to_ast`, and `printer`.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from invcompiler.backend.bindings import Hoisted, Module, Unit
from invcompiler.backend.helpers import Sources
from invcompiler.backend.names import choose_names
from invcompiler.backend.nest import nest
from invcompiler.backend.order import ordered
from invcompiler.backend.passing import pass_along
from invcompiler.backend.printer import print_module
from invcompiler.backend.substitute import substitute
from invcompiler.backend.text import Header, Text
from invcompiler.backend.to_ast import Written, to_ast
from invcompiler.ir.nodes import Function


def render(main: Function, header: Header, sources: Sources) -> Text:
    """Return the text of a module whose first function is `main`.

    Two functions with the same dataflow give the same text up to names, in every run.
    """
    module = Module(_in_order(main), sources)
    written = [_written(unit, module, header) for unit in _units(module)]
    tree = ast.Module([*module.import_statements(), *(one.node for one in written)], [])
    spans = {statement: found for one in written for statement, found in one.spans.items()}
    source, lines = print_module(tree, spans, header.line_comments)
    return Text(
        source,
        module.main.name,
        tuple((h.name, h.capture) for h in module.hoists if h.capture is not None),
        tuple((h.name, h.value) for h in module.hoists if h.capture is None),
        lines,
    )


def _in_order(function: Function) -> Function:
    return replace(function, body=ordered(function.body))


def _units(module: Module) -> list[Unit]:
    """Return the functions in the order of the text: `main`, what it calls as it calls it, then what those call.

    A function whose defaults name another one stands below it.
    """
    placed: dict[Unit, None] = {}

    def place(unit: Unit) -> None:
        if unit not in placed:
            for needed in unit.before:
                place(needed)
            placed[unit] = None

    waiting = [module.main]
    seen = {module.main}
    while waiting:
        place(unit := waiting.pop(0))
        new = [called for called in unit.calls if called not in seen]
        seen.update(new)
        waiting += new
    return list(placed)


def _written(unit: Unit, module: Module, header: Header) -> Written:
    if unit.helper is not None:
        return Written(_copied(unit, module))
    assert unit.function is not None
    function = unit.function
    hoisted = {var: module.capture(capture).name for var, capture in function.captures}
    shape = nest(function)
    names = choose_names(function, shape, module.names(), hoisted)
    doc = header.doc if unit is module.main else function.doc
    written = to_ast(function, unit.name, shape, names, module.spelling(), doc)
    _add_hoisted(written.node.args, unit.hoisted)
    return written


def _copied(unit: Unit, module: Module) -> ast.FunctionDef:
    """Return the `def` of a copied function with its free names replaced by those of the module."""
    assert unit.helper is not None
    meanings = {name: meaning.written() for name, meaning in unit.meanings.items()}
    node = unit.helper.node
    recursive = meanings.pop(node.name, None)
    node = substitute(node, meanings)
    if recursive is not None:
        node.body = substitute(node.body, {unit.helper.node.name: recursive})
    node.name = unit.name
    node = pass_along(node, module.spelling())
    _add_hoisted(node.args, unit.hoisted)
    return node


def _add_hoisted(arguments: ast.arguments, hoisted: tuple[Hoisted, ...]) -> None:
    for one in hoisted:
        arguments.kwonlyargs.append(ast.arg(one.name))
        arguments.kw_defaults.append(one.default)
