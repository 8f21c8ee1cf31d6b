import jax.numpy as jnp
from jax import lax


def updated_dict_vjp(weights, state, *, y_bar):
    """Value, and cotangents by reconstruction from it, of `updated_dict` (programs.py:634) with
    respect to weights and state.
    """
    y, residuals = updated_dict_fwd(weights, state)
    return y, updated_dict_bwd(residuals, y_bar)


def updated_dict_fwd(weights, state):
    mass = state["mass"]
    p = state["p"]
    q = state["q"]
    for w in weights:
        p = p - 0.3 * jnp.tanh(q @ w)
        q = q + 0.2 * p / mass
        p = p - 0.3 * jnp.tanh(q @ w)
    return {"mass": mass, "p": p, "q": q}, ({"mass": mass, "p": p, "q": q}, weights)


def updated_dict_bwd(residuals, y_bar):
    y, weights = residuals
    mass = y["mass"]
    p = y["p"]
    q = y["q"]
    mass_bar = y_bar["mass"]
    p_bar = y_bar["p"]
    q_bar = y_bar["q"]
    w_bars = []
    for w in reversed(weights):
        mass, p, q, mass_bar, p_bar, q_bar = lax.optimization_barrier(
            (mass, p, q, mass_bar, p_bar, q_bar)
        )
        tanh = jnp.tanh(q @ w)
        p = p + 0.3 * tanh
        p_1 = 0.2 * p / mass
        q_1 = q - p_1
        tanh_1 = jnp.tanh(q_1 @ w)
        p = p + 0.3 * tanh_1
        product_bar = -0.3 * p_bar * (1 - tanh**2)
        T = w.T
        q_bar = q_bar + product_bar @ T
        mass_bar = mass_bar + jnp.sum(-q_bar * (p_1 / mass), axis=0)
        p_bar = p_bar + q_bar / mass * 0.2
        product_bar_1 = -0.3 * p_bar * (1 - tanh_1**2)
        q_bar = q_bar + product_bar_1 @ T
        w_bars.append(q.T @ product_bar + q_1.T @ product_bar_1)
        q = q_1
    return w_bars[::-1], {"mass": mass_bar, "p": p_bar, "q": q_bar}
