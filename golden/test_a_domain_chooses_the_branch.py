import jax.numpy as jnp


def energy_inverse_and_ildj(y, mass):
    """Inverse of `energy` (test_golden.py:127) with respect to speed, and its log-det-Jacobian."""
    mass = 0.5 * mass
    speed = jnp.sqrt(y / mass)
    sum_out = -jnp.sum(jnp.broadcast_to(jnp.log(jnp.abs(mass)), y.shape))
    ildj = sum_out - jnp.sum(jnp.log(2 * speed))
    return speed, ildj
