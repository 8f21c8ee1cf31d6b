"""`custom_inverse`: a function whose inverse its author states, in the place of the one that its source gives."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

from invcompiler.rules.stated import GeneralRule, UnaryRule


class CustomInverse:
    """The function itself to all appearances, with `def_inverse_unary` and `def_inverse_and_ildj`."""

    __invcompiler_transparent__ = True  # calling it is calling `__wrapped__`
    __invcompiler_states_inverse__ = True  # and `rule` is how it is inverted

    def __init__(self, f: Callable[..., Any], rule: UnaryRule | GeneralRule | None = None):
        functools.update_wrapper(self, f)
        self.__wrapped__ = f
        self.rule = rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def def_inverse_unary(
        self,
        f_inv: Callable[[Any], Any] | None = None,
        f_ildj: Callable[[Any], Any] | None = None,
    ) -> Callable[[Any], Any] | None:
        """State the inverse of a function of one argument, its log-det-Jacobian, both, or (again) neither.

        Args:
          f_inv: from the output to the argument (pytrees as they are). Left out, it is derived from the function's source.
          f_ildj: from the output to log|d in / d out|, of the structure and shapes of the argument: one for each element.
            Left out, it is derived from `f_inv`.

        What is stated later takes the place of what was stated before, in inverses that are there already too.
        Returns `f_inv`, so that this can decorate it.
        Raises TypeError if one of the two is no function, or if the function takes more than one argument.
        """
        for name, given in (("f_inv", f_inv), ("f_ildj", f_ildj)):
            if given is not None and not callable(given):
                raise TypeError(f"`{name}` must be a function, got {given!r}")
        if not _may_be_unary(self.__wrapped__):
            raise TypeError(
                f"`{_name(self)}` takes more than one argument: state its inverse with `def_inverse_and_ildj`"
            )
        self.rule = None if f_inv is f_ildj is None else UnaryRule(f_inv, f_ildj)
        return f_inv

    def def_inverse_and_ildj(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """State how arguments are recovered from the output and from other arguments.

        Args:
          rule: `rule(invals, outvals, out_ildjs) -> (invals, ildjs)`. `invals` is a tuple of the arguments, one for each
            parameter, with `None` at each leaf that is unknown; `outvals` is the output, `out_ildjs` the log-det-Jacobian of what
            follows, of its structure: zeros, to which the compiler adds. It returns the arguments, `None` where one cannot be
            recovered, and of the same structure log|d in / d out| for each element. For knowns from which nothing can be
            recovered it raises `NonInvertibleError`.

        What is stated later takes the place of what was stated before, in inverses that are there already too.
        Returns `rule`, so that this can decorate it. Raises TypeError if it is no function.
        """
        if not callable(rule):
            raise TypeError(f"the rule must be a function, got {rule!r}")
        self.rule = GeneralRule(rule)
        return rule

    def __repr__(self) -> str:
        return f"<custom_inverse {self.__wrapped__!r}>"

    def __reduce__(self) -> Any:
        name = str(getattr(self, "__qualname__", ""))
        if self is _named(self.__module__, name):
            return name  # by reference, as functions are
        return (CustomInverse, (self.__wrapped__, self.rule))


def _name(f: Any) -> str:
    return str(getattr(f, "__name__", type(f).__name__))


def _named(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _may_be_unary(f: Callable[..., Any]) -> bool:
    """Whether a function can be called with one argument."""
    try:
        inspect.signature(f).bind(None)
    except TypeError:
        return False
    except ValueError:  # a function that does not tell
        return True
    return True


def custom_inverse(f: Callable[..., Any]) -> CustomInverse:
    """Decorate a function whose inverse is to be stated rather than derived.

    The result is the function itself in every respect, inversion included, until `def_inverse_unary` or `def_inverse_and_ildj` is
    called on it; from then on what is stated is used wherever the function is inverted: alone, partially applied, and as a part of
    other functions. Derivatives are those of the function as it is written. The interface is that of Oryx's `custom_inverse`.

    >>> import invcompiler as inv
    >>> @inv.custom_inverse
    ... def add(x, y):
    ...     return x + y
    >>> @add.def_inverse_and_ildj
    ... def add_rule(invals, z, z_ildj):
    ...     x, y = invals
    ...     if x is None and y is None:
    ...         raise inv.NonInvertibleError()
    ...     if x is None:
    ...         return (z - y, y), (z_ildj, jnp.zeros_like(z))
    ...     return (x, z - x), (jnp.zeros_like(z), z_ildj)
    >>> float(inv.inverse(add, argnums=1)(5.0, 2.0))
    3.0

    Raises TypeError for something that is no function.
    """
    if not callable(f):
        raise TypeError(f"expected a function, got {type(f).__name__}: {f!r}")
    return CustomInverse(f)
