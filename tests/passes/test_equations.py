"""The law of the tables: both sides of an equation have one value and one dtype, and the right one is no worse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.rules import equation as guards
from tests.passes.operands import (
    COMPLEX,
    ELEMENTWISE,
    EXTREME,
    INTEGERS,
    ORDINARY,
    REARRANGING,
    arrays,
    guard_of,
    literals,
    parameters,
    rearrangements,
)

pytestmark = pytest.mark.usefixtures("double_precision")

by_name = {"ids": lambda equation: equation.name}
EPSILON = np.finfo(np.float32).eps


def both_sides(equation, given):
    """Return the values of `before` and of `after`, of arrays that JAX made of those given."""
    operands = {
        name: jnp.asarray(value) if isinstance(value, np.ndarray) else value
        for name, value in given.items()
    }
    ordered = [operands[name] for name in parameters(equation)]
    return np.asarray(equation.before(*ordered)), np.asarray(equation.after(*ordered))


@pytest.mark.parametrize("equation", ELEMENTWISE, **by_name)
def test_sides_agree_at_ordinary_points(equation):
    for chosen in literals(equation):
        before, after = both_sides(equation, {**chosen, **arrays(equation, ORDINARY)})
        np.testing.assert_allclose(
            after[np.isfinite(before)], before[np.isfinite(before)], 1e-11, 1e-13
        )
        assert not np.isfinite(after[~np.isfinite(before)]).any()


@pytest.mark.parametrize("equation", ELEMENTWISE, **by_name)
def test_right_side_is_no_worse_in_float32_to_the_ends_of_its_range(equation):
    points = np.concatenate([EXTREME, ORDINARY]).astype(np.float32)
    for chosen in literals(equation):
        given = arrays(equation, points)
        before, after = both_sides(equation, {**chosen, **given})
        truth, _ = both_sides(
            equation, {**chosen, **{n: v.astype(float) for n, v in given.items()}}
        )
        size = (
            np.max([np.abs(value) for value in given.values()], axis=0) if len(given) > 1 else 0.0
        )
        edge = np.any([np.isinf(value) | (value == 0) for value in given.values()], axis=0)
        worse = is_worse(before, after, truth, np.where(size < 1e3, size, 0.0), edge)
        unknown = np.any([np.isnan(value) for value in given.values()], axis=0)
        worse |= unknown & np.isnan(before) & ~np.isnan(after)
        where = {name: value[worse] for name, value in given.items()}
        assert not worse.any(), (chosen, where, before[worse], after[worse], truth[worse])


def is_worse(before, after, truth, size, edge):
    """Say where `after` is further from `truth` than `before`, or not finite where that is, or the other infinity.

    `size` is that of the operands where there are several: their sum may be much smaller. `truth` is of float64, and
    has an error of its own. `edge` says where an operand is 0 or infinite: only there an infinite value is a limit.
    """
    worse = np.isnan(after) & (np.isfinite(before) | edge & (before == truth))
    worse |= np.isfinite(before) & ~np.isfinite(after) & np.isfinite(truth)
    worse |= np.isinf(before) & np.isinf(after) & (before != after)
    worse |= np.isnan(truth) & np.isfinite(after) & np.isfinite(before)
    judged = np.isfinite(truth) & np.isfinite(after) & np.isfinite(before)
    before, after, truth = (np.where(judged, value, 0.0) for value in (before, after, truth))
    bound = 2 * np.abs(before - truth) + EPSILON * (64 * np.abs(truth) + size) + 1e-15
    return worse | (np.abs(after - truth) > bound)


@pytest.mark.parametrize("equation", ELEMENTWISE, **by_name)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "weak"])
def test_sides_have_one_dtype(equation, dtype):
    for chosen in literals(equation):
        names = [name for name in parameters(equation) if name not in chosen]
        value = 0.5 if dtype == "weak" else jax.ShapeDtypeStruct((3,), dtype)

        def side(function):
            ordered = [name for name in parameters(equation)]

            def of_arrays(*values):
                given = {**chosen, **dict(zip(names, values))}
                return jnp.asarray(function(*(given[name] for name in ordered)))

            made = jax.eval_shape(of_arrays, *(value for _ in names))
            return made.dtype, made.weak_type

        if names:
            assert side(equation.before) == side(equation.after)


@pytest.mark.parametrize("equation", ELEMENTWISE, **by_name)
def test_what_has_no_guard_holds_for_integers_and_complex_numbers(equation):
    for kind in (INTEGERS, COMPLEX):
        for chosen in literals(equation):
            given = arrays(equation, kind)
            if any(guard_of(equation, name) not in (None, guards.known) for name in given):
                continue
            before, after = both_sides(equation, {**chosen, **given})
            assert before.dtype == after.dtype
            judged = np.isfinite(before)
            np.testing.assert_allclose(after[judged], before[judged], 1e-11)


@pytest.mark.parametrize("equation", REARRANGING, **by_name)
def test_rearrangements_agree(equation):
    for given in rearrangements(equation):
        before, after = both_sides(equation, given)
        np.testing.assert_allclose(before, after, 1e-12, 1e-12)
        assert before.dtype == after.dtype


# ---- the laws notice ---------------------------------------------------------------------------------

wrong = guards.Table()


@wrong
class nothing_times:
    def before(x):
        return 0 * x

    def after(x):
        return jnp.zeros_like(x)


@wrong(x=guards.real)
class value_minus_itself:
    def before(x):
        return x - x

    def after(x):
        return jnp.zeros_like(x)


@wrong(x=guards.real)
class log_of_square_of_any_sign:
    def before(x):
        return jnp.log(jnp.square(x))

    def after(x):
        return 2 * jnp.log(x)


@wrong(x=guards.real)
class exp_of_log_of_any_sign:
    def before(x):
        return jnp.exp(jnp.log(x))

    def after(x):
        return x


@wrong(x=guards.real)
class naive_softplus:
    def before(x):
        return jax.nn.softplus(x)

    def after(x):
        return jnp.log(1 + jnp.exp(x))


@wrong(x=guards.real)
class off_by_a_thousandth:
    def before(x):
        return jnp.log(jax.nn.sigmoid(x))

    def after(x):
        return 1.001 * jax.nn.log_sigmoid(x)


@wrong(x=guards.real)
class upcast:
    def before(x):
        return x * 1

    def after(x):
        return x * jnp.float64(1)


@wrong
class truncated:
    def before(x):
        return x / 1

    def after(x):
        return x


LAWS = [
    test_sides_agree_at_ordinary_points,
    test_right_side_is_no_worse_in_float32_to_the_ends_of_its_range,
    lambda equation: [test_sides_have_one_dtype(equation, d) for d in ("float32", "weak")],
    test_what_has_no_guard_holds_for_integers_and_complex_numbers,
]


@pytest.mark.parametrize("equation", wrong.equations, **by_name)
def test_wrong_equations_are_noticed(equation):
    def broken(law):
        try:
            law(equation)
        except AssertionError:
            return True
        return False

    assert any(map(broken, LAWS))
