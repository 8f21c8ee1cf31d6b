"""Ways to wrap a whole program that change nothing of it."""

import functools

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
    return lambda *args: function(*args)


def called_by_jitted_helper(function):
    helper = jax.jit(function)

    def program(*args):
        return helper(*args)

    return program


class Holder:
    """An object whose call is the program."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*args)

    def method(self, *args):
        return self.function(*args)


def method(function):
    return Holder(function).method


SAME_CODE = (jitted, partial, checkpointed, jitted_twice)
SAME_VALUES = (decorated, called_by_a_lambda, called_by_jitted_helper, Holder, method)
