"""Programs to rewrite: straight lines in which every name is bound once."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.programs.samples import lower, matrix, positive, real, unit

PROGRAMS = {}

with jax.enable_x64(True):
    X = real(4)
    W = real(4, seed=1)
    HALF = real(2, seed=2)
    SHIFTS = [real(4, seed=i) for i in range(3)]
    MATRIX = matrix(4)
    TRIANGLE = lower(4)
    POSITIVE = positive(4)
    UNIT = unit(4)
    STACKED = jnp.stack(SHIFTS)


def base(*arguments, argnums=0, **options):
    """Register a program with the arguments at which its rewritings are compared, and options of the inverse."""

    def register(function):
        PROGRAMS[function.__name__] = (function, arguments, argnums, options)
        return function

    return register


@base(X, W)
def affine(x, w):
    scale = jnp.exp(w)
    scaled = x * scale
    return scaled + w


@base(X)
def chain(x):
    a = jnp.sinh(x)
    b = 2 * a
    c = b + 1
    return jnp.arctan(c)


@base(X)
def coupling(x):
    a = x[:2]
    b = x[2:]
    s = jnp.tanh(a)
    t = jnp.cos(a)
    moved = b * jnp.exp(s) + t
    return jnp.concatenate([a, moved])


@base(X)
def additive_coupling_by_update(x):
    shift = jnp.sin(x[:2])
    return x.at[2:].add(shift)


@base(X)
def split_coupling(x):
    a, b = jnp.split(x, 2)
    s = jnp.tanh(a)
    moved = b * jnp.exp(s)
    return jnp.concatenate([moved, a])


@base(X)
def strided(x):
    even = x[::2]
    odd = x[1::2]
    detail = odd - even
    smooth = even + jnp.sin(detail)
    return jnp.concatenate([smooth, detail])


@base((HALF, HALF))
def leapfrog(state):
    q, p = state
    p_half = p - 0.1 * jnp.sin(q)
    q_next = q + 0.2 * p_half
    p_next = p_half - 0.1 * jnp.sin(q_next)
    return q_next, p_next


@base((HALF, HALF), HALF)
def revnet(pair, w):
    x1, x2 = pair
    y1 = x1 + jnp.tanh(w * x2)
    y2 = x2 + jnp.tanh(w * y1)
    return y1, y2


@base(X, MATRIX, W)
def dense(x, m, bias):
    z = m @ x
    shifted = z + bias
    return jnp.arcsinh(shifted)


@base(X, TRIANGLE, W)
def whitening(x, l, mean):
    centred = x - mean
    return jax.scipy.linalg.solve_triangular(l, centred, lower=True)


@base(X)
def structural(x):
    square = x.reshape(2, 2)
    turned = square.T
    flipped = jnp.flip(turned, axis=0)
    return flipped.ravel()


@base(X)
def permuted(x):
    order = jnp.array([2, 0, 3, 1])
    shuffled = x[order]
    return jnp.exp(shuffled)


@base(UNIT)
def logit(x):
    y = 0.05 + 0.9 * x
    numerator = jnp.log(y)
    denominator = jnp.log1p(-y)
    return numerator - denominator


@base(X)
def sigmoid(x):
    e = jnp.exp(-x)
    return 1 / (1 + e)


@base(X)
def repeated(x):
    tripled = 3 * x
    return tripled - x


@base(X)
def mask(x):
    held = jnp.array([1.0, 0.0, 0.0, 1.0])
    kept = held * x
    moved = (1 - held) * jnp.exp(x)
    return kept + moved


@base({"a": HALF, "b": HALF}, example={"a": HALF, "b": HALF})
def dictionary(params):
    a = params["a"]
    b = params["b"]
    scaled = b * jnp.exp(a)
    return {"first": scaled, "second": a + 1}


@base(HALF, HALF, argnums=(0, 1))
def two_arguments(a, b):
    moved = b + jnp.sin(a)
    return jnp.exp(a), moved


@base(X, SHIFTS)
def loop(x, shifts):
    start = jnp.arcsinh(x)
    y = start
    for shift in shifts:
        y = 2 * y + shift
    return y


@base(X, STACKED)
def scanned(x, shifts):
    step = lambda carry, shift: (jnp.sinh(carry) + shift, None)
    last, _ = lax.scan(step, x, shifts)
    return last * 2


@base(X, jnp.asarray(True))
def conditional(x, flag):
    y = lax.cond(flag, lambda v: 2 * v, lambda v: v - 1, x)
    return jnp.exp(y)


@base(POSITIVE)
def positive_powers(x):
    log = jnp.log(x)
    rate = jnp.exp(0.5 * log)
    return rate**2


@base(X)
def three_parts(x):
    head = x[:1]
    middle = x[1:3]
    tail = x[3:]
    moved = middle * jnp.exp(head)
    end = tail + jnp.sum(moved)
    return head, moved, end


@base(X)
def stacked(x):
    a = x[:2]
    b = x[2:]
    b_moved = b - a**2
    return jnp.stack([a, b_moved], axis=1)


@base(X, W)
def conditioner(x, w):
    order = jnp.argsort(w)
    weights = jax.nn.softmax(w[order])
    total = jnp.sum(weights * w)
    return x * (1 + weights) + total


@base(X)
def cumulative(x):
    rates = jnp.exp(x)
    return jnp.cumsum(rates)
