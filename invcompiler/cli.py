"""The command line: read, keep and check what is generated, without writing a script.

    invcompiler show flows:coupling --argnums 1 --kind inverse_and_ildj
    invcompiler explain flows.py:coupling --argnums 1
    invcompiler emit flows:coupling --argnums 1 -o coupling_inverse.py
    invcompiler emit flows:coupling --argnums 1 -o coupling_inverse.py --check
    invcompiler check flows:affine --example 'jnp.ones(3), 2.0'

A function is named by a module (or a file of Python) and a name in it. Exit status: 0 if all is well, 1 if
something was refused, failed or is out of date, 2 for a command that cannot be understood.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import invcompiler
from invcompiler import testing
from invcompiler.api import DERIVATIVES, KINDS, made
from invcompiler.decorator import Invertible

_ALL_KINDS = (*KINDS, *DERIVATIVES)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (by default this process's) and return its exit status."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        return options.run(options)
    except invcompiler.InvcompilerError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except Misuse as error:
        parser.error(str(error))
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1


class Misuse(Exception):
    """The command line names something that is not there."""


# ---- commands -------------------------------------------------------------------------------------


def show(options: argparse.Namespace) -> int:
    function = _function(options)
    keywords = {**_decorated(function), **_keywords(options)}
    generated = made(options.kind, function, keywords.pop("argnums", 0), **keywords)
    print(_coloured(invcompiler.source(generated)), end="")
    return 0


def explain(options: argparse.Namespace) -> int:
    function = _function(options)
    keywords = {**_decorated(function), **_keywords(options)}
    print(invcompiler.explain(function, keywords.get("argnums", 0)))
    return 0


def emit(options: argparse.Namespace) -> int:
    path = Path(options.output)
    if not options.check:
        _emit(options, path)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder, path.name)
        _emit(options, fresh)
        if path.exists() and path.read_bytes() == fresh.read_bytes():
            return 0
    state = "is out of date with" if path.exists() else "is missing; it is emitted from"
    print(f"{path} {state} {options.function}", file=sys.stderr)
    return 1


def _emit(options: argparse.Namespace, path: Path) -> None:
    function = _function(options)
    keywords = {**_decorated(function), **_keywords(options)}
    if options.kinds:
        keywords["kinds"] = tuple(options.kinds.split(","))
    invcompiler.emit(function, path, **keywords)


def check(options: argparse.Namespace) -> int:
    """Print a table of the laws that were checked, each with its largest relative error."""
    function = _function(options)
    args = _evaluate(options.example, options)
    args = args if isinstance(args, tuple) else (args,)
    keywords = {**_decorated(function), **_keywords(options)}
    batch_ndims = keywords.pop("batch_ndims", 0)
    laws: dict[str, Callable[..., float]] = {
        "round trip": testing.check_inverse,
        "ILDJ against the dense Jacobian": partial(testing.check_ildj, batch_ndims=batch_ndims),
        "VJP of the round trip": testing.check_gradient,
        "VJP against jax.vjp": lambda function, *args, **_: testing.check_vjp(function, *args),
    }
    rows = [(law, *_outcome(checker, function, args, keywords)) for law, checker in laws.items()]
    width = max(len(law) for law in laws)
    for law, passed, error, text in rows:
        print(f"{law:<{width}}  {'ok' if passed else 'FAILED':<6}  {error}")
        if text:
            print(textwrap.indent(text, "    "))
    return 0 if all(passed for _, passed, *_ in rows) else 1


def _outcome(
    checker: Callable[..., float], function: Callable, args: tuple, keywords: dict[str, Any]
) -> tuple[bool, str, str]:
    try:
        error = checker(function, *args, **keywords)
    except AssertionError as failure:
        return False, "", str(failure)
    except invcompiler.InvcompilerError as refusal:
        return False, type(refusal).__name__, str(refusal)
    return True, f"error {error:.1e}", ""


# ---- what the words of a command line mean ----------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="invcompiler", description="Read, keep and check the inverse of a JAX function."
    )
    commands = parser.add_subparsers(required=True, metavar="show | explain | emit | check")
    for run, help in (
        (show, "print the emitted source"),
        (explain, "say for each line of the function what is known when, and which rule is used"),
        (emit, "write a standalone module, or check that one is up to date"),
        (check, "verify round trip, log-det-Jacobian and gradient at an example"),
    ):
        command = commands.add_parser(run.__name__, help=help, description=help + ".")
        command.set_defaults(run=run)
        _add_arguments(command)
    show_parser, _, emit_parser, check_parser = commands.choices.values()
    show_parser.add_argument("--kind", choices=_ALL_KINDS, default="inverse")
    emit_parser.add_argument("-o", "--output", required=True, metavar="FILE")
    emit_parser.add_argument(
        "--check", action="store_true", help="write nothing: exit 1 if out of date"
    )
    emit_parser.add_argument("--kinds", help="comma-separated: " + ", ".join(_ALL_KINDS))
    for command in (show_parser, emit_parser):
        command.add_argument("--example", help="example of the recovered arguments, in Python")
    check_parser.add_argument(
        "--example",
        required=True,
        help="the arguments of the function, in Python: 'jnp.ones(3), 2.0'",
    )
    return parser


def _add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("function", metavar="module:function")
    command.add_argument(
        "--argnums", type=_argnums, help="the parameters to recover: 1, or 0,1 (the default is 0)"
    )
    command.add_argument("--domain", help="where the recovered argument lives: positive, unit, ...")
    command.add_argument("--batch-ndims", type=int, default=0, metavar="N")


def _argnums(text: str) -> int | tuple[int, ...]:
    numbers = tuple(int(number) for number in text.split(",") if number)
    return numbers if "," in text else numbers[0]


def _keywords(options: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of `inv.inverse` that the command line states."""
    keywords: dict[str, Any] = {}
    if options.argnums is not None:
        keywords["argnums"] = options.argnums
    if options.domain:
        keywords["domain"] = options.domain
    if options.batch_ndims:
        keywords["batch_ndims"] = options.batch_ndims
    if options.run is not check and getattr(options, "example", None):
        keywords["example"] = _evaluate(options.example, options)
    return keywords


def _decorated(function: Callable) -> dict[str, Any]:
    """The keyword arguments that `@invertible` was given."""
    options = function.options if isinstance(function, Invertible) else {}
    return {name: value for name, value in options.items() if value not in (None, False)}


def _function(options: argparse.Namespace) -> Callable:
    module, name = _named(options)
    try:
        function = attrgetter(name)(module)
    except AttributeError as error:
        raise Misuse(f"{options.function}: {error}") from error
    if not callable(function):
        raise Misuse(f"{options.function} is no function: it is a {type(function).__name__}")
    return function


def _named(options: argparse.Namespace) -> tuple[Any, str]:
    where, colon, name = options.function.rpartition(":")
    if not (colon and where and name):
        raise Misuse(f"{options.function}: write module:function")
    return _module(where), name


def _module(where: str) -> Any:
    """A module by its dotted name, found from the working directory too, or by the path of its file."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if not where.endswith(".py"):
        return _imported(where)
    if not Path(where).exists():
        raise Misuse(f"{where}: no such file")
    sys.path.insert(0, str(Path(where).resolve().parent))
    return _imported(Path(where).stem)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise Misuse(f"{name}: no such module") from error


def _evaluate(text: str, options: argparse.Namespace) -> Any:
    """The value of a Python expression, in which the names of the function's module, jax, jnp and np count."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    names = {"jax": jax, "jnp": jnp, "np": np, **vars(_named(options)[0])}
    try:
        return eval(text, names)
    except (SyntaxError, NameError) as error:
        raise Misuse(f"--example {text!r}: {error}") from error


# ---- what is printed --------------------------------------------------------------------------------


def _coloured(source: str) -> str:
    """Python with syntax colours: on a terminal, if pygments is installed and NO_COLOR is not set."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    if not wanted or importlib.util.find_spec("pygments") is None:
        return source
    from pygments import highlight
    from pygments.formatters import TerminalFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), TerminalFormatter())
