"""What is written as `before` is rewritten to what `after` is rewritten to, wherever it stands."""

import linecache
import math
import textwrap
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.backend.order import ordered
from invcompiler.frontend import read
from invcompiler.ir.build import Builder, as_tree
from invcompiler.ir.nodes import Const, Ref, Var
from invcompiler.ir.text import show
from invcompiler.passes.dead_code import dead_code
from invcompiler.passes.recognise import recognise
from invcompiler.passes.simplify import simplify
from invcompiler.rules import equation as guards
from invcompiler.rules import equations, idioms
from tests.passes.operands import (
    IDIOMS,
    SIMPLIFICATIONS,
    STRUCTURAL,
    guard_of,
    literals,
)
from tests.work import work

# What is triangular, square or orthogonal shows only where shapes are known: those equations are tried on values (`test_equations.py`).
TRIANGULAR = {
    equations.lower_triangular,
    equations.upper_triangular,
    equations.square,
    equations.orthogonal,
    equations.vector,
    equations.identity,
    equations.unit_lower,
    equations.unit_upper,
}
CASES = [
    (equation, simplify)
    for equation in SIMPLIFICATIONS
    if TRIANGULAR.isdisjoint(dict(equation.guards).values())
]
CASES += [(equation, recognise) for equation in IDIOMS]


def written(side, equation, chosen):
    """Return the text of `side` as a function: with literals, and with values that the guards let in."""
    function = read(side)
    builder = Builder()
    arguments = {}
    for param in function.params:
        name = param.var.name
        arguments[param.var] = param.var
        if guard_of(equation, name) is guards.known:
            arguments[param.var] = Const(3.0)
        elif name in chosen:
            arguments[param.var] = _tree(chosen[name])
        elif guard_of(equation, name) is guards.nonnegative:
            arguments[param.var] = builder.apply(Ref(jnp.cosh, "jnp.cosh"), (param.var,))
    result = builder.inline(function, arguments)
    return replace(function, body=builder.block((), result))


def _tree(value):
    return Const(value) if isinstance(value, float) else as_tree(value)


def text(function):
    return show(replace(function, body=ordered(function.body))).partition("\n")[2]


def choices(equation):
    if equation.name not in STRUCTURAL:
        return literals(equation)
    names = [name for name in ("axis", "keepdims", "p", "q", "m", "n", "c", "a")]
    names = [n for n in names if n in dict(equation.guards) and n in STRUCTURAL[equation.name]]
    names = [n for n in names if not isinstance(STRUCTURAL[equation.name][n][0], np.ndarray)]
    return [{name: STRUCTURAL[equation.name][name][-1] for name in names}]


@pytest.mark.parametrize("equation, run", CASES, ids=lambda case: getattr(case, "name", None))
def test_before_becomes_after(equation, run):
    for chosen in choices(equation):
        before = run(written(equation.before, equation, chosen))
        after = _without_compile_time(equation, chosen)
        if after is not None:
            assert text(before) == text(run(after))
        assert text(run(before)) == text(before)


def _without_compile_time(equation, chosen):
    """Return `after` as a program, if all of it is computed when the program runs."""
    if "CompileTime" in {
        type(equation.after.__globals__.get(n)).__name__ for n in equation.after.__code__.co_names
    }:
        return None
    return written(equation.after, equation, chosen)


# ---- where it stands --------------------------------------------------------------------------------


def recognised(source):
    return text(recognise(read(_made(source)))).strip()


def simplified(source):
    return text(simplify(read(_made(source)))).strip()


def _made(source):
    source = textwrap.dedent(source)
    name = f"<program {abs(hash(source))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    namespace = {"jnp": jnp, "jax": jax, "math": math}
    exec(compile(source, name, "exec"), namespace)
    return namespace["f"]


SIGMOIDS = [
    "return jnp.exp(-jax.nn.softplus(-x))",
    "return 1 / (1 + jnp.exp(-x))",
    "return 1.0 / (jnp.exp(-x) + 1.0)",
    "return jnp.divide(1, jnp.add(jnp.exp(jnp.negative(x)), 1))",
    "return (1 + jnp.exp(-x)) ** -1",
    "return jnp.reciprocal(1 + jnp.exp(-x))",
    "return jnp.exp(x) / (1 + jnp.exp(x))",
    "e = jnp.exp(x)\n    return e / (e + 1.0)",
    "e = jnp.exp(-1.0 * x)\n    return 1 / (1 + e)",
    "return 0.5 * (1 + jnp.tanh(x / 2))",
    "return (jnp.tanh(0.5 * x) + 1) / 2",
    "return 0.5 * jnp.tanh(0.5 * x) + 0.5",
    "return 1 - 1 / (1 + jnp.exp(x))",
    "return 1 / (1 + 1 / jnp.exp(x))",
    "return jnp.exp(-jnp.log(1 + jnp.exp(-x)))",
    "return jnp.exp(-jnp.log1p(jnp.exp(-x)))",
    "return jnp.exp(x - jnp.log1p(jnp.exp(x)))",
    "return 1 - jax.nn.sigmoid(-x)",
]
TANHS = [
    "return (jnp.exp(x) - jnp.exp(-x)) / (jnp.exp(x) + jnp.exp(-x))",
    "a, b = jnp.exp(x), jnp.exp(-x)\n    return (a - b) / (b + a)",
    "e = jnp.exp(x)\n    return (e - 1 / e) / (e + 1 / e)",
    "e = jnp.exp(2 * x)\n    return (e - 1) / (e + 1)",
    "e = jnp.exp(x) ** 2\n    return (e - 1) / (e + 1)",
    "e = jnp.exp(-2 * x)\n    return (1 - e) / (1 + e)",
    "return 2 * jax.nn.sigmoid(2 * x) - 1",
    "return 2 / (1 + jnp.exp(-2 * x)) - 1",
    "return 2.0 / (1.0 + jnp.exp(-2.0 * x)) - 1.0",
    "return 1 - 2 / (jnp.exp(2 * x) + 1)",
    "return jnp.sinh(x) / jnp.cosh(x)",
    "return jnp.expm1(2 * x) / (jnp.expm1(2 * x) + 2)",
]
LOGITS = [
    "return jnp.log(x / (1 - x))",
    "return jnp.log(x) - jnp.log(1 - x)",
    "return jnp.log(x) - jnp.log1p(-x)",
    "return -jnp.log1p(-x) + jnp.log(x)",
    "return -jnp.log(1 / x - 1)",
    "return -jnp.log((1 - x) / x)",
    "return 2 * jnp.arctanh(2 * x - 1)",
]
SOFTPLUSES = [
    "return jnp.log(1 + jnp.exp(x))",
    "return jnp.log1p(jnp.exp(x))",
    "return jnp.logaddexp(x, 0)",
    "return jnp.logaddexp(0.0, x)",
    "return x + jnp.log1p(jnp.exp(-x))",
    "return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))",
    "return -jnp.log(jax.nn.sigmoid(-x))",
    "return -jnp.log(1 - jax.nn.sigmoid(x))",
    "return -jax.nn.log_sigmoid(-x)",
]
LOG_SIGMOIDS = [
    "return -jnp.log(1 + jnp.exp(-x))",
    "return -jax.nn.softplus(-x)",
    "return jnp.log(1 / (1 + jnp.exp(-x)))",
    "return x - jnp.log1p(jnp.exp(x))",
    "return -jnp.logaddexp(0, -x)",
]
OTHERS = {
    "jnp.sinh(x)": [
        "return (jnp.exp(x) - jnp.exp(-x)) / 2",
        "return jnp.exp(x) / 2 - jnp.exp(-x) / 2",
    ],
    "jnp.arcsinh(x)": [
        "return jnp.log(x + jnp.sqrt(x**2 + 1))",
        "return jnp.log(jnp.sqrt(1 + x * x) + x)",
        "return jnp.log(x + (jnp.square(x) + 1) ** 0.5)",
    ],
    "jnp.arccosh(x)": ["return jnp.log(x + jnp.sqrt(x * x - 1))"],
    "jnp.arctanh(x)": [
        "return 0.5 * jnp.log((1 + x) / (1 - x))",
        "return jnp.log((x + 1) / (1 - x)) / 2",
        "return 0.5 * (jnp.log1p(x) - jnp.log1p(-x))",
        "return (jnp.log(1 + x) - jnp.log(1 - x)) / 2",
    ],
    "jnp.expm1(x)": [
        "return jnp.exp(x) - 1",
        "return -1.0 + jnp.exp(x)",
        "return -(1 - jnp.exp(x))",
    ],
    "jnp.log1p(x)": ["return jnp.log(1 + x)", "return jnp.log(x + 1.0)"],
    "jax.nn.soft_sign(x)": ["return x / (1 + jnp.abs(x))", "return x / (abs(x) + 1.0)"],
    "jnp.square(x)": ["return x * x"],
    "x ** 3": ["return x * x * x", "return x * (x * x)", "y = x * x\n    return y * x"],
    "x ** 4": ["return x * x * x * x"],
    "jax.nn.leaky_relu(x, 0.1)": [
        "return jnp.where(x > 0, x, 0.1 * x)",
        "return jnp.where(x >= 0.0, x, x * 0.1)",
        "return jnp.where(0 < x, x, 0.1 * x)",
        "return jnp.where(x < 0, 0.1 * x, x)",
        "return jnp.where(x <= 0, 0.1 * x, x)",
        "return jnp.maximum(x, 0.1 * x)",
        "return jnp.maximum(0.1 * x, x)",
        "return jnp.maximum(x, 0) + 0.1 * jnp.minimum(0, x)",
    ],
    "jax.nn.elu(x, 0.5)": [
        "return jnp.where(x > 0, x, 0.5 * jnp.expm1(x))",
        "return jnp.where(x > 0, x, 0.5 * (jnp.exp(x) - 1))",
    ],
    "jax.nn.elu(x)": [
        "return jnp.where(x > 0, x, jnp.exp(x) - 1)",
        "return jnp.where(x < 0, jnp.expm1(x), x)",
    ],
    "jax.nn.squareplus(x, 4)": ["return (x + jnp.sqrt(x**2 + 4)) / 2"],
}
NAMED = {
    "jax.nn.sigmoid(x)": SIGMOIDS,
    "jnp.tanh(x)": TANHS,
    "jax.scipy.special.logit(x)": LOGITS,
    "jax.nn.softplus(x)": SOFTPLUSES,
    "jax.nn.log_sigmoid(x)": LOG_SIGMOIDS,
    **OTHERS,
}
SPELLINGS = [(call, spelling) for call, spellings in NAMED.items() for spelling in spellings]


@pytest.mark.parametrize("call, spelling", SPELLINGS)
def test_spellings_are_recognised(call, spelling):
    assert recognised(f"def f(x):\n    {spelling}\n") == f"v1 = {call}\n    return v1"


@pytest.mark.parametrize("equation", idioms.folded.equations, ids=lambda equation: equation.name)
def test_stable_forms_are_folded_and_written_again(equation):
    """One term while the program is inverted, stable in what is emitted."""
    stable = text(simplify(read(equation.after)))
    assert text(simplify(recognise(read(equation.before)))) == stable
    assert "jnp.expm1" in stable and "jnp.exp(" not in stable
    x = jnp.array([0.1, 1.0, 5.0])
    x = x if "plus" in equation.name else -x
    np.testing.assert_allclose(equation.before(x), equation.after(x), 1e-5)


@pytest.mark.parametrize("call", NAMED)
def test_calls_are_left_as_they_are(call):
    assert recognised(f"def f(x):\n    return {call}\n") == f"v1 = {call}\n    return v1"


# ---- where spellings stand ---------------------------------------------------------------------------


def test_spellings_are_recognised_in_loops_and_branches():
    text = recognised(
        """
        def f(x, n: int = 3, flag=True):
            for _ in range(n):
                x = jnp.log(1 + jnp.exp(x))
            return jax.lax.fori_loop(0, 3, lambda i, c: 1 / (1 + jnp.exp(-c)), x)
        """
    )
    assert "jax.nn.softplus" in text and "jax.nn.sigmoid" in text and "jnp.exp" not in text


def test_what_the_unknown_does_not_reach_stays_as_the_user_wrote_it():
    function = read(
        _made("""
        def f(x, c):
            return 1 / (1 + jnp.exp(-x)) + 1 / (1 + jnp.exp(-c))
    """)
    )
    unknown = [function.params[0].var]
    assert text(recognise(function, unknown=unknown)).count("jnp.exp") == 1


def test_known_numerators_come_out_of_sigmoids():
    function = read(
        _made("""
        def f(x, top, k):
            return top / (1 + jnp.exp(-k * (x - 1)))
    """)
    )
    found = text(recognise(function, unknown=[function.params[0].var]))
    assert "jax.nn.sigmoid" in found and "jnp.exp" not in found


@pytest.mark.parametrize("near", [
    "return 1 / (2 + jnp.exp(-x))",
    "return jnp.exp(x) / (1 + jnp.exp(-x))",
    "return 1 / (1 + jnp.exp(-x) + x)",
    "return x * jax.nn.sigmoid(x)",
    "return jnp.exp(x) / (1 + jnp.exp(y))",
    "return jnp.log(x / (1 - y))",
    "return jnp.where(x > 1, x, 0.1 * x)",
    "return jnp.where(x > 0, 0.1 * x, x)",
    "return jnp.where(x > 0, x, -0.1 * x)",
    "return jnp.maximum(x, 2.0 * x)",
    "return jnp.log(x + jnp.sqrt(y**2 + 1))",
    "return (jnp.exp(x) - jnp.exp(-y)) / 2",
    "return 0.5 * jnp.log((1 + x) / (1 - y))",
])  # fmt: skip
def test_what_is_only_like_a_spelling_stays(near):
    source = f"def f(x, y):\n    {near}\n"
    assert recognised(source) == text(read(_made(source))).strip()


# ---- simplification -----------------------------------------------------------------------------------


def test_coupling_reads_as_an_expert_wrote_it():
    found = simplified("""
        def f(y, s, t):
            x = (y - t) / jnp.exp(s)
            ildj = 0.0 - jnp.sum(jnp.log(jnp.abs(jnp.exp(s))))
            return x, ildj
    """)
    assert (
        "jnp.exp(v" in found and "jnp.log" not in found and "/" not in found and "0.0" not in found
    )


def test_division_by_an_exponential_needed_elsewhere_stays():
    source = """
        def f(y, s):
            scale = jnp.exp(s)
            return y / scale, scale
    """
    assert simplified(source) == text(read(_made(source))).strip()


def test_division_in_a_loop_by_what_is_computed_before_it_stays():
    found = simplified("""
        def f(y, s):
            scale = jnp.exp(s)
            for _ in range(3):
                y = y / scale
            return y
    """)
    assert "-s" not in found


@pytest.mark.parametrize("source, result", [
    ("a, b = jnp.split(x, 2, axis=-1)\n    return jnp.concatenate([a, b], axis=-1)", "x"),
    ("a, b = jnp.split(x, [1], 0)\n    return jnp.concatenate([a, b])", "x"),
    ("return jnp.concatenate(jnp.split(x, 3))", "x"),
    ("return jnp.concatenate([x[:2], x[2:]])", "x"),
    ("return jnp.concatenate([x[..., :2], x[..., 2:]], axis=-1)", "x"),
    ("return jnp.stack([x, y])[1]", "y"),
    ("return x.T.T", "x"),
    ("return -(-x)", "x"),
    ("return 0 * x", None),
    ("return x - x", None),
    ("return x / x", None),
    ("a, b = jnp.split(x, 2, axis=-1)\n    return jnp.concatenate([b, a], axis=-1)", None),
    ("a, b = jnp.split(x, 2, axis=-1)\n    return jnp.concatenate([a, b], axis=0)", None),
    ("a, b, c = jnp.split(x, 3)\n    return jnp.concatenate([a, b])", None),
    ("return jnp.concatenate([x[:2], x[3:]])", None),
    ("return jnp.log(jnp.abs(x))", None),
    ("return jnp.exp(jnp.log(x))", None),
    ("return jnp.sqrt(x) / 3", None),
])  # fmt: skip
def test_results_known_already_are_used(source, result):
    source = f"def f(x, y):\n    {source}\n"
    unchanged = text(dead_code(read(_made(source)))).strip()
    expected = unchanged if result is None else f"return {result}"
    assert simplified(source) == expected


def test_what_is_spelled_in_two_ways_is_computed_once():
    found = simplified("""
        def f(x, y):
            return jnp.exp(x + y), jnp.exp(jnp.add(x, y)), x.reshape(2, 3), jnp.reshape(x, (2, 3))
    """)
    assert found.count("jnp.exp") == 1 and found.count("reshape") == 1


def test_values_of_the_host_are_not_those_of_jax():
    """`math.exp` gives a Python float of double precision, `jnp.exp` an array of single."""
    source = """
        def f(x, n):
            return x / math.exp(n), jnp.exp(n), math.log(math.exp(n))
    """
    assert simplified(source) == text(read(_made(source))).strip()


def test_long_programs_take_linear_work_and_no_recursion():
    lines = [
        "x = x * jnp.exp(s)",
        "x = -x",
        "x = x + s",
        "x = jnp.log(1 + jnp.exp(x))",
        "x = x / 2 - 1",
    ]

    def long(count):
        body = "".join(f"    {lines[i % 5]}\n" for i in range(count))
        return read(_made(f"def f(x, s):\n{body}    return x\n"))

    short, long = long(240), long(1200)
    for run in (simplify, recognise):
        run(short)
        assert work(run, long) < 5.5 * work(run, short)


# ---- what facts rule out, and what they allow ------------------------------------------------------------


class Stated:
    """Facts about parameters, by name: a shape and a dtype."""

    def __init__(self, **known):
        self.known = known
        self.values = [Var(name) for name in known]

    def _of(self, tree):
        return self.known.get(getattr(tree, "name", None))

    def dtype(self, tree):
        return self._of(tree) and np.dtype(self._of(tree)[1])

    def shape(self, tree):
        return self._of(tree) and self._of(tree)[0]

    def static(self, tree):
        return None


@pytest.mark.parametrize(
    "expression, dtype",
    [
        ("jnp.log(jnp.abs(jnp.exp(x)))", "complex64"),
        ("jnp.log(jnp.exp(2 * x + 1))", "complex64"),
        ("jnp.abs(jnp.sqrt(x.reshape(-1)))", "complex64"),
        ("jnp.sum(-x)", "uint8"),
        ("y / jnp.exp(x)", "uint8"),
        ("x / 1", "int32"),
        ("(x + 1) + 0.0", "int32"),
        ("jnp.log(jnp.exp(x.sum()))", "int32"),
    ],
)
def test_dtypes_that_an_equation_does_not_hold_for_rule_it_out(expression, dtype):
    function = read(_made(f"def f(x, y):\n    return {expression}\n"))
    assert text(simplify(function)) != text(function)
    assert text(simplify(function, Stated(x=((3,), dtype)))) == text(function)


@pytest.mark.parametrize(
    "expression, result",
    [
        ("x.reshape(2, 3)", "x"),
        ("jnp.broadcast_to(x, (2, 3))", "x"),
        ("jnp.split(jnp.concatenate([x, y]), 2)[1]", "y"),
        ("jnp.split(jnp.concatenate([x, y]), [2])[0]", "x"),
        ("jnp.stack([x[0], x[1]])", "x"),
        ("x.reshape(3, 2)", None),
        ("jnp.split(jnp.concatenate([x, y]), [1])[0]", None),
        ("jnp.split(jnp.concatenate([x, y], axis=1), 2)[0]", None),
        ("jnp.stack([x[1], x[0]])", None),
        ("jnp.stack([y[0]])", None),
    ],
)
def test_shapes_allow_more(expression, result):
    function = read(_made(f"def f(x, y):\n    return {expression}\n"))
    facts = Stated(x=((2, 3), "float32"), y=((2, 3), "float32"))
    expected = text(function).strip() if result is None else f"return {result}"
    assert text(simplify(function, facts)).strip() == expected
    assert text(simplify(function)) == text(function)


def test_parts_of_mixed_dtypes_are_not_those_that_were_joined():
    function = read(_made("def f(x, y):\n    return jnp.stack([x, y])[0]\n"))
    facts = Stated(x=((2,), "float16"), y=((2,), "float32"))
    assert text(simplify(function, facts)) == text(function)


def test_options_that_are_defaults_are_not_written():
    found = simplified("def f(x):\n    return jnp.sum(-x), jnp.sum(-x, axis=0)\n")
    assert "keepdims" not in found and found.count("axis") == 1


def test_a_value_without_a_name_gets_the_one_of_what_it_replaces():
    function = read(_made("def f(x):\n    total = -(-jnp.exp(jnp.cosh(x)))\n    return total\n"))
    assert "total = jnp.exp" in show(simplify(function))


def test_values_of_unknown_dtype_are_not_real_where_a_known_one_is_complex():
    """The facts may be those of the function that this one was made from."""
    function = read(_made("def f(x):\n    return jnp.log(jnp.abs(jnp.exp(x)))\n"))
    assert text(simplify(function, Stated(elsewhere=((3,), "float32")))).strip() == "return x"
    assert text(simplify(function, Stated(elsewhere=((3,), "complex64")))) == text(function)


def test_complex_literals_make_values_complex():
    function = read(
        _made("def f(x):\n    return jnp.log(jnp.exp(1j * x)) + jnp.abs(jnp.exp(x * 2j))\n")
    )
    assert text(simplify(function)) == text(function)
