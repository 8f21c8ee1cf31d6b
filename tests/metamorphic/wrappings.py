"""Ways to wrap a whole program that change nothing of it."""

import functools
import inspect

import jax


def jitted(function):
    return jax.jit(function)


def partial(function):
    return functools.partial(function)


def checkpointed(function):
    return jax.checkpoint(function)


def jitted_twice(function):
    return jax.jit(jax.jit(function))


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def called_by_a_lambda(function):
    one = lambda a: function(a)
    two = lambda a, b: function(a, b)
    three = lambda a, b, c: function(a, b, c)
    return (one, two, three)[arity(function) - 1]


def called_by_jitted_helper(function):
    return called_by_a_lambda(jax.jit(function))


class Holder:
    """An object that keeps a function, and calls it for others."""

    def __init__(self, function):
        self.function = function

    def one(self, a):
        return self.function(a)

    def two(self, a, b):
        return self.function(a, b)

    def three(self, a, b, c):
        return self.function(a, b, c)


def method(function):
    holder = Holder(function)
    return (holder.one, holder.two, holder.three)[arity(function) - 1]


def arity(function):
    return len(inspect.signature(function).parameters)


SAME_CODE = (jitted, partial, checkpointed, jitted_twice)
SAME_VALUES = (decorated, called_by_a_lambda, called_by_jitted_helper, method)
