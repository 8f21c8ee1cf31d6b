"""Sizes are linear expressions with one normal form each."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from invcompiler.ir.nodes import Var
from invcompiler.schedule.dims import (
    Dim,
    Floor,
    Product,
    axis_of,
    floor_div,
    product,
    quotient,
    scaled,
    symbol,
)

X, K = Var("x"), Var("k")
N = axis_of(X, -1)


def value(size, env):
    """Return what a size is for given values of its symbols: the meaning that normal forms must keep."""
    if not isinstance(size, Dim):
        return size
    return sum((c * worth(name, env) for name, c in size.terms), size.constant)


def worth(name, env):
    match name:
        case Floor():
            return value(name.numerator, env) // name.denominator
        case Product():
            found = 1
            for factor, power in name.factors:
                found *= value(factor, env) ** power
            return found
        case _:
            return env[name]


def sizes():
    base = st.integers(-5, 5) | st.sampled_from([N, axis_of(X, 0), symbol(K)])

    def grow(inner):
        return (
            st.tuples(inner, inner).map(lambda p: p[0] + p[1])
            | st.tuples(inner, inner).map(lambda p: p[0] - p[1])
            | st.tuples(inner, inner).map(product)
            | st.tuples(inner, st.integers(1, 4)).map(lambda p: floor_div(*p))
        )

    return st.recursive(base, grow, max_leaves=6)


ENV = {(X, -1): 7, (X, 0): 4, K: 3}


@given(sizes(), sizes(), st.integers(1, 5))
def test_operations_mean_what_they_say(a, b, n):
    x, y = value(a, ENV), value(b, ENV)
    assert value(a + b, ENV) == x + y
    assert value(a - b, ENV) == x - y
    assert value(product([a, b]), ENV) == x * y
    assert value(floor_div(a, n), ENV) == x // n
    assert value(scaled(a, Fraction(1, n)), ENV) == Fraction(x) / n
    assert (a + b) - b == a
    assert a + b == b + a


def test_what_cancels_is_an_integer():
    assert N - N == 0 and type(N - N) is int
    assert (symbol(K) + 2) - symbol(K) == 2
    assert N - floor_div(N, 2) + floor_div(N, 2) == N


def test_floors_and_products_have_one_form():
    assert floor_div(2 * N, 2) == N
    assert floor_div(floor_div(N, 2), 3) == floor_div(N, 6)
    assert product([N, symbol(K)]) == product([symbol(K), N])


def test_quotients_cancel_equal_factors():
    assert quotient([symbol(K), N], [symbol(K)]) == N
    assert quotient([symbol(K), N], [2, symbol(K)]) == scaled(N, Fraction(1, 2))
    assert quotient([N], [symbol(K)]) is None
    assert quotient([12], [4]) == 3
    assert quotient([13], [4]) is None
