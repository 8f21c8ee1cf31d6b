"""Emitted text is a module that runs without invcompiler and gives what the callable gives."""

import ast
import inspect

import pytest

import invcompiler as inv
from tests.laws.corpus import over
from tests.laws.emit_all import kind
from tests.laws.evidence import assert_same, output

pytestmark = pytest.mark.usefixtures("double_precision")


def imported_modules(source):
    """Return the top-level names of the modules that `source` imports anywhere."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def main_function(source):
    """Return the name of the function of the module that no other one calls."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    called = {
        node.id
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id != function.name
    }
    (main,) = [function.name for function in functions if function.name not in called]
    return main


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


# What these capture is reached through other objects: nothing here says which emitted name it has.
UNNAMED = {
    "calls.calls_a_method",
    "calls.calls_an_object",
    "calls.partial_of_array",
    "closures.attribute_of_object",
    "closures.cell_of_functions",
    "closures.default_array",
    "custom.method_of_an_object",
}


@over("standalone", lambda program: program.name not in UNNAMED)
def test_text_runs_on_its_own(program):
    make = getattr(inv, kind(program))
    made = make(program.function, program.argnums, **program.options)
    expected = made(output(program), *program.known, **program.keywords)
    assert "invcompiler" not in set(imported_modules(made.source))
    main = executed(made.source)[main_function(made.source)]
    values = captured(program, main) | dict(program.keywords)
    result = main(output(program), *program.known, **values)
    assert_same(result, expected, program.tolerance)
