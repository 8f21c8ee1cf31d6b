"""What the analyses say of the programs of the corpus is what one sees when they run."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import invcompiler as inv
import tests.programs  # noqa: F401  (fills the registry)
from invcompiler.frontend import read
from invcompiler.ir.check import check
from invcompiler.ir.evaluate import bind_arguments, evaluate
from invcompiler.ir.interval import Interval, parse_domain
from invcompiler.schedule.abstract import Array, Integer, Known, Open, abstract, join
from invcompiler.schedule.dims import Dim, Floor, Product
from invcompiler.schedule.domains import intervals
from invcompiler.schedule.facts import concrete_facts, symbolic_facts
from tests.programs.registry import with_text


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


over_programs = pytest.mark.parametrize("program", with_text(), ids=[p.name for p in with_text()])


def seen_in(program):
    """Return the function, its arguments by var, and the values that each var took in a run."""
    function = check(read(program.function))
    seen = {}

    def observe(var, value):
        seen.setdefault(var, []).append(value)

    evaluate(function, program.seen, program.keywords, observe=observe)
    return function, bind_arguments(function, program.seen, program.keywords), seen


def unknown_of(program, function):
    return [function.params[i].var for i in program.unknown_positions]


def settled(values):
    """Return what all of a var's values have in common, None if they differ."""
    found = abstract(values[0])
    for value in values[1:]:
        found = join(found, abstract(value))
    return found


@over_programs
def test_evaluating_the_ir_is_calling_the_function(program):
    function = check(read(program.function))
    expected = program.function(*program.arguments, **program.keywords)
    found = evaluate(function, program.seen, program.keywords)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@over_programs
def test_abstract_runs_see_what_runs_see(program):
    function, arguments, seen = seen_in(program)
    facts = concrete_facts(function, arguments)
    for var, values in seen.items():
        found = settled(values)
        if isinstance(found, Array):
            assert facts.shape(var) == found.shape
            assert facts.dtype(var) in (found.dtype, None)
        elif isinstance(found, Known) and not callable(found.value):
            assert facts.static(var) == found


# Claims about texts without shapes that rest on what these state: that what multiplies a vector is a matrix, what is added a number.
ASSUMING = {
    "linear.planar_from_a_constant_on",
    "linear.planar_of_each_row",
    "linear.reflected_rows",
    "matrices.covariance_by_einsum",
    "numeric.sum_of_sigmoids_of_a_number",
}


@pytest.mark.parametrize(
    "program", [p for p in with_text() if p.name not in ASSUMING], ids=lambda program: program.name
)
def test_symbolic_sizes_have_the_values_that_are_seen(program):
    function, _, seen = seen_in(program)
    facts = symbolic_facts(function, unknown=unknown_of(program, function), defaults=False)
    common = {var: settled(values) for var, values in seen.items()}
    for var, found in common.items():
        claimed = facts.values.get(var)
        if isinstance(claimed, Known):
            assert claimed == found or found is None, var
        if isinstance(claimed, Integer) and isinstance(found, Known):
            assert worth(claimed.size, common) in (found.value, None), var
        if isinstance(claimed, Array) and isinstance(found, Array):
            assert agrees(claimed.shape, found.shape, common), (var, claimed.shape, found.shape)


def agrees(claimed, shape, common):
    if isinstance(claimed, Open):
        root = common.get(claimed.root)
        if not isinstance(root, Array):
            return True
        kept = root.shape[claimed.dropped_lead : len(root.shape) - claimed.dropped_trail]
        claimed = (*claimed.lead, *kept, *claimed.trail)
    values = [worth(size, common) for size in claimed]
    return len(values) == len(shape) and all(a in (b, None) for a, b in zip(values, shape))


def worth(size, common):
    """Return what a size is worth in this run, None if that cannot be told."""
    if not isinstance(size, Dim):
        return size
    parts = [(c, worth_of_symbol(name, common)) for name, c in size.terms]
    if any(value is None for _, value in parts):
        return None
    return sum((c * value for c, value in parts), size.constant)


def worth_of_symbol(name, common):
    match name:
        case Floor():
            inner = worth(name.numerator, common)
            return None if inner is None else inner // name.denominator
        case Product():
            values = [(worth(factor, common), power) for factor, power in name.factors]
            if any(value is None for value, _ in values):
                return None
            return math.prod(value**power for value, power in values)
        case (root, axis):
            found = common.get(root)
            return found.shape[axis] if isinstance(found, Array) else None
        case _:
            found = common.get(name)
            return found.value if isinstance(found, Known) else None


@over_programs
def test_values_lie_in_their_intervals(program):
    function, arguments, seen = seen_in(program)
    declared = {}
    domain = program.options.get("domain")
    if isinstance(domain, str | Interval):
        declared = {var: parse_domain(domain) for var in unknown_of(program, function)}
    for facts in (concrete_facts(function, arguments), symbolic_facts(function, defaults=False)):
        found = intervals(function, facts, declared, assume=inv.assume)
        for var, interval in found.items():
            for value in seen.get(var, ()):
                for leaf in jax.tree.leaves(value):
                    assert lies_in(leaf, interval), (var, interval)


def lies_in(leaf, interval):
    if not isinstance(leaf, int | float | np.ndarray | np.number | jax.Array):
        return True
    try:
        leaf = np.asarray(leaf)
    except jax.errors.TracerArrayConversionError:
        return True  # inside of a lax loop
    if not jnp.issubdtype(leaf.dtype, jnp.number):
        return True
    array = np.asarray(leaf, dtype=np.float64) if not np.iscomplexobj(leaf) else None
    if array is None or not array.size:
        return True
    slack = 1e-9 * max(1.0, float(np.abs(array).max()))
    return bool((array >= interval.lo - slack).all() and (array <= interval.hi + slack).all())
