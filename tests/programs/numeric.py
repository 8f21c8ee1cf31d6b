"""Functions without a closed form, which are inverted by iteration on request: `numeric=True`."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special

from tests.programs.registry import program
from tests.programs.samples import mlp, positive, real, uniform, unit

X = real(2, 3)
ROWS = real(3, 4)
NO_FLOAT32 = "an iteration has the precision of the function that it inverts, times its condition"

# ---- element by element ---------------------------------------------------------------------------


@program(X, numeric=True)
def wobbled_line(x):
    return x + jnp.sin(x) / 2


@program(X, numeric=True)
def falling(x):
    return -2 * x - jnp.tanh(x)


@program(X, numeric=True)
def monotone_cubic(x):
    return x**3 + x


@program(X, jnp.exp(real(3)), positive(3, seed=1), numeric=True)
def odd_polynomial(x, a, b):
    return a * x + jax.nn.softplus(b) * x**5


@program(uniform(4, low=0.2, high=2.9), unit(), numeric=True)
def kepler(E, e):
    """Kepler's equation: the mean anomaly from the eccentric one."""
    return E - e * jnp.sin(E)


@program(positive(2, 3), domain="positive", numeric=True)
def lambert(x):
    return x * jnp.exp(x)


@program(positive(2, 3), domain="positive", numeric=True)
def log_plus_line(x):
    return jnp.log(x) + x


@program(unit(5), domain="unit", numeric=True)
def skewed_logit(p):
    return special.logit(p) + p**2


@program(X, numeric=True)
def sum_of_exponentials(x):
    return jnp.logaddexp(x, 3 * x - 1)


@program(X, real(4), real(4, seed=1), 0.3 * real(4, seed=2), argnums=0, numeric=True)
def mixture_of_logistics(x, logits, means, log_scales):
    """The distribution function of a mixture, as in Flow++ (Ho et al. 2019)."""
    z = (x[..., None] - means) * jnp.exp(-log_scales)
    return jnp.sum(jax.nn.softmax(logits) * jax.nn.sigmoid(z), axis=-1)


@program(real(), real(3), positive(3), numeric=True)
def sum_of_sigmoids_of_a_number(x, shifts, weights):
    return x + jnp.exp(weights) @ jax.nn.sigmoid(x - shifts)


# ---- within programs ------------------------------------------------------------------------------

FLOWPP = {"net": mlp(2, 18, hidden=4)}


@program(FLOWPP, ROWS, argnums=1, numeric=True)
def mixture_coupling(params, x):
    """A coupling layer of Flow++: the distribution function of a mixture, its logit, and an affine map."""
    a, b = jnp.split(x, 2, axis=-1)
    h = jnp.tanh(a @ params["net"]["w1"] + params["net"]["b1"])
    h = (h @ params["net"]["w2"] + params["net"]["b2"]).reshape(*a.shape, 9)
    weights = jax.nn.softmax(h[..., :3])
    means, scales = h[..., 3:6], jnp.exp(-h[..., 6:])
    p = jnp.sum(weights * jax.nn.sigmoid((b[..., None] - means) * scales), axis=-1)
    b = special.logit(p) * jnp.exp(0.1 * h[..., 0]) + h[..., 1]
    return jnp.concatenate([a, b], axis=-1)


def bump(x, a):
    return x + a * jnp.tanh(x)


@program(X, unit(), numeric=True)
def calls_what_is_iterated(x, a):
    return bump(jnp.exp(bump(x, a)), 0.5)


@program(X, [unit(), 0.5 * unit(seed=1)], numeric=True)
def loop_of_bumps(x, scales):
    for a in scales:
        x = 2 * bump(x, a)
    return x


@program(X, [unit(), unit(seed=1)], real(2, seed=2), numeric=True)
def loop_over_terms(x, weights, shifts):
    y = 0.1 * x
    for weight, shift in zip(weights, shifts, strict=True):
        y = y + jnp.exp(weight) * jnp.tanh(x - shift)
    return y


@program(X, unit(3), numeric=True)
def scan_of_bumps(x, scales):
    def step(carry, a):
        return carry + a * jnp.sin(carry), None

    return lax.scan(step, x, scales)[0]


@program(real(5), numeric=True)
def autoregressive_bumps(x):
    def step(before, x):
        y = x + 0.5 * jnp.sin(x) + before**2
        return x, y

    return lax.scan(step, 0.3, x)[1]


# ---- residuals ------------------------------------------------------------------------------------


def net(params, x):
    return jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]


IRESNET = [jax.tree.map(lambda w: 0.3 * w, mlp(4, 4, seed=i)) for i in range(2)]
WIDE = jax.tree.map(lambda w: 0.2 * w, mlp(20, 20, hidden=4))


@program(IRESNET, ROWS, argnums=1, numeric=True)
def iresnet(blocks, x):
    """Behrmann et al. 2019."""
    for block in blocks:
        x = x + net(block, x)
    return x


@program(WIDE, real(2, 20), argnums=1, numeric=True)
def wide_residual(params, x):
    return x + net(params, x)


@program(real(4), real(4, seed=1), real(4, seed=2), 0.3, numeric=True)
def planar(z, u, w, b):
    """Rezende and Mohamed 2015, with u made such that the flow is invertible."""
    wu = w @ u
    u = u + (jax.nn.softplus(wu) - 1 - wu) * w / (w @ w)
    return z + u * jnp.tanh(w @ z + b)


@program(real(3), real(3, seed=1), 0.5, 0.7, numeric=True)
def radial(z, centre, alpha, beta):
    """Rezende and Mohamed 2015."""
    r = jnp.sqrt(jnp.sum((z - centre) ** 2) + 1e-9)
    return z + beta * (z - centre) / (alpha + r)


@program(real(5), jnp.linalg.qr(real(5, 2))[0], jnp.triu(0.4 * real(2, 2)), real(2), numeric=True)
def sylvester(z, q, r, b):
    """Van den Berg et al. 2018, with orthogonal columns."""
    return z + q @ (r @ jnp.tanh(q.T @ z + b))


# ---- systems --------------------------------------------------------------------------------------


@program(real(3), 0.2 * real(3, 3), numeric=True)
def perturbed_exponential(x, w):
    return jnp.exp(x) * (1 + 0.1 * jnp.tanh(w @ x))
