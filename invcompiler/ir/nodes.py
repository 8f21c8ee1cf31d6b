"""The forms of the intermediate representation: plain, frozen values.

A `Function` is parameters and a `Block`; a `Block` is equations in A-normal form and a result.
An equation binds one new `Var` (loops, branches and opaque statements: several) and carries the
span of the user's text that it came from. Operands are *trees*: a tree is an atom, or a display
(tuple, list, dict, ...) or slice of trees, so that `jnp.concatenate([a, b])` shows its operands
to a rule directly, however the list was built.

A `Var` is bound once, and has identity: two vars are equal only if they are the same object. Its
name is a wish; final names are chosen once, by the backend. Bodies of loops and branches refer to
vars of the enclosing blocks directly.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import _ParameterKind as ParameterKind
from typing import Any, Union


@dataclass(frozen=True)
class Span:
    """Where in the user's text something stands. Lines count from 1, columns from 0."""

    file: str
    line: int
    col: int
    end_line: int
    end_col: int


# ---- trees ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class Var:
    """A value of the program, bound once. `name` is the user's name for it, if it had one."""

    name: str | None = None
    span: Span | None = None

    def __repr__(self) -> str:
        return f"Var({self.name or '_'}@{id(self) & 0xFFFF:04x})"


@dataclass(frozen=True, eq=False, slots=True)
class Const:
    """A literal: None, bool, int, float, complex, str, bytes or Ellipsis.

    Two constants are equal if their types and values are: `1`, `1.0` and `True` are three.
    """

    value: Any

    def _key(self) -> tuple:
        return (type(self.value), repr(self.value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, eq=False, slots=True)
class Ref:
    """An object that the text can name: a function, class, module or dtype, such as `jnp.exp`.

    `spelling` is how the user named it, `root` the object that the first word of it denotes
    (for `jnp.exp` the module `jax.numpy`). Equal if they refer to the same object.
    A `Ref` to a `Function` is a call target that the compiler made itself.
    """

    value: Any
    spelling: str
    root: Any = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and self.value is other.value

    def __hash__(self) -> int:
        return hash(("Ref", id(self.value)))


@dataclass(frozen=True, slots=True)
class Display:
    """A container whose structure the text shows: `(a, b)`, `[a, b]`, `{"k": a}`, `State(a, b)`.

    `kind` is `tuple`, `list`, `dict`, or the class of a namedtuple or dataclass. `keys` are the
    dict's keys or the class's field names, `None` for tuples and lists. `spelling` is a Ref for
    classes, how the text names the class.
    """

    kind: type
    items: tuple[Tree, ...]
    keys: tuple[Any, ...] | None = None
    spelling: Ref | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """`lower:upper:step` in an index; absent parts are `Const(None)`."""

    lower: Tree
    upper: Tree
    step: Tree


@dataclass(frozen=True, slots=True)
class Star:
    """`*value` in a call or a display, whose length the text does not show."""

    value: Tree


@dataclass(frozen=True, eq=False)
class Closure:
    """A `lambda` or nested `def` of the user's, as a value.

    `node` is its `ast.Lambda` or `ast.FunctionDef`; `env` gives every free name of it a tree, in the
    order of first use. `lower` (set by the frontend) reads it as a Function with the parameters of `node`;
    free vars of the Function's body are vars of `env`.
    """

    node: ast.Lambda | ast.FunctionDef
    env: tuple[tuple[str, Tree], ...]
    span: Span
    lower: Callable[[], Function]
    name: str | None = None


Atom = Union[Var, Const, Ref]
Tree = Union[Var, Const, Ref, Display, Slice, Star, Closure]


# ---- equations --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Method:
    """The callee of `x.reshape(2, -1)`: an attribute looked up on the first operand, then called."""

    name: str


@dataclass(frozen=True, eq=False)
class Apply:
    """`out = fn(*args, **kwargs)`.

    Operators are `Ref(operator.add)` and so on, `x.shape` is `Ref(getattr)` of `x` and `Const("shape")`,
    `x[i]` is `Ref(operator.getitem)`; an index of several parts is a `Display` of kind tuple.
    `arity` (of getitem only): the text unpacks the operand into exactly so many items.
    A keyword `None` stands for `**value`.
    """

    out: Var
    fn: Ref | Var | Method | Closure
    args: tuple[Tree, ...]
    kwargs: tuple[tuple[str | None, Tree], ...] = ()
    span: Span | None = None
    arity: int | None = None

    @property
    def outs(self) -> tuple[Var, ...]:
        return (self.out,)


class LoopKind(enum.Enum):
    FOR = "for"  # a Python loop over a static iterable
    COMPREHENSION = "comprehension"  # collects a list
    SCAN = "lax.scan"
    FORI = "lax.fori_loop"
    MAP = "lax.map"


@dataclass(frozen=True)
class Range:
    """`range(start, stop, step)`."""

    start: Tree
    stop: Tree
    step: Tree = Const(1)


@dataclass(frozen=True)
class Each:
    """The items of a container, or of the leading axis of an array (for SCAN: of every leaf).

    `view` is one of "" (iterate the value itself), "keys", "values", "items" (of a dict).
    """

    value: Tree
    view: str = ""


@dataclass(frozen=True)
class Zip:
    parts: tuple[Iter, ...]
    strict: bool = False


@dataclass(frozen=True)
class Enumerate:
    part: Iter
    start: Tree = Const(0)


@dataclass(frozen=True)
class Reversed:
    part: Iter


Iter = Union[Range, Each, Zip, Enumerate, Reversed]


@dataclass(frozen=True, eq=False)
class Loop:
    """A loop whose trip count does not depend on array values.

    `body.params` are the carried values, then one var for each leaf of `iterable` in order (a Range or an
    Each has one leaf, an Enumerate the counter and those of its part, a Zip those of its parts).
    `body.result` is a Display of kind tuple: the new carried values, then the values collected per step.
    `outs` are the final carried values, then the collections (a list for Python loops, an array with a
    leading axis for lax loops). A SCAN with `xs=None` has `iterable=None` and no item. A FORI iterates a Range.
    """

    kind: LoopKind
    outs: tuple[Var, ...]
    init: tuple[Tree, ...]
    iterable: Iter | None
    body: Block
    options: tuple[tuple[str, Tree], ...] = ()  # length=, unroll=, batch_size= of lax loops
    span: Span | None = None


class BranchKind(enum.Enum):
    IF = "if"  # a statement, on a static predicate
    IFEXP = "if else"  # an expression, on a static predicate
    COND = "lax.cond"
    SWITCH = "lax.switch"


@dataclass(frozen=True, eq=False)
class Branch:
    """One of several blocks, chosen by `predicate`: true takes the first, false the second; SWITCH takes
    the one of that number. The blocks have no params; each one's result is a Display of kind tuple, one item for each of `outs`."""

    kind: BranchKind
    outs: tuple[Var, ...]
    predicate: Tree
    blocks: tuple[Block, ...]
    span: Span | None = None


@dataclass(frozen=True, eq=False)
class Opaque:
    """Statements or an expression of the user's that are copied, not understood: `while`, `try`, f-strings.

    They can be run when all of `ins` are known, and never be inverted. `code` is a list of statements that read the names
    of `ins` and bind the names of `bound` (one for each of `outs`), or one expression with a single out.
    """

    outs: tuple[Var, ...]
    bound: tuple[str, ...]
    ins: tuple[tuple[str, Tree], ...]
    code: list[ast.stmt] | ast.expr
    what: str  # for messages: "a `while` loop"
    span: Span | None = None


Equation = Union[Apply, Loop, Branch, Opaque]


@dataclass(frozen=True, eq=False)
class Block:
    params: tuple[Var, ...]
    equations: tuple[Equation, ...]
    result: Tree


# ---- functions --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Capture:
    """A value that a function finds outside its parameters, read anew at each call.

    `scope` is the Python function whose free name `name` is; `steps` lead from what the name denotes to
    the value: ("attr", "w") for `.w`, ("item", 0) for `[0]`.
    """

    name: str
    scope: Any
    steps: tuple[tuple[str, Any], ...] = ()
    # a sound reading of the value today
    read: Callable[[], Any] = field(default=lambda: None, compare=False, repr=False)


@dataclass(frozen=True)
class Param:
    var: Var
    kind: ParameterKind
    default: Tree | None = None


@dataclass(frozen=True, eq=False)
class Function:
    """A Python function: the user's as it was read, or one that a pass made.

    `captures` binds vars to values found outside (closure conversion turns them into keyword-only parameters).
    `depends` are code-like objects (functions, classes, modules' attributes, strings, bools) that the reading rests on:
    when one of them reads differently, the function must be read again.
    `again` reads it once more for arguments of which more is known: `look` answers questions about its values, and parameters that
    are `given` a tree stand for that.
    """

    name: str
    params: tuple[Param, ...]
    body: Block
    captures: tuple[tuple[Var, Capture], ...] = ()
    depends: tuple[tuple[Capture, Any], ...] = ()
    span: Span | None = None
    doc: str | None = None
    source: Any = None  # the Python object that was read
    again: Callable[[Any, Mapping[Var, Tree]], Function] | None = field(default=None, repr=False)
