"""Every function of each element that JAX has is covered by a rule, or listed with the reason why it has none."""

from __future__ import annotations

import inspect
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.scipy import special, stats

from invcompiler.rules.registry import inverse_rules
from invcompiler.rules.without_inverse import why_not

MODULES = {"jnp": jnp, "jax.nn": jax.nn, "jax.scipy.special": special, "lax": lax}
MODULES |= {
    f"jax.scipy.stats.{name}": module
    for name, module in vars(stats).items()
    if inspect.ismodule(module)
}

# They act on one array of one axis as if element by element, or on an array and a number; of others, as a whole.
OF_WHOLE_ARRAYS = {
    "jnp": "block broadcast_shapes ediff1d from_dlpack frombuffer histogram_bin_edges hstack kron load "
    "nanpercentile nanquantile percentile quantile trim_zeros unravel_index where",
    "lax": "DotDimensionNumbers broadcast_like broadcast_shapes broadcast_to_rank select_n "
    "shape_as_value stack stage unstack",
}  # fmt: skip
# They read or write files, or wait for other devices.
EFFECTS = "load save savez fromfile printoptions set_printoptions infeed outfeed".split()


def functions():
    for where, module in MODULES.items():
        for name in dir(module):
            fn = getattr(module, name)
            if name.startswith("_") or inspect.isclass(fn) or not callable(fn):
                continue
            if name not in OF_WHOLE_ARRAYS.get(where, "").split() and name not in EFFECTS:
                yield f"{where}.{name}", fn


FLOATS, INTEGERS, BOOLS = [0.3, 0.6, 0.2, 0.8], [3, 2, 1, 4], [True, False, False, True]
LARGE = [1.3, 2.6, 1.2, 3.8]  # for what lives beyond 1


def acts_on_each_element(call, values) -> bool:
    """Whether elements of the value depend on those of an array at the same places only."""
    x = np.array(values)
    moved, changed = x[[2, 0, 3, 1]], np.array([values[1], *values[1:]])
    try:
        y, y_moved, y_changed = (np.asarray(call(jnp.asarray(v))) for v in (x, moved, changed))
    except Exception:  # not a function of such arrays
        return False
    same = lambda a, b: np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    return y.shape == x.shape and same(y[[2, 0, 3, 1]], y_moved) and same(y[1:], y_changed[1:])


def is_elementwise(fn) -> bool:
    """Whether `fn` acts element by element on one array, beside as many numbers as it may want."""
    for values in (FLOATS, LARGE, INTEGERS, BOOLS):
        for count in (1, 2, 3):
            for place in range(count):
                others = [jnp.asarray(values[1])] * count

                def call(x, place=place, others=others):
                    return fn(*others[:place], x, *others[place + 1 :])

                if acts_on_each_element(call, values):
                    return True
    return False


def test_each_function_has_a_rule_or_a_reason():
    unclassified = [
        (name, fn) for name, fn in functions() if not inverse_rules(fn) and why_not(fn) is None
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        missing = [name for name, fn in unclassified if is_elementwise(fn)]
    assert not missing, missing


def test_what_has_a_rule_needs_no_reason():
    both = [name for name, fn in functions() if inverse_rules(fn) and why_not(fn) is not None]
    assert not both, both


@pytest.mark.parametrize("fn", [jnp.exp, jax.nn.gelu, jnp.logaddexp, jnp.bitwise_count])
def test_what_acts_on_each_element_is_seen_to(fn):
    assert is_elementwise(fn)


@pytest.mark.parametrize("fn", [jnp.sum, jnp.cumsum, jnp.cumprod])
def test_what_mixes_elements_is_seen_to(fn):
    assert not is_elementwise(fn)
