import jax
import jax.numpy as jnp
import jax.scipy.special


def constrain_inverse_and_ildj(y):
    """Inverse of `constrain` (test_golden.py:386) with respect to z, and its log-det-Jacobian."""
    z = y["scale"]
    log = jnp.log(-jnp.expm1(-z))
    z = z + log
    z_1 = jnp.log(y["rate"])
    y_1 = y["weight"]
    sum_out = jnp.sum(jnp.log(y_1) + jnp.log1p(-y_1))
    sum_out = -jnp.sum(log) - jnp.sum(z_1) - sum_out
    y = y["corr"]
    ildj = sum_out - jnp.sum(jnp.log1p(-(y**2)))
    z_2 = jax.scipy.special.logit(y_1)
    z_3 = jnp.arctanh(y)
    return {"scale": z, "rate": z_1, "weight": z_2, "corr": z_3}, ildj
