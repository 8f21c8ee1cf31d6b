"""What the scheduler decides: an order of steps, each of which makes a value of the forward program known.

A `Plan` is a value that can be printed and tested; the passes that emit code are loops over it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from invcompiler.ir.interval import Interval
from invcompiler.ir.nodes import Apply, Block, Branch, Display, Equation, Function, Loop, Tree, Var
from invcompiler.ir.walk import leaves
from invcompiler.rules.canonical import Call
from invcompiler.rules.registry import InverseRule
from invcompiler.rules.simplices import Formula
from invcompiler.rules.stated import GeneralRule, UnaryRule
from invcompiler.schedule.choices import Condition
from invcompiler.schedule.regions import Form, Piece, Region, View
from invcompiler.schedule.slopes import Monotone

if TYPE_CHECKING:
    from invcompiler.schedule.bins import Table
    from invcompiler.schedule.context import Context
    from invcompiler.schedule.linear_terms import Side, Update
    from invcompiler.schedule.rising import Rising


@dataclass(frozen=True, eq=False)
class Forward:
    """Run an equation as it stands: all that it `reads` is known. Of `x.at[i].set(v)` that is x, i and v; by default, its operands."""

    equation: Equation
    reads: tuple[Var, ...] | None = None

    @property
    def solves(self) -> tuple[Var, ...]:
        return self.equation.outs


@dataclass(frozen=True, eq=False)
class ShapeQuery:
    """Run an equation that reads only the shape or dtype of the still unknown `of`.

    `like` is a known var of the same shape and dtype; None if only literals can answer.
    """

    equation: Apply
    of: Var
    like: Var | None

    @property
    def solves(self) -> tuple[Var, ...]:
        return self.equation.outs


class Counted(enum.Enum):
    """Whether the elements that a step recovers are those that their equation adds to the log-determinant."""

    YES = "they are"
    ELSEWHERE = "another step of the equation recovers them too, and counts them"
    OVERLAPPING = "other steps of the equation recover some of them"


@dataclass(frozen=True, eq=False)
class Isolate:
    """Recover the one unknown operand of a call from its value and the other operands, by a rule.

    `output` holds the call's value and `solved` takes the operand's: the call's own vars, or, where the value is known on
    `region` only, vars that hold the right elements there and anything elsewhere. `counted`: whether its term belongs to the
    log-determinant, to which every element of a value contributes once (`schedule/counting.py`).
    """

    equation: Apply
    call: Call
    rule: InverseRule
    output: Var
    solved: Var
    region: Region | None = None
    counted: Counted = Counted.YES

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.solved,)


@dataclass(frozen=True, eq=False)
class Read:
    """Take `part` out of `source`, which holds at least those elements of the whole."""

    part: Var
    source: Var
    view: View

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.part,)


@dataclass(frozen=True, eq=False)
class Join:
    """Put a whole together from pieces that cover it."""

    whole: Var
    form: Form
    pieces: tuple[Piece, ...]

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.whole,)


@dataclass(frozen=True, eq=False)
class Accumulate:
    """Put a whole together from its first element along an axis and its differences (`jnp.diff`), or (not `rising`) minus these."""

    whole: Var
    first: Piece
    differences: Var
    axis: int
    rising: bool = True

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.whole,)


@dataclass(frozen=True, eq=False)
class Collect:
    """Solve an elementwise linear system: `values[i] == sum(rows[i][j] * solved[j]) + offsets[i]`.

    Coefficients and offsets are sums of products over known trees (`schedule/affine.py`).
    """

    values: tuple[Var, ...]
    rows: tuple[tuple[Any, ...], ...]
    offsets: tuple[Any, ...]
    solved: tuple[Var, ...]

    @property
    def solves(self) -> tuple[Var, ...]:
        return self.solved


@dataclass(frozen=True, eq=False)
class Part:
    """An operand of a formula: `whole`, or what it holds in `region`."""

    whole: Tree
    region: Region | None = None


@dataclass(frozen=True, eq=False)
class Deduce:
    """Compute `solved` by a formula from operands that are known: where `equation` has more unknowns, or one of which a part is known.

    `of` is where the program has the value, if `solved` is new, and `axis` the one that is mixed. `spare`: the operand has one number
    more than are needed, unless it was completed.
    """

    equation: Apply
    formula: type[Formula]
    solved: Var
    operands: tuple[tuple[str, Part], ...]
    of: Part | None = None
    axis: int | None = None
    spare: Var | None = None

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.solved,)


@dataclass(frozen=True, eq=False)
class Ratio:
    """Solve `value == (a*solved + b) / (c*solved + d)`, elementwise, where `rows` is ((a, b), (c, d)): coefficients as in Collect."""

    equation: Apply
    value: Var
    solved: Var
    rows: tuple[tuple[Any, Any], ...]

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.solved,)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """Solve `value == P(solved) / Q(solved)`, elementwise, where `above` and `below` are the coefficients of 1, x and x**2.

    `sign` is that of the derivative of `P - value * Q` on `interval`; None if it is that of the coefficients `ends`, at run time.
    """

    equation: Apply
    value: Var
    solved: Var
    above: tuple[Any, Any, Any]
    below: tuple[Any, Any, Any]
    interval: Interval
    sign: int | None
    ends: tuple[Any, ...]

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.solved,)


@dataclass(frozen=True, eq=False)
class Bits:
    """Recover `solved`, whose bits `value` has in other places: the exclusive or of the shifts of `value` by `terms`, which are (shift to
    the left, mask of the result). With `doubled`, `value` is `solved` and a shift of it by so many bits."""

    equation: Apply
    value: Var
    solved: Var
    terms: tuple[tuple[int, int], ...]
    doubled: int | None
    rotated: tuple[Tree, Tree] | None = None

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.solved,)


@dataclass(frozen=True, eq=False)
class Wrapped:
    """Solve `value == (solved + offset) % modulus`, with `falls` of `offset - solved`, on an interval no longer than the modulus."""

    equation: Apply
    value: Var
    solved: Var
    falls: bool
    offset: Any
    modulus: Tree
    interval: Interval

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.solved,)


@dataclass(frozen=True, eq=False)
class CallInverse:
    """Call the inverse of a function that the program calls.

    `unknown` are the parameters that it recovers, `solved` the vars that take them; `known` gives the other parameters.
    `sources` hold the call's value, or the items `selection` of it. `ildj`: what its author stated of the log-det, if anything.
    """

    equation: Apply
    entered: Any
    unknown: tuple[Var, ...]
    solved: tuple[Var, ...]
    known: tuple[tuple[Var, Tree], ...]
    selection: tuple[Any, ...] | None
    sources: tuple[Var, ...]
    ildj: Callable[[Any], Any] | None = None

    @property
    def solves(self) -> tuple[Var, ...]:
        return self.solved


@dataclass(frozen=True, eq=False)
class ByStatedRule:
    """Recover arguments of a call by the rule that the author of the function stated with `inv.custom_inverse`.

    `output` is the value of the call and `given` the tuple of its arguments, `Const(None)` at each leaf that is unknown; `recovered`
    is of the structure of `given`, with the vars that are recovered, and `Const(None)` everywhere else. `is_all`: no argument stays unknown.
    """

    equation: Apply
    rule: UnaryRule | GeneralRule
    name: str
    output: Tree
    given: Display
    recovered: Display
    is_all: bool
    outcome: Any = None  # of the trial

    @property
    def solves(self) -> tuple[Var, ...]:
        return tuple(leaves(self.recovered))


@dataclass(frozen=True, eq=False)
class InvertLoop:
    """Run a loop whose unknowns are recovered step by step, from its last step to its first or (`backwards=False`) onwards.

    `plan` solves the body. `carried` numbers the carried values that the new loop carries; `precomputed` those that are
    known from the start, whose value at each step is collected first; `items` the unknown items (number, container);
    `collected` the collections that are read.
    """

    equation: Loop
    plan: Plan
    backwards: bool
    carried: tuple[int, ...]
    precomputed: tuple[int, ...]
    items: tuple[tuple[int, Var], ...]
    collected: tuple[int, ...]
    solved: tuple[Var, ...]

    @property
    def solves(self) -> tuple[Var, ...]:
        return self.solved


@dataclass(frozen=True, eq=False)
class InvertBranch:
    """Recover unknowns in the block that was taken; every block's plan recovers the same ones."""

    equation: Branch
    plans: tuple[Plan, ...]
    solved: tuple[Var, ...]

    @property
    def solves(self) -> tuple[Var, ...]:
        return self.solved


@dataclass(frozen=True, eq=False)
class LowRank:
    """Solve `value == diagonal * solved + sum(updates) + offset`, in which the updates are linear in `solved` (`schedule/low_rank.py`).

    `narrow`: they all go through few numbers, which are solved for first; else they are added up to a matrix. `determinant`: what a
    single update of rank one multiplies that of the diagonal by. `assumed` has operands of unknown rank, and what they are taken for.
    """

    equation: Apply
    value: Var
    solved: Var
    side: Side
    is_batched: bool
    diagonal: Any
    updates: tuple[Update, ...]
    offset: Any
    narrow: bool
    determinant: Any
    assumed: tuple[tuple[Tree, int], ...]

    @property
    def coefficients(self) -> tuple[Any, ...]:
        """Return all that the step is written with."""
        updates = (part for update in self.updates for part in update.parts)
        return (self.diagonal, self.offset, *updates)

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.solved,)


@dataclass(frozen=True, eq=False)
class Projected:
    """Solve `value == diagonal * solved + of * sum(weights * solved) + offset`, elementwise but for the sum along `axes`, which are kept.

    `is_mean`: it is a mean. What it multiplies the determinant of the diagonal by, for each index of the other axes, is `determinant`;
    if that `varies` along the axes, 1 plus its own sum (or mean). `shape`: that of the determinant, broadcast against `solved`.
    """

    equation: Apply
    value: Var
    solved: Var
    diagonal: Any
    of: Any
    weights: Any
    axes: tuple[int, ...]
    is_mean: bool
    offset: Any
    determinant: Any
    varies: bool
    shape: tuple[int, ...]

    @property
    def coefficients(self) -> tuple[Any, ...]:
        """Return all that the step is written with."""
        return (self.diagonal, self.of, self.weights, self.offset)

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.solved,)


@dataclass(frozen=True, eq=False)
class Spectral:
    """Undo a circular convolution: `value` is `back` of `spectrum` times `forth` of `solved`, and of that the `real` part.

    `half`: `forth` gives the frequencies that are not negative. `axes`: how many axes these are of.
    """

    equation: Apply
    value: Var
    solved: Var
    forth: Apply
    back: Apply
    real: Apply | None
    spectrum: Any
    half: bool
    axes: int

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.solved,)


class Iteration(enum.Enum):
    """How a part of a program without a closed form is solved."""

    MONOTONE = "Newton's method within a bracket"
    RESIDUAL = "Banach's iteration"
    DENSE = "Newton's method"


@dataclass(frozen=True, eq=False)
class Numeric:
    """Recover `unknown` from `value`, which `part` computes from it and from `known`, by iteration.

    `part` takes them in this order. It mixes the last `axes` axes of the unknown (0: it acts element by element; None: all of them).
    `monotone` says how a MONOTONE part is so, on `interval`; `sign` how often a RESIDUAL one has the unknown as a term, 1 or -1.
    """

    equation: Equation
    unknown: Var
    value: Var
    part: Function
    known: tuple[Var, ...]
    iteration: Iteration
    axes: int | None
    interval: Interval
    monotone: Monotone | None = None
    sign: int = 1

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.unknown,)


@dataclass(frozen=True, eq=False)
class Lookup:
    """Recover `source` from `output`, to which a table of bins leads: the bin is found from the value.

    `plan` recovers the source where the entries of the table are known, in the block of the equations that read them.
    """

    equation: Equation
    output: Var
    source: Var
    table: Table
    seen: Rising
    block: Block
    plan: Plan
    context: Context

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.source,)


@dataclass(frozen=True, eq=False)
class Way:
    """One way from an unknown to a known value: where each of `choices` comes out so, `result` is the value, in `image`.

    `plan` recovers the unknown from it, in the block of the equations of this way; `context` knows where values live on it.
    """

    choices: tuple[tuple[Condition, bool], ...]
    block: Block
    result: Var
    plan: Plan
    context: Context
    image: Interval


@dataclass(frozen=True, eq=False)
class Pieces:
    """Recover `source` from `output`, to which several ways lead: by the one that the candidate itself takes.

    `apart`: the ways' images have nothing in common, and tell the way. `proven`: no value is reached by two ways, and each way
    goes on where another ends. `whole`: one way for all elements.
    """

    equation: Equation
    output: Var
    source: Var
    ways: tuple[Way, ...]
    apart: bool
    proven: bool
    whole: bool

    @property
    def solves(self) -> tuple[Var, ...]:
        return (self.source,)


Step = Union[
    Forward,
    ShapeQuery,
    Isolate,
    Read,
    Join,
    Accumulate,
    Collect,
    Deduce,
    CallInverse,
    ByStatedRule,
    InvertLoop,
    InvertBranch,
    Numeric,
    Pieces,
    Ratio,
    Quadratic,
    Lookup,
    LowRank,
    Projected,
    Spectral,
    Bits,
    Wrapped,
]


@dataclass(frozen=True, eq=False)
class Plan:
    """`steps`, in an order in which they can run, make `targets` known from `given`.

    `kept` are those of `given` that must be kept when the block runs: for the way back only.
    """

    given: tuple[Var, ...]
    steps: tuple[Step, ...]
    targets: tuple[Var, ...]
    kept: tuple[Var, ...] = ()
