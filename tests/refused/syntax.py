"""Constructs outside the subset, where unknowns flow through them."""

# The formatter would change the mark.
# fmt: off

import contextlib

import jax.numpy as jnp

import invcompiler as inv
from tests.refused.registry import refused

Syntax = inv.UnsupportedSyntaxError
Refused = (inv.UnsupportedSyntaxError, inv.InversionError)
counter = 0


@refused(Syntax)
def while_statement(x):
    n = 0
    while n < 3:  #~ while
        x = x * 2
        n += 1
    return x


@refused(Refused)
def while_on_the_unknown(x):
    while x[0] > 1:  #~ while
        x = x / 2
    return x


@refused(Syntax)
def try_statement(x):
    try:  #~ try
        y = jnp.exp(x)
    except ValueError:
        y = x
    return y


@refused(Syntax)
def with_statement(x):
    with contextlib.suppress(ValueError):  #~ with
        x = x + 1
    return x


@refused(Refused)
def formatted(x):
    return f"{x}"  #~


@refused(Syntax)
def global_statement(x):
    global counter  #~ global
    counter = x
    return counter * 2


@refused(Syntax)
def nonlocal_statement(x):
    y = x

    def change():
        nonlocal y  #~ nonlocal
        y = y * 2

    change()
    return y


@refused(Syntax)
def generator(x):
    yield x  #~ yield


@refused(Syntax)
async def coroutine(x):  #~
    return x * 2


@refused(Syntax)
def class_inside(x):
    class Box:  #~ class
        value = x

    return Box.value * 2


@refused(Syntax)
def break_in_a_loop(x):
    for _ in range(5):
        x = x * 2
        if x.sum() > 2:  #~ break
            break
    return x


@refused(Syntax)
def matched(x):
    match x.ndim:  #~ match
        case 1:
            y = x * 2
        case _:
            y = x
    return y


@refused(Refused)
def assigned_into_a_buffer(x):
    x[0] = x[0] * 2  #~ in place
    return x
