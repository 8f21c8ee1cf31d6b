"""The tables of rules: what is known about each function, and the decorators that state it.

A rule is a class without instances, whose functions are templates: plain Python, a few lines each, that the
compiler reads and writes into its output. What a template needs is read off the names of its parameters::

    @elementwise(jnp.exp, range=POSITIVE)
    class exp:                                    # y = e^x
        def inverse(y):    return jnp.log(y)
        def slope(y):      return y               # dy/dx
        def log_slope(x):  return x               # log |dy/dx|

A rule may state `log_slope_back` as well, log |dy/dx| for the way back: there y is what is given and x what is computed of it.

- The first parameter of `inverse` is the output, by whatever name (`y` in the built-in tables), and `slope`, `log_slope` and
  `log_det` may ask for it under that name.
- Every other name is a canonical argument of the function (`canonical.parameters_of`). What a template does not name need not
  be known. In `inverse` the isolated argument itself stands for its shape and dtype only; everywhere else for its value.
- What slope and log_slope return broadcasts against the isolated argument: it may be a Python number.

Users' rules are kept in a table of their own, which is looked up first.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Protocol

from invcompiler.ir.interval import REAL, Interval, parse_domain
from invcompiler.ir.nodes import Tree
from invcompiler.rules import canonical as forms
from invcompiler.rules import spellings  # noqa: F401 -- rules are for functions that have been entered
from invcompiler.rules.canonical import Call

Template = Callable[..., Any]


class Kind(enum.Enum):
    ELEMENTWISE = (
        "elementwise"  # each element of the output depends on the same element of the argument
    )
    STRUCTURAL = "structural"  # elements are moved or kept, the volume too
    LINEAR = "linear"  # acts on `core` trailing axes at once, with one log-det for each


class Numbers(enum.Flag):
    """The kinds of numbers that a rule holds for."""

    REAL = enum.auto()
    COMPLEX = enum.auto()
    INTEGER = enum.auto()
    BOOL = enum.auto()
    INEXACT = REAL | COMPLEX
    NUMBER = REAL | COMPLEX | INTEGER
    ANY = REAL | COMPLEX | INTEGER | BOOL


@dataclass(frozen=True)
class Refusal:
    """Why a rule does not apply to a call, and what would help."""

    reason: str
    hint: str | None = None


class Facts(Protocol):
    """What is known of the operands of a call at compile time. `None` is for: not known yet."""

    def shape(self, tree: Tree) -> tuple | None: ...
    def rank(self, tree: Tree) -> int | None: ...
    def dtype(self, tree: Tree) -> Any | None: ...
    def static(self, tree: Tree) -> Any | None: ...
    def array_value(self, tree: Tree) -> Any | None: ...


Condition = Callable[[Call, Facts], "Refusal | None"]


@dataclass(frozen=True, eq=False)
class InverseRule:
    """How to recover one argument of `fn` from its value, on a domain where that is possible.

    `log_det` (LINEAR) is the log-determinant of `core` trailing axes of the argument, one for each index of the axes before
    them; with `core=None` that of the whole argument. A rule without slope, log_slope and log_det has no log-det at all.
    `local_slope`: the function has values outside of `domain` as well, and not the slope that is stated.
    For complex arguments, log_slope and log_det are those of the complex derivative, of which the real Jacobian has twice.
    """

    fn: Any
    argument: str
    kind: Kind
    inverse: Template
    slope: Template | None = None
    log_slope: Template | None = None
    log_slope_back: Template | None = None
    log_det: Template | None = None
    core: int | None = 0
    domain: Interval = REAL
    range: Interval = REAL
    numbers: Numbers = Numbers.REAL
    condition: Condition | None = None
    name: str = ""
    local_slope: bool = False

    @property
    def output(self) -> str:
        """The name by which the templates call the output."""
        return parameters(self.inverse)[0]

    def log_slope_towards(self, forward: bool) -> Template | None:
        """Return the log-slope in terms of what is given, where the function is run forward or goes back."""
        return self.log_slope if forward or self.log_slope_back is None else self.log_slope_back

    def needs(self, template: Template) -> frozenset[str]:
        """Return the arguments of the call, other than the isolated one, that `template` names."""
        return frozenset(parameters(template)) - {self.output, self.argument}

    def refusal(self, call: Call, facts: Facts) -> Refusal | None:
        """Return why the rule does not apply to `call`, or None if it does as far as is known."""
        kind = numbers_of(facts.dtype(call.arguments[self.argument]))
        if kind is not None and kind not in self.numbers:
            return Refusal(f"its inverse is not known for {_WORDS[kind]} values")
        return None if self.condition is None else self.condition(call, facts)


def parameters(template: Template) -> tuple[str, ...]:
    """Return the names of the parameters of a template, which is a plain function."""
    code = template.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


_WORDS = {
    Numbers.REAL: "real",
    Numbers.COMPLEX: "complex",
    Numbers.INTEGER: "integer",
    Numbers.BOOL: "bool",
}
_KINDS = {"f": Numbers.REAL, "c": Numbers.COMPLEX, "i": Numbers.INTEGER, "u": Numbers.INTEGER}
_KINDS |= {"b": Numbers.BOOL, "V": Numbers.REAL}  # numpy calls bfloat16 and the float8s void


def numbers_of(dtype: Any) -> Numbers | None:
    """Return the kind of number that `dtype` is, None for what is not known or no number."""
    kind = getattr(dtype, "kind", None)
    if kind == "V" and "int" in dtype.name:  # int4 and the like
        return Numbers.INTEGER
    return None if kind is None else _KINDS.get(kind)


# ---- tables -------------------------------------------------------------------------------------


@dataclass
class _Entry:
    """The rules of one function, in the order in which they are tried."""

    fn: Any
    rules: list[InverseRule] = field(default_factory=list)


class Table:
    """Rules by function; each rule of a function (by argument and name) is stated once."""

    def __init__(self) -> None:
        self._entries: dict[Any, _Entry] = {}

    def add(self, rule: InverseRule) -> None:
        entry = self._entries.setdefault(forms.identity(rule.fn), _Entry(rule.fn))
        for known in entry.rules:
            if (known.argument, known.name) == (rule.argument, rule.name):
                name = getattr(rule.fn, "__name__", repr(rule.fn))
                raise ValueError(f"`{name}` has an inverse rule for `{rule.argument}` already")
        entry.rules.append(rule)

    def rules(self, fn: Any) -> tuple[InverseRule, ...]:
        entry = self._entries.get(forms.identity(fn))
        return () if entry is None else tuple(entry.rules)

    def __iter__(self) -> Iterator[InverseRule]:
        for entry in self._entries.values():
            yield from entry.rules


BUILT_IN = Table()
USERS = Table()
_RANGES: dict[Any, tuple[Any, Interval]] = {}


def inverse_rules(fn: Any, argument: str | None = None) -> tuple[InverseRule, ...]:
    """Return the rules for `fn` (for one argument of it), in the order in which to try them: users' first.

    A user's rule for an argument stands in the place of the built-in ones for that argument.
    """
    fn = forms.key_of(fn)
    users = USERS.rules(fn)
    stated = {rule.argument for rule in users}
    rules = users + tuple(r for r in BUILT_IN.rules(fn) if r.argument not in stated)
    return tuple(rule for rule in rules if argument in (None, rule.argument))


def range_of(fn: Any) -> Interval | None:
    """Return an interval in which all real values of `fn` lie, or None if nothing is stated.

    The ranges of the rules for one argument are images of parts of the domain; together, they are all of them.
    """
    fn = forms.key_of(fn)
    stated = _RANGES.get(forms.identity(fn))
    if stated is not None:
        return stated[1]
    rules = inverse_rules(fn)
    if not rules:
        return None
    hull = rules[0].range
    for rule in rules[1:]:
        hull = hull.hull(rule.range)
    return hull


def state_range(range: Interval, *fns: Any) -> None:
    """State where the values of functions lie that have no inverse."""
    for fn in fns:
        forms.declare(fn)
        place = forms.identity(forms.key_of(fn))
        if place in _RANGES:
            raise ValueError(f"the range of {fn} is stated already")
        _RANGES[place] = (fn, range)


# ---- decorators ---------------------------------------------------------------------------------

_PARTS = ("inverse", "slope", "log_slope", "log_slope_back", "log_det", "condition")


def _parts(record: type) -> dict[str, Any]:
    """Return the functions of a rule's class body, by name."""
    found = {name: value for name, value in vars(record).items() if not name.startswith("__")}
    unknown = sorted(set(found) - set(_PARTS))
    if unknown:
        raise TypeError(
            f"the rule `{record.__name__}` states `{unknown[0]}`; it can state {_PARTS}"
        )
    if "inverse" not in found:
        raise TypeError(f"the rule `{record.__name__}` does not state its `inverse`")
    return {name: _plain(value, name) for name, value in found.items()}


def _plain(value: Any, name: str) -> FunctionType:
    value = value.__func__ if isinstance(value, staticmethod) else value
    if isinstance(value, FunctionType):
        return value
    raise TypeError(f"`{name}` of a rule is a plain function, not {value!r}")


def _argument_name(fn: Any, argument: int | str) -> str:
    names = forms.parameters_of(fn)
    if isinstance(argument, bool) or not isinstance(argument, int | str):
        raise TypeError(f"`argument` is a position or a name, not {argument!r}")
    if isinstance(argument, int):
        if not -len(names) <= argument < len(names):
            raise ValueError(f"{fn} has no argument {argument}: it takes {', '.join(names)}")
        return names[argument]
    if argument not in names:
        raise ValueError(f"{fn} has no argument `{argument}`: it takes {', '.join(names)}")
    return argument


def _check_names(rule: InverseRule) -> None:
    """Check that the templates name only the output and arguments of the function."""
    if not parameters(rule.inverse):
        raise TypeError("the first parameter of `inverse` takes the output; it has none")
    allowed = {rule.output, *forms.parameters_of(rule.fn)}
    for part in ("inverse", "slope", "log_slope", "log_slope_back", "log_det"):
        template = getattr(rule, part)
        for name in () if template is None else parameters(template):
            if name not in allowed:
                of = f"`{part}` of the rule for `{getattr(rule.fn, '__name__', rule.fn)}`"
                raise TypeError(f"{of} names `{name}`, which is no argument of the function")


def _state(table: Table, fns: Iterable[Any], argument: int | str, **facts: Any) -> InverseRule:
    """Add one rule for each of `fns`; return the first."""
    made = []
    for fn in fns:
        forms.declare(fn)
        key = forms.key_of(fn)
        rule = InverseRule(fn=key, argument=_argument_name(key, argument), **facts)
        _check_names(rule)
        table.add(rule)
        made.append(rule)
    return made[0]


def elementwise(
    fn: Any,
    *more: Any,
    argument: int | str = 0,
    domain: Interval = REAL,
    range: Interval = REAL,
    numbers: Numbers = Numbers.REAL,
    local_slope: bool = False,
) -> Callable[[type], InverseRule]:
    """State how to invert a function element by element, on a domain where it is injective."""

    def add(record: type) -> InverseRule:
        stated: dict[str, Any] = {"domain": domain, "range": range, "numbers": numbers}
        stated["local_slope"] = local_slope
        stated |= {"kind": Kind.ELEMENTWISE, "name": record.__name__, **_parts(record)}
        return _state(BUILT_IN, (fn, *more), argument, **stated)

    return add


def structural(
    fn: Any, *more: Any, argument: int | str = 0, numbers: Numbers = Numbers.ANY
) -> Callable[[type], InverseRule]:
    """State how to undo a function that moves elements, and changes none."""

    def add(record: type) -> InverseRule:
        stated: dict[str, Any] = {"kind": Kind.STRUCTURAL, "numbers": numbers}
        stated |= {"name": record.__name__, **_parts(record)}
        return _state(BUILT_IN, (fn, *more), argument, **stated)

    return add


def linear(
    fn: Any,
    *more: Any,
    argument: int | str = 0,
    core: int | None = 1,
    numbers: Numbers = Numbers.INEXACT,
) -> Callable[[type], InverseRule]:
    """State how to invert a function that mixes the elements of `core` trailing axes."""

    def add(record: type) -> InverseRule:
        stated: dict[str, Any] = {"kind": Kind.LINEAR, "core": core, "numbers": numbers}
        stated |= {"name": record.__name__, **_parts(record)}
        return _state(BUILT_IN, (fn, *more), argument, **stated)

    return add


# ---- the users' door ----------------------------------------------------------------------------


def inverse_rule(
    fn: Any,
    argument: int | str = 0,
    *,
    log_slope: Template | None = None,
    log_det: Template | None = None,
    core: int | None = None,
    domain: str | Interval = "real",
    range: str | Interval = "real",
) -> Callable[[Any], Any]:
    """Teach the compiler to invert `fn` in its parameter `argument` (a position or a name).

    Decorates either a function, the inverse::

        @inv.inverse_rule(lib.affine, "x", log_slope=lambda scale: jnp.log(jnp.abs(scale)))
        def affine_inverse(y, scale, shift):
            return (y - shift) / scale

    or a class that states several facts, of which `inverse` is the only one that must be there::

        @inv.inverse_rule(lib.sinh_arcsinh, "x")
        class sinh_arcsinh:
            def inverse(y, tail):       return jnp.sinh(jnp.arcsinh(y) * tail)
            def log_slope(x, tail):     ...

    The first parameter of `inverse` takes the output of `fn`; its other parameters, and those of the other
    functions, are parameters of `fn` by name. Naming `argument` itself in `inverse` gives its shape and dtype, elsewhere its value.

    `log_slope` (or `slope`) makes the rule elementwise: log |dy/dx| for each element. `log_det` is for everything else: the
    log |det dy/dx| of `core` trailing axes of the argument, one for each index of the axes before them, or of the whole argument
    (`core=None`); `log_det=0.` says that volume is kept. A rule with none of them serves `inverse` alone: a log-det through `fn`
    is refused. `domain` is where `fn` is injective, `range` where its values then lie.

    The rule stands above any built-in one for that argument. Returns what it decorates.
    Raises TypeError for something that is no rule, ValueError for an argument that `fn` does not have and if there is a rule
    of a user's for this argument already.
    """
    if not callable(fn):
        raise TypeError(f"a rule is for a function, not {fn!r}")
    options = {"domain": parse_domain(domain), "range": parse_domain(range)}

    def add(record: Any) -> Any:
        stated = _users_parts(record)
        if log_slope is not None:
            stated["log_slope"] = _plain(log_slope, "log_slope")
        if log_det is not None:
            stated["log_det"] = _constant(log_det)
        facts = {**_users_kind(stated, core), **options, "numbers": Numbers.ANY, **stated}
        _state(USERS, (fn,), argument, name="", **facts)
        return record

    return add


def _users_parts(record: Any) -> dict[str, Any]:
    if isinstance(record, type):
        return _parts(record)
    if isinstance(record, FunctionType):
        return {"inverse": record}
    raise TypeError(f"an inverse rule is a function or a class of functions, not {record!r}")


def _constant(log_det: Any) -> Template:
    if isinstance(log_det, FunctionType):
        return log_det
    if callable(log_det) or log_det != 0:
        raise TypeError(f"`log_det` is a function or 0, not {log_det!r}")
    return volume_kept


def volume_kept():
    return 0.0


def _users_kind(stated: dict[str, Any], core: int | None) -> dict[str, Any]:
    by_element = not {"slope", "log_slope", "log_slope_back"}.isdisjoint(stated)
    if by_element and "log_det" in stated:
        raise TypeError("a rule has either a log_slope for each element or a log_det")
    if by_element:
        return {"kind": Kind.ELEMENTWISE}
    return {"kind": Kind.LINEAR, "core": core}


__all__ = [
    "Facts",
    "InverseRule",
    "Kind",
    "Numbers",
    "Refusal",
    "elementwise",
    "inverse_rule",
    "inverse_rules",
    "linear",
    "numbers_of",
    "range_of",
    "state_range",
    "structural",
]
