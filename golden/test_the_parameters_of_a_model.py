import jax
import jax.numpy as jnp
import jax.scipy.special


def constrain_inverse_and_ildj(y):
    """Inverse of `constrain` (test_golden.py:386) with respect to z, and its log-det-Jacobian."""
    z = y["scale"]
    log = jnp.log(-jnp.expm1(-z))
    z = z + log
    z_1 = jnp.log(y["rate"])
    weight = y["weight"]
    sum_out = jnp.sum(jnp.log(weight) + jnp.log1p(-weight))
    corr = y["corr"]
    sum_out_1 = jnp.sum(jnp.log1p(corr) + jnp.log1p(-corr))
    ildj = -jnp.sum(log) - jnp.sum(z_1) - sum_out - sum_out_1
    z_2 = jax.scipy.special.logit(weight)
    z_3 = jnp.arctanh(corr)
    return {"scale": z, "rate": z_1, "weight": z_2, "corr": z_3}, ildj
