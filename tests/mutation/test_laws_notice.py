"""Round trip and ILDJ hold of every elementwise rule as it is, and fail of each of its mutants."""

import importlib.util
import inspect
import math

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.scipy import special

import invcompiler as inv
from invcompiler.rules import registry
from invcompiler.rules.canonical import parameters_of
from tests.laws.evidence import assert_same, jacobian, log_abs_det
from tests.mutation.mutants import MUTATIONS, applies, mutated
from tests.programs.registry import Program

pytestmark = pytest.mark.usefixtures("double_precision")

NAMESPACES = {"jnp": jnp, "jax.nn": jax.nn, "special": special, "lax": lax}
HEADER = (
    "import jax\nimport jax.numpy as jnp\nfrom jax import lax\nfrom jax.scipy import special\n\n\n"
)

# What stands in the place of the other operand, where a rule holds of some values of it only.
OTHER = {
    "power_2_of_nonnegative": "2",
    "power_2_of_nonpositive": "2",
    "power_1": "1",
    "power_minus_1": "-1",
    "power_3": "3",
    "power_odd": "5",
    "power_even_of_nonpositive": "4",
    "power_half": "0.5",
    "ldexp": "3",
    "logaddexp_1": "-0.3",
    "logaddexp_2": "-0.3",
    "interp": "jnp.array([-2.0, -0.5, 0.5, 3.0])",
}


def required(fn):
    """Return the canonical names of the parameters that a call must have."""
    parameters = inspect.signature(fn).parameters.values()
    optional = {p.name for p in parameters if p.default is not p.empty}
    return [name for name in parameters_of(fn) if name not in optional]


def spelling(fn):
    """Return how a user writes `fn`, or None for what has no public name here."""
    for prefix, module in NAMESPACES.items():
        if getattr(module, getattr(fn, "__name__", ""), None) is fn:
            return f"{prefix}.{fn.__name__}"
    return None


def is_tried(rule):
    return (
        rule.kind is registry.Kind.ELEMENTWISE
        and registry.Numbers.REAL in rule.numbers
        and rule.log_slope is not None
        and spelling(rule.fn) is not None
        and rule.fn is not lax.complex  # which has no log-det: it makes two numbers of one
    )


def text(rule):
    """Return a module whose `program` is one call of the rule's function."""
    other = OTHER.get(rule.name, "1.7")
    operands = ["x" if name == rule.argument else other for name in required(rule.fn)]
    return f"{HEADER}def program(x):\n    return {spelling(rule.fn)}({', '.join(operands)})\n"


def point(domain):
    """Return values well inside an interval."""
    lo = max(domain.lo, -2.0) if math.isinf(domain.hi) else max(domain.lo, domain.hi - 3.0)
    hi = min(domain.hi, lo + 3.0)
    return lo + (hi - lo) * jnp.array([0.15, 0.45, 0.8])


def load(rule, folder):
    name = f"program_{rule.fn.__name__}_{rule.name}"
    path = folder / f"{name}.py"
    path.write_text(text(rule))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options = {"domain": rule.domain}
    return Program(name, module.program, (point(rule.domain),), options=options)


@pytest.fixture
def state(monkeypatch):
    """Return what lets a rule stand above the built-in ones, as a user's would, for one test."""

    def add(rule):
        table = registry.Table()
        table.add(rule)
        monkeypatch.setattr(registry, "USERS", table)

    return add


def check(program):
    """Check both laws; without compiling, since each mutant is run once."""
    y = program.forward(program.unknown)
    assert jacobian(program).shape
    with jax.disable_jit():
        recovered, ildj = inv.inverse_and_ildj(program.function, **program.options)(y)
    assert_same(recovered, program.unknown, program.tolerance)
    assert_same(ildj, -log_abs_det(program), program.tolerance, dtypes=False)


RULES = [rule for rule in registry.BUILT_IN if is_tried(rule)]
MUTANTS = [(r, m) for r in RULES for m in MUTATIONS if applies(r, m)]


def name_of(rule):
    return f"{rule.fn.__name__}.{rule.name}"


def test_there_are_many():
    assert len(RULES) >= 50


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_rule_is_right(rule, tmp_path):
    check(load(rule, tmp_path))


@pytest.mark.parametrize("rule, mutation", MUTANTS, ids=[f"{name_of(r)}: {m}" for r, m in MUTANTS])
def test_mutant_is_caught(rule, mutation, tmp_path, state):
    program = load(rule, tmp_path)
    state(mutated(rule, mutation, tmp_path))
    with pytest.raises(AssertionError):
        check(program)
