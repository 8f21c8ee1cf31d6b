"""Linear interpolation between known knots. Conventions as in `elementwise`."""

# fmt: off

from __future__ import annotations

import jax.numpy as jnp

from invcompiler.rules.conditions import every, static_value
from invcompiler.rules.registry import Refusal, elementwise


def _absent(name):
    def condition(call, facts):
        if static_value(call.arguments[name], facts) == (None,):
            return None
        return Refusal(f"its inverse is known without `{name}=`")
    return condition

# Beyond the knots it is flat: what gives the first or the last value is not determined, and NaN. So is
# everything where the values do not rise, which is known at run time only.
@elementwise(jnp.interp)
class interp:
    condition = every(_absent("left"), _absent("right"), _absent("period"))
    def inverse(y, xp, fp):
        rises = jnp.all(jnp.diff(fp) > 0)
        x = jnp.interp(y, fp, xp)
        return jnp.where(rises & (y > fp[0]) & (y < fp[-1]), x, jnp.nan)
    def slope(x, xp, fp):
        i = jnp.searchsorted(xp, x, side="right") - 1
        return (jnp.diff(fp) / jnp.diff(xp))[jnp.clip(i, 0, xp.size - 2)]
    def log_slope(x, xp, fp):
        i = jnp.searchsorted(xp, x, side="right") - 1
        return jnp.log(jnp.diff(fp) / jnp.diff(xp))[jnp.clip(i, 0, xp.size - 2)]
