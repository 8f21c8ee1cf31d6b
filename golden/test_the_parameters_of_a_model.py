import math

import jax
import jax.numpy as jnp
import jax.scipy.special


def constrain_inverse_and_ildj(y):
    """Inverse of `constrain` (test_golden.py:386) with respect to z, and its log-det-Jacobian."""
    z = y["scale"]
    z = z + jnp.log(-jnp.expm1(-z))
    z_1 = jnp.log(y["rate"])
    z_2 = jax.scipy.special.logit(y["weight"])
    z_3 = jnp.arctanh(y["corr"])
    sum_out = jnp.sum(jax.nn.softplus(z_2) + jax.nn.softplus(-z_2))
    sum_out = sum_out - (jnp.sum(jax.nn.log_sigmoid(z)) + jnp.sum(z_1))
    sum_out_1 = jnp.sum(math.log(2) - jnp.logaddexp(z_3, -z_3))
    ildj = sum_out - 2 * sum_out_1
    return {"scale": z, "rate": z_1, "weight": z_2, "corr": z_3}, ildj
