"""The text of `docs/coverage.md`: what has a rule, and what of the other libraries' is inverted."""

import inspect
import math
import operator
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import fft, linalg, special, stats

import invcompiler as inv
from invcompiler.debugging import adjoint_block
from invcompiler.ir.interval import Interval
from invcompiler.rules import indexed, without_inverse
from invcompiler.rules.registry import BUILT_IN, Kind
from tests.coverage.registry import PEERS, TRANSFORMS, WITHOUT

PATH = Path(__file__).parents[2] / "docs" / "coverage.md"

HEAD = """\
# What can be inverted

This page is written by a test (`pytest tests/coverage --update-golden`), which runs what it speaks of.
"""

RULES = """
## Functions with a rule

`domain` is where the function is injective as the rule has it: the domain is inferred, or stated with `domain=` or
`inv.assume`. Where there is none, every real number will do. What is seen as a part or a rearrangement (`split`, indices,
`concatenate`, `stack`, masks), loops, branches, pieces (`where`, `abs`, `maximum`), sums in which an unknown stands
several times, and calls of other functions need no rule.

| function | recovers | domain | range |
| --- | --- | --- | --- |
"""

WITHOUT_RULE = """
## Functions of each element without a rule

Each function of one array, or of an array and numbers, that `jnp`, `jax.nn`, `jax.scipy.special`, `jax.scipy.stats` and `lax` have, acts
element by element and has no rule. Some are inverted where they are part of something that is: `x % 1` on the unit interval, `maximum(x, 0.1 * x)`,
`x ^ (x >> 1)`. What has no inverse in closed form is inverted with `numeric=True` where it is seen to be monotone.

| it | functions |
| --- | --- |
"""

TABLE = """
## Transforms that other libraries ship

Each has a plain forward function in `tests/coverage/`. *inverted*: the inverse that is derived from it gives its argument back,
and the log-determinant is that of the dense Jacobian. *inverted, no density*: dimensions differ, so there is a left inverse only.
*refused*: an error says why.

| library | transform | forward code | here |
| --- | --- | --- | --- |
"""


def text(verdicts):
    """Return the page; `verdicts` gives what is to be said of each transform."""
    return (
        HEAD
        + RULES
        + "".join(_rules())
        + WITHOUT_RULE
        + "".join(_without_rule())
        + TABLE
        + "".join(_transforms(verdicts))
        + _summary(verdicts)
    )


# ---- rules -----------------------------------------------------------------------------------------


def _rules():
    rows = defaultdict(list)
    for rule in BUILT_IN:
        if rule.fn is adjoint_block:  # what a `with` statement becomes
            continue
        rows[spelling(rule.fn)].append(rule)
    for name in sorted(rows):
        for line in dict.fromkeys(map(_rule, rows[name])):
            yield f"| `{name}` | {line} |\n"


def _without_rule():
    found = defaultdict(set)
    short = {"jax.numpy": "jnp", "jax.lax": "lax"}
    for module, name, reason in without_inverse.reasons():
        found[reason].add(f"{short.get(module.__name__, module.__name__)}.{name}")
    for reason in sorted(found):
        yield f"| {reason} | {', '.join(f'`{name}`' for name in sorted(found[reason]))} |\n"


def _rule(rule):
    if rule.kind is not Kind.ELEMENTWISE:
        return f"`{rule.argument}` | |"
    return f"`{rule.argument}` | {interval(rule.domain)} | {interval(rule.range)}"


def interval(where):
    """Return an interval as mathematics writes it, nothing for all real numbers."""
    if where == Interval(-math.inf, math.inf):
        return ""
    left = "(" if where.lo_open else "["
    right = ")" if where.hi_open else "]"
    return f"{left}{_number(where.lo)}, {_number(where.hi)}{right}"


def _number(value):
    for factor, name in ((math.pi, "π"), (math.pi / 2, "π/2")):
        if math.isclose(abs(value), factor):
            return ("-" if value < 0 else "") + name
    return {math.inf: "∞", -math.inf: "-∞"}.get(value, f"{value:g}")


MODULES = [
    (jnp, "jnp"), (jax.nn, "jax.nn"), (jnp.linalg, "jnp.linalg"), (jnp.fft, "jnp.fft"),
    (special, "jax.scipy.special"), (linalg, "jax.scipy.linalg"), (fft, "jax.scipy.fft"),
    (lax, "lax"),
]  # fmt: skip
MODULES += [
    (module, f"jax.scipy.stats.{name}")
    for name, module in sorted(vars(stats).items())
    if inspect.ismodule(module)
]


# What users write where the table has a function of the compiler's own.
SPELLED = {
    operator.getitem: "x[i]",
    indexed.at_add: "x.at[i].add",
    indexed.at_subtract: "x.at[i].subtract",
    indexed.at_multiply: "x.at[i].multiply",
    indexed.at_divide: "x.at[i].divide",
    inv.assume: "inv.assume",
    inv.debug_cotangent: "inv.debug_cotangent",
}


def spelling(fn):
    """Return the name by which users know a function."""
    if fn in SPELLED:
        return SPELLED[fn]
    name = getattr(fn, "__name__", str(fn))
    for module, where in MODULES:
        if getattr(module, name, None) is fn:
            return f"{where}.{name}"
    module = inspect.getmodule(fn)
    return name if module is None else f"{module.__name__}.{name}"


# ---- transforms --------------------------------------------------------------------------------------


def rows():
    """Yield (library, name there, transform), in the order of the page."""
    for peer in PEERS:
        found = [(t.ships[peer], t) for t in TRANSFORMS if peer in t.ships]
        yield from ((peer, name, t) for name, t in sorted(found, key=lambda pair: pair[0].lower()))


def _transforms(verdicts):
    for peer, name, transform in rows():
        verdict = verdicts[transform.function.__name__]
        yield f"| {peer} | {name} | `{transform.function.__name__}` | {verdict} |\n"
    for peer in PEERS:
        for name, why in WITHOUT.get(peer, {}).items():
            yield f"| {peer} | {name} | | {why} |\n"


def _summary(verdicts):
    found = [verdicts[t.function.__name__].startswith("inverted") for _, _, t in rows()]
    return f"\n{sum(found)} of {len(found)} of those with a forward function are inverted.\n"


def stated():
    """Return the verdicts that the page on disk gives, by forward function."""
    found = {}
    for line in PATH.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0] in PEERS and cells[2]:
            found[cells[2].strip("`")] = cells[3]
    return found
