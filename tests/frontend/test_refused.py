"""What cannot even be copied is refused where it stands: the caret hits the line that `# ~` marks."""

import functools
import inspect

import jax
import jax.numpy as jnp
import pytest

from invcompiler.errors import UnsupportedSyntaxError
from invcompiler.frontend import read

TOTAL = 0
LISTED = [jnp.tanh]
REFUSED: list = []


class Box:
    def __init__(self, parts):
        self.parts = parts


def refused(f):
    REFUSED.append(f)
    return f


@refused
def yields(x):
    yield x  # ~


@refused
async def asynchronous(x):  # ~
    return x


@refused
def writes_global(x):
    global TOTAL  # ~
    TOTAL = 1
    return x


@refused
def writes_nonlocal(x):
    n = 0

    def count():
        nonlocal n  # ~
        n += 1

    count()
    return x * n


@refused
def returns_from_loop(x, n):
    for i in range(n):
        if i > 3:
            return x  # ~
    return x + 1


@refused
def returns_from_while(x, n):
    while n:  # ~
        return x
    return x + 1


@refused
def changes_argument(x, values):
    values.append(x)  # ~
    return values


@refused
def changes_item_of_argument(x):
    x[0] = 1  # ~
    return x


@refused
def changes_attribute(x, box):
    box.value = x  # ~
    return box


@refused
def changes_global(x):
    LISTED.append(x)  # ~
    return x


@refused
def changes_inside_expression(x):
    d = {"a": x}
    return d, d.pop("a"), d  # ~


@refused
def stale_partial(x):
    k = 2
    f = lambda y: y * k  # noqa: E731
    h = functools.partial(f)
    k = 3
    return h(x)  # ~


@refused
def stale_vmap(x):
    k = 2
    f = jax.vmap(lambda y: y * k)
    k = 3
    return f(x) + k  # ~


@refused
def pops_argument(params, x):
    w = params.pop("w")  # ~
    return x * w


def fill(parts):
    parts.append(1)


@refused
def helper_changes(x):
    parts = [x]
    fill(parts)  # ~
    return parts


@refused
def unbound_in_one_branch(x, flag):
    if flag:
        y = x
    return y  # ~


@refused
def unbound_after_loop(x, n):
    for i in range(n):
        y = x * i
    return y  # ~


@refused
def deleted(x):
    y = x
    del y
    return y  # noqa: F821  # ~


@refused
def aliased_in_while(x):
    parts = [x]
    other = parts
    while len(parts) < 3:
        parts.append(x)  # ~
    return other


@refused
def inner_function_changes(x):
    parts = []

    def add(y):
        parts.append(y)  # ~

    add(x)
    return parts


@refused
def called_for_effect(x, box):
    box.update_all(x)  # ~
    return box


@refused
def retained_list(x):
    parts = [x]
    box = Box(parts)
    parts.append(x)  # ~
    return box


@refused
def always_raises(x):  # ~
    raise ValueError(x)


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
def test_refusal_points_at_the_line(function):
    with pytest.raises(UnsupportedSyntaxError) as caught:
        read(function)
    lines, first = inspect.getsourcelines(function)
    marked = [first + i for i, line in enumerate(lines) if "# ~" in line]
    assert [caught.value.span.line] == marked
