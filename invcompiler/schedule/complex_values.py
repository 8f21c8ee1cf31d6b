"""Which values are complex whatever the dtypes of the arguments are: the text has an imaginary number, or a transform."""

from __future__ import annotations

import operator
from collections.abc import Mapping

import jax.numpy as jnp
from jax import lax

from invcompiler.ir.nodes import Apply, Const, Equation, Method, Ref, Tree, Var
from invcompiler.ir.walk import leaves

_ALWAYS = (
    *(jnp.fft.fft, jnp.fft.ifft, jnp.fft.fft2, jnp.fft.ifft2, jnp.fft.fftn, jnp.fft.ifftn),
    *(jnp.fft.rfft, jnp.fft.rfft2, jnp.fft.rfftn, jnp.fft.ihfft, lax.complex),
)
# Functions of which the value is complex where an operand is.
_PASSING = (
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.neg, operator.pow),
    *(operator.matmul, operator.getitem),
    *(jnp.add, jnp.subtract, jnp.multiply, jnp.divide, jnp.negative, jnp.matmul, jnp.dot),
    *(jnp.exp, jnp.log, jnp.sqrt, jnp.square, jnp.reciprocal, jnp.conj, jnp.sin, jnp.cos),
    *(jnp.sinh, jnp.cosh, jnp.tanh, jnp.where, jnp.sum, jnp.mean, jnp.einsum, jnp.reshape),
    *(jnp.concatenate, jnp.stack, jnp.transpose, jnp.broadcast_to, jnp.asarray, jnp.array),
)
_ALWAYS_IDS, _PASSING_IDS = (frozenset(map(id, fns)) for fns in (_ALWAYS, _PASSING))
_PASSING_METHODS = ("reshape", "transpose", "sum", "mean", "dot", "conj", "set", "add")


def is_complex(tree: Tree, defining: Mapping[Var, Equation]) -> bool:
    """Whether the text shows that `tree` is complex; False where it does not, although it may be."""
    return _Walk(defining).tree(tree)


class _Walk:
    def __init__(self, defining: Mapping[Var, Equation]):
        self.defining = defining
        self.found: dict[Var, bool] = {}

    def tree(self, tree: Tree) -> bool:
        if isinstance(tree, Const):
            return isinstance(tree.value, complex)
        return any(map(self.var, leaves(tree)))

    def var(self, var: Var) -> bool:
        if var not in self.found:
            self.found[var] = False  # of loops
            made = self.defining.get(var)
            self.found[var] = isinstance(made, Apply) and self.apply(made)
        return self.found[var]

    def apply(self, made: Apply) -> bool:
        match made.fn:
            case Method(name=name):
                return name in _PASSING_METHODS and any(map(self.tree, made.args))
            case Ref(value=fn) if id(fn) in _ALWAYS_IDS:
                return True
            case Ref(value=fn) if id(fn) in _PASSING_IDS:
                return any(map(self.tree, made.args))
        return False


__all__ = ["is_complex"]
