"""Emitted text is a module that runs without invcompiler and gives what the callable gives."""

import ast
import inspect

import pytest

from tests.laws.corpus import over
from tests.laws.emit_all import kind
from tests.laws.evidence import assert_same, backward, generated, output

pytestmark = pytest.mark.usefixtures("double_precision")


def imported_modules(source):
    """Return the top-level names of the modules that `source` imports anywhere."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def executed(source):
    """Run the text as a module of its own and return its names."""
    names = {"__name__": "standalone"}
    exec(compile(source, "<standalone>", "exec"), names)
    return names


def captured(program, emitted):
    """Return the arrays that the program captures, by the names of the emitted parameters."""
    parameters = inspect.signature(emitted).parameters.values()
    hoisted = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    return {
        name: lookup(program.function, name) for name in hoisted if name not in program.keywords
    }


def lookup(function, name):
    """Find what `function` calls `name`: in its cells, in its module, or on the object it is bound to."""
    bound = getattr(function, "__self__", function)
    if hasattr(bound, name):
        return getattr(bound, name)
    scope = inspect.getclosurevars(inspect.unwrap(function))
    return {**scope.globals, **scope.nonlocals}[name]


@over("standalone")
def test_text_runs_on_its_own(program):
    expected = backward(program, kind(program))
    made = generated(program, kind(program))
    assert "invcompiler" not in set(imported_modules(made.source))
    main = executed(made.source)[made.__name__]
    values = captured(program, main) | dict(program.keywords)
    result = main(output(program), *program.known, **values)
    assert_same(result, expected, program.tolerance)
