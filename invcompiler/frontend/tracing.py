"""Read a function without source by running it on tracers: a program of `jax.numpy` and `lax` calls for given shapes.

It is the second way in, for functions that have no text: builtins, functions of `exec`, those that libraries make of others. What
`jax.make_jaxpr` records is put into the IR primitive by primitive. A part that is what a public function of JAX's computes becomes
a call of that function; other calls inside are inlined; `scan` and `cond` become loops and branches.
"""

from __future__ import annotations

import dataclasses
import operator
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from invcompiler.errors import SourceUnavailableError
from invcompiler.frontend.primitives import Operation, dtype_tree, ref, translate, untranslated
from invcompiler.frontend.resolve import Scope
from invcompiler.ir.build import Builder, as_tree
from invcompiler.ir.dict_order import in_order, order_of
from invcompiler.ir.nodes import (
    Apply,
    Block,
    Branch,
    BranchKind,
    Capture,
    Const,
    Display,
    Each,
    Function,
    Iter,
    Loop,
    LoopKind,
    Param,
    ParameterKind,
    Range,
    Ref,
    Reversed,
    Tree,
    Var,
    Zip,
)


@dataclass(frozen=True, eq=False)
class Traced:
    """The source of a Function that was traced: `function` has none."""

    function: Any


def trace(
    function: Callable[..., Any], params: Sequence[Param], values: Sequence[Any], name: str
) -> Function:
    """Return the Function that `function` is for arguments like `values`, one for each of `params`.

    Arrays in `values` are ShapeDtypeStructs, everything else is static. Raises SourceUnavailableError if it computes something that
    the table of primitives does not hold, and whatever `function` raises on tracers.
    """
    leaves, treedef = jax.tree.flatten(tuple(values))
    traced = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.ShapeDtypeStruct)]

    def run(*given: Any) -> Any:
        filled = list(leaves)
        for i, value in zip(traced, given, strict=True):
            filled[i] = value
        positional, named = [], {}
        seen = in_order(jax.tree.unflatten(treedef, filled), order_of(tuple(values)))
        for param, value in zip(params, seen, strict=True):
            if param.kind is ParameterKind.KEYWORD_ONLY:
                named[param.var.name or ""] = value
            else:
                positional.append(value)
        return function(*positional, **named)

    closed, shape = jax.make_jaxpr(run, return_shape=True)(*(leaves[i] for i in traced))
    tracing = _Tracing(Builder(), _Constants(function))
    opened = [
        leaf
        for param, value in zip(params, values, strict=True)
        for leaf in tracing.open(param.var, value)
    ]
    outs = tracing.closed(closed, opened)
    numbered = jax.tree.unflatten(jax.tree.structure(shape), list(range(len(outs))))
    result = _display(numbered, outs)
    return Function(
        name,
        tuple(params),
        tracing.builder.block(tuple(param.var for param in params), result),
        captures=tuple(tracing.constants.captures.values()),
        depends=tuple(tracing.constants.depends(function)),
        source=Traced(function),
    )


# ---- constants ------------------------------------------------------------------------------------


class _Constants:
    """The arrays that a traced function found around itself: each is a capture, of the name under which it was found."""

    def __init__(self, function: Any):
        self.function = function
        self.captures: dict[int, tuple[Var, Capture]] = {}
        self._named = {id(capture.read()): capture for capture in _around(function)}

    def tree(self, value: Any) -> Tree:
        if np.ndim(value) == 0 and isinstance(value, bool | int | float):
            return Const(value)
        if id(value) not in self.captures:
            capture = self._named.get(id(value))
            if capture is None:
                steps = (("constant", len(self.captures)),)
                capture = Capture("constant", self.function, steps, lambda: value)
            self.captures[id(value)] = (Var(capture.name), capture)
        return self.captures[id(value)][0]

    def depends(self, function: Any) -> Iterable[tuple[Capture, Any]]:
        """Yield what the program rests on: what the function finds around itself is as it was."""
        for capture in _around(function):
            yield capture, capture.read()


def _around(function: Any) -> list[Capture]:
    """Return what a function finds in its closure and, of what it names, in its module; nested functions too."""
    found: list[Capture] = []
    waiting: list[Any] = [function]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_FUNCTIONS:
        one = waiting.pop()
        one = getattr(one, "__wrapped__", one) if not isinstance(one, types.FunctionType) else one
        if not isinstance(one, types.FunctionType) or id(one) in seen:
            continue
        seen.add(id(one))
        if (one.__module__ or "").split(".")[0] in ("jax", "numpy"):
            inner = [cell.cell_contents for cell in one.__closure__ or () if _is_filled(cell)]
            waiting += [value for value in inner if callable(value)]
            continue
        scope = Scope(one)
        names = (*one.__code__.co_freevars, *one.__code__.co_names)
        for capture in filter(None, map(scope.find, names)):
            found.append(capture)
            if callable(value := capture.read()):
                waiting.append(value)
    return found


_MOST_FUNCTIONS = 100


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


# ---- programs -------------------------------------------------------------------------------------


class _Tracing:
    """Translates into one block. `env` gives each variable of the traced program a tree."""

    def __init__(self, builder: Builder, constants: _Constants, env: dict[Any, Tree] | None = None):
        self.builder = builder
        self.constants = constants
        self.env: dict[Any, Tree] = {} if env is None else env
        self.made: dict[Any, Any] = {}

    def nested(self) -> _Tracing:
        inner = _Tracing(self.builder.nested(), self.constants)
        inner.made = self.made
        return inner

    def open(self, tree: Tree, value: Any) -> Iterable[Tree]:
        """Yield the arrays in an argument, taken out of its containers."""
        if isinstance(value, jax.ShapeDtypeStruct):
            yield tree
            return
        children, _ = jax.tree_util.tree_flatten_with_path(value, is_leaf=lambda x: x is not value)
        if len(children) == 1 and not children[0][0]:
            return
        is_sequence = isinstance(value, tuple | list) and not hasattr(value, "_fields")
        for path, child in children:
            entry = path[0]
            if isinstance(entry, jax.tree_util.GetAttrKey):
                part = self.builder.apply(Ref(getattr, "getattr"), (tree, Const(entry.name)))
            else:
                key = getattr(entry, "key", getattr(entry, "idx", None))
                arity = len(children) if is_sequence else None
                getitem = Ref(operator.getitem, "[]")
                part = self.builder.apply(getitem, (tree, Const(key)), arity=arity)
            yield from self.open(part, child)

    def closed(self, closed: ClosedJaxpr, args: Sequence[Tree]) -> list[Tree]:
        return self.jaxpr(closed.jaxpr, [self.constants.tree(c) for c in closed.consts], args)

    def jaxpr(self, jaxpr: Jaxpr, consts: Sequence[Tree], args: Sequence[Tree]) -> list[Tree]:
        self.env.update(zip(jaxpr.constvars, consts, strict=True))
        self.env.update(zip(jaxpr.invars, args, strict=True))
        for equation in jaxpr.eqns:
            values = self.equation(equation)
            self.env.update(zip(equation.outvars, values, strict=True))
            self.made.update((out, equation) for out in equation.outvars)
        return [self.read(atom) for atom in jaxpr.outvars]

    def read(self, atom: Any) -> Tree:
        if not isinstance(atom, Literal):
            return self.env[atom]
        value = atom.val
        if np.ndim(value):
            return self.constants.tree(value)
        found = as_tree(np.asarray(value).item())
        return Const(np.asarray(value).item()) if found is None else found

    def typed(self, atom: Any) -> Tree:
        """Return a value whose dtype must be that of the traced program: a literal alone does not say it."""
        tree = self.read(atom)
        if not isinstance(tree, Const) or np.dtype(atom.aval.dtype) == jnp.result_type(tree.value):
            return tree
        return self.builder.apply(ref(jnp.asarray), (tree, dtype_tree(atom.aval.dtype)))

    def cast(self, tree: Tree, dtype: Any) -> Tree:
        """Return an integer that Python counts in the dtype that the traced program counts in."""
        if np.dtype(dtype) == jnp.result_type(int):
            return tree
        return self.builder.apply(ref(jax.lax.convert_element_type), (tree, dtype_tree(dtype)))

    def equation(self, equation: Any) -> list[Tree]:
        name, params = equation.primitive.name, equation.params
        handler = _STRUCTURED.get(name)
        if handler is not None:
            return handler(self, equation)
        inner = _inlined(equation)
        if inner is not None:
            return self.call(equation, inner)
        args = [self.read(atom) for atom in equation.invars]
        op = Operation(
            self.builder,
            name,
            params,
            args,
            [atom.aval for atom in equation.invars],
            [out.aval for out in equation.outvars],
            lambda number: self.indices(equation.invars[number]),
            lambda number: self.picked(equation.invars[number]),
        )
        value = translate(op)
        return value if isinstance(value, list) else [value]

    def call(self, equation: Any, inner: ClosedJaxpr) -> list[Tree]:
        """Return what a call inside the program computes: a public function's call by name, everything else inlined."""
        public = _public(equation, inner)
        if public is not None:
            args = [self.read(atom) for atom in equation.invars]
            return [self.builder.apply(ref(public), args)]
        args = [self.read(atom) for atom in equation.invars]
        return self.closed(inner, args[len(args) - len(inner.jaxpr.invars) :])

    # ---- indices --------------------------------------------------------------------------------

    def indices(self, atom: Any) -> list[tuple[Tree, bool]]:
        """Return the index along each axis, before `jax.numpy` put them side by side for `gather`, as `_index` does."""
        made = None if isinstance(atom, Literal) else self.made.get(atom)
        last = len(atom.aval.shape) - 1
        if made is None or made.primitive.name != "concatenate" or made.params["dimension"] != last:
            return [self._index(atom)]
        return [self._index(part) for part in made.invars]

    def _index(self, atom: Any) -> tuple[Tree, bool]:
        """Return an index as it was before `jax.numpy` made it one of `gather`, and whether negative ones count from the end."""
        made = None if isinstance(atom, Literal) else self.made.get(atom)
        if made is not None and made.primitive.name == "broadcast_in_dim":
            operand = made.invars[0]
            if (*operand.aval.shape, 1) == tuple(atom.aval.shape):
                return self._counted(operand)
        raise untranslated("gather", "a computed index")

    def picked(self, atom: Any) -> tuple[Tree, Any] | None:
        """Return what a value is a slice of, and the equation that slices it."""
        made = None if isinstance(atom, Literal) else self.made.get(atom)
        if made is None or made.primitive.name != "slice":
            return None
        return self.read(made.invars[0]), made

    def _counted(self, atom: Any) -> tuple[Tree, bool]:
        tree = self.read(atom)
        never_negative = isinstance(tree, Const) or jnp.issubdtype(
            atom.aval.dtype, jnp.unsignedinteger
        )
        made = self._made_by(tree)
        if made is not None and made.fn == ref(jax.lax.convert_element_type):
            made = self._made_by(made.args[0])  # to the dtype of indices
        if made is None or made.fn != ref(jnp.where):
            return tree, never_negative
        test, moved, plain = (
            self._made_by(made.args[0]),
            self._made_by(made.args[1]),
            made.args[2],
        )
        is_wrap = (
            test is not None
            and moved is not None
            and test.fn == ref(operator.lt)
            and test.args == (plain, Const(0))
            and moved.fn == ref(operator.add)
            and moved.args[0] == plain
        )
        return (plain, True) if is_wrap else (tree, never_negative)

    def _made_by(self, tree: Tree) -> Apply | None:
        builder: Builder | None = self.builder
        while builder is not None and isinstance(tree, Var):
            for equation in reversed(builder.equations):
                if isinstance(equation, Apply) and equation.out is tree:
                    return equation
            builder = builder.parent
        return None


# ---- calls ----------------------------------------------------------------------------------------

_CALLS = {
    "jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr", "remat2": "jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr", "checkpoint": "jaxpr", "remat": "jaxpr",
    "custom_lin": "jaxpr",
}  # fmt: skip


def _inlined(equation: Any) -> ClosedJaxpr | None:
    """Return the program that an equation calls, if it does nothing else."""
    key = _CALLS.get(equation.primitive.name)
    inner = equation.params.get(key) if key is not None else None
    return ClosedJaxpr(inner, ()) if isinstance(inner, Jaxpr) else inner


_HOMES = (jnp, jax.nn, jax.scipy.special, jnp.linalg, jnp.fft)


def _public(equation: Any, inner: ClosedJaxpr) -> Any:
    """Return the public function of JAX's that computes exactly what an inner program does, by its name."""
    name = equation.params.get("name") or _name_of(inner)
    if not isinstance(name, str) or inner.consts or len(equation.outvars) != 1:
        return None
    structs = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in inner.jaxpr.invars]
    for home in _HOMES:
        fn = getattr(home, name, None)
        if callable(fn) and not isinstance(fn, type) and _computes(fn, structs, inner):
            return fn
    return None


def _name_of(inner: ClosedJaxpr) -> str | None:
    info = getattr(inner.jaxpr, "debug_info", None)
    name = getattr(info, "func_name", None)
    return name if isinstance(name, str) else None


def _computes(fn: Any, structs: list[Any], inner: ClosedJaxpr) -> bool:
    """Whether `fn` of such operands is traced to the same program."""
    try:
        own = jax.make_jaxpr(fn)(*structs)
    except (TypeError, ValueError, IndexError, NotImplementedError):
        return False
    while len(own.jaxpr.eqns) == 1 and (called := _inlined(own.jaxpr.eqns[0])) is not None:
        if own.jaxpr.eqns[0].invars != own.jaxpr.invars:
            return False
        own = called
        if str(own.jaxpr) == str(inner.jaxpr):
            return True
    return str(own.jaxpr) == str(inner.jaxpr)


# ---- loops and branches ---------------------------------------------------------------------------


def _scan(tracing: _Tracing, equation: Any) -> list[Tree]:
    params = equation.params
    consts, carried = _counts(params)
    body: ClosedJaxpr = params["jaxpr"]
    given = [tracing.read(atom) for atom in equation.invars[:consts]]
    init = [tracing.typed(atom) for atom in equation.invars[consts : consts + carried]]
    stacks = [tracing.read(atom) for atom in equation.invars[consts + carried :]]
    inner = tracing.nested()
    carries, items = [Var() for _ in init], [Var() for _ in stacks]
    counter = _counter(equation, body, consts) if not stacks else None
    seen: list[Tree] = list(carries)
    if counter is not None:
        seen[counter] = inner.cast(carries[counter], equation.invars[consts + counter].aval.dtype)
    results = inner.closed(body, [*given, *seen, *items])
    outs = [Var() for _ in results]
    if counter is not None:
        kept = [i for i in range(carried) if i != counter]
        index = carries[counter]
        result = Display(tuple, tuple(results[i] for i in kept))
        block = inner.builder.block((*(carries[i] for i in kept), index), result)
        first = init[counter]
        assert isinstance(first, Const)
        over = Range(first, Const(first.value + params["length"]))
        ends = tuple(outs[i] for i in kept)
        start = tuple(init[i] for i in kept)
        tracing.builder.add(Loop(LoopKind.FORI, ends, start, over, block))
        last: list[Tree] = list(outs)
        last[counter] = over.stop
        return last
    block = inner.builder.block((*carries, *items), Display(tuple, tuple(results)))
    parts: tuple[Iter, ...] = tuple(map(Each, stacks))
    iterable: Iter | None = None if not parts else parts[0] if len(parts) == 1 else Zip(parts)
    if iterable is not None and params["reverse"]:
        iterable = Reversed(iterable)
    if iterable is None and params["reverse"] and len(results) > carried:
        raise untranslated("scan", "a reversed collection of nothing")
    options: tuple[tuple[str, Tree], ...] = ()
    if iterable is None:
        options = (("length", Const(int(params["length"]))),)
    tracing.builder.add(Loop(LoopKind.SCAN, tuple(outs), tuple(init), iterable, block, options))
    return list(outs)


def _counts(params: Any) -> tuple[int, int]:
    """Return how many operands of a scan its body closes over, and how many it carries: numbers, or from jax 0.12 on structures."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    consts, carried, _ = params["ft_in"].unpack()
    return len(list(consts)), len(list(carried))


def _counter(equation: Any, body: ClosedJaxpr, consts: int) -> int | None:
    """Return which carried value counts the steps, as that of `fori_loop` does; None if values are collected as well."""
    if len(body.jaxpr.outvars) != _counts(equation.params)[1]:
        return None
    made = {out: inner for inner in body.jaxpr.eqns for out in inner.outvars}
    for number, atom in enumerate(equation.invars[consts:]):
        step = made.get(body.jaxpr.outvars[number]) if isinstance(atom, Literal) else None
        if step is None or step.primitive.name != "add" or np.dtype(atom.aval.dtype).kind != "i":
            continue
        one, other = step.invars
        if one is body.jaxpr.invars[consts + number] and isinstance(other, Literal):
            if int(other.val) == 1:
                return number
    return None


def _cond(tracing: _Tracing, equation: Any) -> list[Tree]:
    which, *operands = equation.invars
    branches: tuple[ClosedJaxpr, ...] = equation.params["branches"]
    args = [tracing.read(atom) for atom in operands]
    if isinstance(which, Literal):
        return tracing.closed(branches[int(which.val)], args)
    blocks = [_block(tracing, branch, args) for branch in branches]
    outs = tuple(Var() for _ in equation.outvars)
    kind, predicate = BranchKind.SWITCH, tracing.read(which)
    if len(branches) == 2:
        kind, blocks = BranchKind.COND, blocks[::-1]
        predicate = _predicate(tracing, which, predicate)
    tracing.builder.add(Branch(kind, outs, predicate, tuple(blocks)))
    return list(outs)


def _block(tracing: _Tracing, branch: ClosedJaxpr, args: list[Tree]) -> Block:
    inner = tracing.nested()
    results = inner.closed(branch, args)
    return inner.builder.block((), Display(tuple, tuple(results)))


def _predicate(tracing: _Tracing, which: Any, number: Tree) -> Tree:
    """Return the truth value that was made the number of a branch."""
    made = None if isinstance(which, Literal) else tracing.made.get(which)
    if made is not None and made.primitive.name == "convert_element_type":
        if np.dtype(made.invars[0].aval.dtype).kind == "b":
            return tracing.read(made.invars[0])
    return tracing.builder.apply(Ref(operator.ne, "!="), (number, Const(0)))


def _while(tracing: _Tracing, equation: Any) -> list[Tree]:
    """Return a call of `lax.while_loop`, whose functions take what they close over as further parts of what is carried."""
    params = equation.params
    conds, bodies = params["cond_nconsts"], params["body_nconsts"]
    args = [tracing.typed(atom) for atom in equation.invars]
    given = conds + bodies
    count = len(args)
    cond = _state_function(
        tracing,
        "cond",
        count,
        lambda t, s: t.closed(params["cond_jaxpr"], [*s[:conds], *s[given:]])[0],
    )
    body = _state_function(
        tracing,
        "body",
        count,
        lambda t, s: Display(
            tuple, (*s[:given], *t.closed(params["body_jaxpr"], [*s[conds:given], *s[given:]]))
        ),
    )
    state = Display(tuple, tuple(args))
    whole = tracing.builder.apply(
        ref(jax.lax.while_loop), (Ref(cond, cond.name), Ref(body, body.name), state)
    )
    return [_item(tracing.builder, whole, number, count) for number in range(given, count)]


def _state_function(
    tracing: _Tracing, name: str, count: int, result: Callable[[_Tracing, list[Tree]], Tree]
) -> Function:
    state = Var("state")
    inner = _Tracing(Builder(), tracing.constants)
    items = [_item(inner.builder, state, number, count) for number in range(count)]
    block_result = result(inner, items)
    param = Param(state, ParameterKind.POSITIONAL_OR_KEYWORD)
    return Function(name, (param,), inner.builder.block((state,), block_result))


def _item(builder: Builder, value: Tree, number: int, count: int) -> Tree:
    return builder.apply(Ref(operator.getitem, "[]"), (value, Const(number)), arity=count)


_STRUCTURED: Mapping[str, Callable[[_Tracing, Any], list[Tree]]] = {
    "scan": _scan,
    "cond": _cond,
    "while": _while,
}


# ---- results --------------------------------------------------------------------------------------


def _display(numbered: Any, trees: list[Tree]) -> Tree:
    """Return the tree of a result: `numbered` is of its structure, with the numbers of its arrays."""
    if isinstance(numbered, int):
        return trees[numbered]
    if numbered is None:
        return Const(None)
    if isinstance(numbered, dict) and type(numbered) is dict:
        items = tuple(_display(item, trees) for item in numbered.values())
        return Display(dict, items, tuple(numbered))
    kind = type(numbered)
    if kind in (tuple, list):
        return Display(kind, tuple(_display(item, trees) for item in numbered))
    fields = getattr(numbered, "_fields", None)
    if fields is None and dataclasses.is_dataclass(numbered):
        fields = tuple(field.name for field in dataclasses.fields(numbered))
    if fields is None:
        raise SourceUnavailableError(
            reason=f"a traced function returns a `{kind.__name__}`, which the text cannot build",
            function=kind.__name__,
            hint="return tuples, lists, dicts, namedtuples or dataclasses",
        )
    items = tuple(_display(getattr(numbered, name), trees) for name in fields)
    return Display(kind, items, tuple(fields), Ref(kind, kind.__name__, kind))


__all__ = ["Traced", "trace"]
