import jax
import jax.numpy as jnp


def parameters_in_a_dict_jvp(primals, tangents):
    """Value and tangent of `parameters_in_a_dict` (readable.py:36) with respect to params and x."""
    params, x = primals
    w = params["w"]
    x_1 = x @ w + params["b"]
    y = jnp.sum(jax.nn.relu(x_1), axis=-1)
    params_dot, x_dot = tangents
    x_dot = x_dot @ w + x @ params_dot["w"]
    y_dot = jnp.sum(jnp.where(x_1 > 0, x_dot + params_dot["b"], 0), axis=-1)
    return y, y_dot
