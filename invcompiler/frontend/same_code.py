"""Hold a tree against a code object: would compiling the one give the other?

File names and line numbers do not count; names, constants and instructions do.
"""

from __future__ import annotations
import __future__

import ast
import dis
import types
from collections.abc import Iterator

_FUTURE = __future__.annotations.compiler_flag
_NESTED = 0x10
_PARTS = ("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_exceptiontable")
_PARTS += ("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_name")
_REWRITTEN = ("@pytest_ar", "@py_builtins")


def is_same_code(code: types.CodeType, node: ast.AST, shift: int = 0) -> bool:
    """Whether `node`, a function's definition, compiles to `code`."""
    rewritten = any(name in code.co_names for name in _REWRITTEN)
    same = _same_but_for_asserts if rewritten else same_codes
    return any(same(code, other) for other in _compiled(code, node, shift))


def _compiled(code: types.CodeType, node: ast.AST, shift: int) -> Iterator[types.CodeType]:
    tree = ast.Module([*_imports(code), _placed(code, node)], [])
    if shift:
        ast.increment_lineno(tree, shift)
    flags = code.co_flags & _FUTURE
    try:
        module = compile(tree, code.co_filename, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError):
        return
    finally:
        if shift:
            ast.increment_lineno(tree, -shift)
    yield from _named(module, code.co_name)


def is_code(value: object) -> bool:
    return isinstance(value, types.CodeType)


def _named(code: types.CodeType, name: str) -> Iterator[types.CodeType]:
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            if const.co_name == name:
                yield const
            yield from _named(const, name)


# ---- imports: a call of an attribute compiles differently where the name is an imported one -------

_LOAD_METHOD = dis.opmap.get("LOAD_METHOD")  # Python 3.11; later a bit of LOAD_ATTR
_MARKED = dis.opmap["LOAD_ATTR"] if _LOAD_METHOD is None or _LOAD_METHOD > 255 else None
_PAIRS = {dis.opmap.get("LOAD_FAST_LOAD_FAST"), dis.opmap.get("STORE_FAST_LOAD_FAST")} - {None}


def _imports(code: types.CodeType) -> list[ast.stmt]:
    """Return an import of every name that `code` never calls a method of, as it would of its own."""
    called: set[str] = set()
    names: set[str] = set()
    for part in _all_codes(code):
        called.update(_receivers(part))
        names.update(part.co_names, part.co_varnames, part.co_freevars, part.co_cellvars)
    aliases = [_here(ast.alias(name)) for name in sorted(names - called - {"super"})]
    return [_here(ast.Import(aliases))] if aliases else []


def _all_codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _all_codes(const)


def _receivers(code: types.CodeType) -> Iterator[str]:
    """Yield the names directly followed by the lookup of a method, which is marked in its argument."""
    before: str | None = None
    high = 0
    raw = code.co_code
    for op, low in zip(raw[::2], raw[1::2], strict=True):
        if op == _CACHE:
            continue
        arg = high | low
        high = arg << 8 if op == dis.EXTENDED_ARG else 0
        if op == dis.EXTENDED_ARG:
            continue
        if before is not None and (op == _LOAD_METHOD or (op == _MARKED and arg & 1)):
            yield before
        before = _loaded(code, op, arg)


_CACHE = dis.opmap["CACHE"]
_NAME_LOADS = {
    dis.opmap[name]: name for name in dis.opmap if name.startswith(("LOAD_", "STORE_FAST_LOAD"))
}


def _loaded(code: types.CodeType, op: int, arg: int) -> str | None:
    """Return the name that an instruction puts on top of the stack."""
    name = _NAME_LOADS.get(op)
    if name == "LOAD_GLOBAL":
        return code.co_names[arg >> 1]
    if name == "LOAD_NAME":
        return code.co_names[arg]
    if op in _PAIRS:
        return code._varname_from_oparg(arg & 15)  # type: ignore[attr-defined]
    if name is not None and name.startswith(("LOAD_FAST", "LOAD_DEREF")):
        return code._varname_from_oparg(arg)  # type: ignore[attr-defined]
    return None


# ---- the surroundings: free names are cells, names with two underscores belong to a class -------


def _placed(code: types.CodeType, node: ast.AST) -> ast.stmt:
    """Return a statement in which `node` has the free names and the class that `code` has."""
    statement = _here(ast.Expr(node)) if isinstance(node, ast.Lambda) else _bare(node)
    owner, direct = _owner(code.co_qualname)
    if direct:
        statement = _class(owner, statement)
    cells = [name for name in code.co_freevars if name != "__class__"]
    bound = getattr(statement, "name", None)
    statement = _function(cells, statement, bound if bound not in cells else None)
    if owner is not None and not direct:
        statement = _class(owner, statement)
    elif owner is None and "__class__" in code.co_freevars:
        statement = _class("C", statement)
    return statement


def _bare(node: ast.AST) -> ast.stmt:
    """Return the definition without its decorators, which may name what is not there."""
    fields = {name: getattr(node, name) for name in node._fields if hasattr(node, name)}
    fields["decorator_list"] = []
    return ast.copy_location(type(node)(**fields), node)  # type: ignore[return-value]


def _here(node):
    """Give a node that no text stands behind a place."""
    node.lineno = node.end_lineno = 1
    node.col_offset = node.end_col_offset = 0
    return node


def _class(name: str | None, statement: ast.stmt) -> ast.stmt:
    fields = {"name": name, "bases": [], "keywords": [], "body": [statement], "decorator_list": []}
    if "type_params" in ast.ClassDef._fields:
        fields["type_params"] = []
    return _here(ast.ClassDef(**fields))


def _function(cells: list[str], statement: ast.stmt, bound: str | None) -> ast.stmt:
    """Put a definition into a function whose variables are `cells` and nothing else."""
    bind: list[ast.stmt] = [_here(ast.Global([bound]))] if bound is not None else []
    bind += [
        _here(ast.Assign([_here(ast.Name(name, ast.Store()))], _here(ast.Constant(None))))
        for name in cells
    ]
    arguments = ast.arguments([], [], None, [], [], None, [])
    fields = {"name": "_", "args": arguments, "body": [*bind, statement], "decorator_list": []}
    if "type_params" in ast.FunctionDef._fields:
        fields["type_params"] = []
    return _here(ast.FunctionDef(**fields))


def _owner(qualname: str) -> tuple[str | None, bool]:
    """Return the class that a function stands in, and whether it stands in it directly."""
    parts = qualname.split(".")
    direct = True
    while len(parts) > 1:
        if parts[-2] != "<locals>":
            return parts[-2], direct
        parts, direct = parts[:-2], False
    return None, False


def owner_of(code: types.CodeType) -> str | None:
    """Return the class whose private names `code` uses."""
    return _owner(code.co_qualname)[0]


# ---- comparing ----------------------------------------------------------------------------------


def same_codes(one: types.CodeType, other: types.CodeType) -> bool:
    return (
        all(getattr(one, part) == getattr(other, part) for part in _PARTS)
        and (one.co_flags | _NESTED) == (other.co_flags | _NESTED)
        and _same_constants(one.co_consts, other.co_consts)
    )


def _same_constants(one: tuple, other: tuple) -> bool:
    return len(one) == len(other) and all(map(_same_constant, one, other))


def _same_constant(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, types.CodeType):
        return same_codes(one, other)  # type: ignore[arg-type]
    if isinstance(one, tuple):
        return _same_constants(one, other)  # type: ignore[arg-type]
    if isinstance(one, float | complex):
        return repr(one) == repr(other)
    return one == other


def _same_but_for_asserts(ran: types.CodeType, other: types.CodeType) -> bool:
    """Whether `ran`, whose asserts pytest has rewritten, is `other` apart from them."""
    if ran.co_varnames[: ran.co_argcount] != other.co_varnames[: other.co_argcount]:
        return False
    rewritten = set(_lines_of_rewritten(ran))
    shift = ran.co_firstlineno - other.co_firstlineno
    kept = {line - shift for line in rewritten}
    return _instructions(ran, rewritten) == _instructions(other, kept)


def _lines_of_rewritten(code: types.CodeType) -> Iterator[int | None]:
    for instruction in dis.get_instructions(code):
        value = instruction.argval
        if isinstance(value, str) and value.startswith(("@py", "AssertionError")):
            yield instruction.positions.lineno if instruction.positions else None


def _instructions(code: types.CodeType, without: set) -> list:
    return [
        (i.opname, i.argval if isinstance(i.argval, str | int | float | tuple | None) else None)
        for i in dis.get_instructions(code)
        if i.opname != "NOP"
        and not (i.positions and i.positions.lineno in without)
        and i.opcode not in dis.hasjrel
        and i.opname not in ("COPY_FREE_VARS", "MAKE_CELL")
    ]
