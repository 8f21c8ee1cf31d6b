"""Loops of every spelling, which are run backwards as loops."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.programs.registry import program
from tests.programs.samples import matrix, mlp, positive, real

X = real(4)
SCALES = [positive(4, seed=i) for i in range(3)]
SHIFTS = [real(4, seed=i) for i in range(3)]
STACKED_SCALES = jnp.stack(SCALES)
STACKED_SHIFTS = jnp.stack(SHIFTS)
LAYERS = [{"scale": s, "shift": t} for s, t in zip(SCALES, SHIFTS, strict=True)]
STACKED_LAYERS = {"scale": STACKED_SCALES, "shift": STACKED_SHIFTS}
NETS = [mlp(2, 2, seed=i) for i in range(3)]


def affine(layer, x):
    return x * layer["scale"] + layer["shift"]


def net(params, x):
    return jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]


@program(X, SHIFTS)
def over_list(x, shifts):
    for shift in shifts:
        x = jnp.sinh(x) + shift
    return x


@program(LAYERS, X, argnums=1)
def over_layers(params, x):
    for layer in params:
        x = affine(layer, x)
    return x


@program(X, SCALES, SHIFTS)
def over_zip(x, scales, shifts):
    for scale, shift in zip(scales, shifts, strict=True):
        x = x * scale + shift
    return x


@program(X, SHIFTS)
def over_enumerate(x, shifts):
    for i, shift in enumerate(shifts):
        x = (x + shift) * (i + 1)
    return x


@program(X, SHIFTS)
def over_reversed(x, shifts):
    for shift in reversed(shifts):
        x = jnp.exp(0.1 * x) + shift
    return x


@program(X)
def over_range(x):
    for _ in range(4):
        x = jnp.arcsinh(x) * 2
    return x


@program(X)
def over_range_with_index(x):
    for i in range(3):
        x = x * (i + 1) - i
    return x


@program(X)
def over_range_with_step(x):
    for i in range(5, 0, -2):
        x = x + i * jnp.ones(4)
        x = x * i
    return x


@program(X, SHIFTS)
def over_range_of_length(x, shifts):
    for i in range(len(shifts)):
        x = x * 2 + shifts[i]
    return x


@program(X, STACKED_SHIFTS)
def over_leading_axis(x, shifts):
    for shift in shifts:
        x = x - shift
        x = jnp.arcsinh(x)
    return x


@program(X, {"first": SHIFTS[0], "second": SHIFTS[1]})
def over_items(x, shifts):
    for name, shift in shifts.items():
        x = x + shift if name == "first" else x * jnp.exp(shift)
    return x


@program(X, {"first": SHIFTS[0], "second": SHIFTS[1]})
def over_values(x, shifts):
    for shift in shifts.values():
        x = jnp.arctan(x + shift)
    return x


@program(X)
def over_tuple_in_text(x):
    for scale, shift in ((2.0, 1.0), (0.5, -1.0)):
        x = x * scale + shift
    return x


@program(X, 3)
def over_range_of_argument(x, n):
    for _ in range(n):
        x = x + jnp.ones(4)
        x = jnp.sinh(x / 2)
    return x


@program(X, NETS)
def coupling_layers(x, params):
    for layer in params:
        a, b = x[:2], x[2:]
        x = jnp.concatenate([b + net(layer, a), a])
    return x


@program((X[:2], X[2:]), NETS)
def pair_of_carries(pair, params):
    a, b = pair
    for layer in params:
        a, b = b, a + net(layer, b)
    return a, b


@program((X[:2], X[2:]), NETS)
def alternating(pair, params):
    a, b = pair
    for i, layer in enumerate(params):
        if i % 2 == 0:
            b = b + net(layer, a)
        else:
            a = a * jnp.exp(net(layer, b))
    return a, b


@program(X, [SCALES, SHIFTS])
def nested(x, groups):
    for group in groups:
        for array in group:
            x = x * 1.5 + array
    return x


@program([X, SHIFTS[0]], SCALES[:2])
def comprehension(xs, scales):
    return [x * scale for x, scale in zip(xs, scales, strict=True)]


@program([X, SHIFTS[0], SHIFTS[1]])
def comprehension_over_unknowns(xs):
    return [jnp.exp(x) for x in xs]


@program([X, SHIFTS[0], SHIFTS[1]])
def append_in_loop(xs):
    out = []
    for x in xs:
        out.append(jnp.sinh(x))
    return out


@program([X, SHIFTS[0], SHIFTS[1]], X)
def running_in_loop(xs, start):
    previous = start
    out = []
    for x in xs:
        previous = x * jnp.exp(jnp.tanh(previous)) + previous
        out.append(previous)
    return out


@program(X, STACKED_LAYERS)
def scan_over_layers(x, params):
    def step(x, layer):
        return affine(layer, x), None

    x, _ = lax.scan(step, x, params)
    return x


@program(X, STACKED_SHIFTS)
def scan_with_lambda(x, shifts):
    return lax.scan(lambda x, shift: (jnp.arcsinh(x) + shift, None), x, shifts)[0]


@program(X, STACKED_LAYERS)
def scan_in_reverse(x, params):
    x, _ = lax.scan(lambda x, layer: (affine(layer, x), None), x, params, reverse=True)
    return x


@program(X)
def scan_with_length(x):
    return lax.scan(lambda x, _: (jnp.tanh(x) * 2, None), x, length=3)[0]


@program((X[:2], X[2:]), jax.tree.map(lambda *leaves: jnp.stack(leaves), *NETS))
def scan_with_pair(pair, params):
    def step(carry, layer):
        a, b = carry
        b = b + net(layer, a)
        return (b, a), None

    pair, _ = lax.scan(step, pair, params)
    return pair


@program(X)
def scan_autoregressive(x):
    """Each output depends on the one before: the inverse is a scan in the same direction."""

    def step(previous, x):
        y = x * jnp.exp(0.5 * jnp.tanh(previous)) + previous
        return y, y

    _, y = lax.scan(step, jnp.zeros((), x.dtype), x)
    return y


@program(X)
def scan_of_inputs(x):
    """Each output depends on the input before: the inverse carries what it recovers."""

    def step(previous, x):
        return x, x + jnp.sin(previous)

    _, y = lax.scan(step, jnp.ones((), x.dtype), x)
    return y


@program(real(3, 2))
def scan_elementwise(x):
    _, y = lax.scan(lambda carry, row: (carry, jnp.exp(row)), None, x)
    return y


@program(X)
def fori_loop(x):
    return lax.fori_loop(0, 3, lambda i, x: jnp.sinh(x) / 2, x)


@program(X, STACKED_SHIFTS)
def fori_loop_indexing(x, shifts):
    def body(i, x):
        return 2 * x + shifts[i]

    return lax.fori_loop(0, 3, body, x)


@program(X)
def fori_loop_with_index(x):
    return lax.fori_loop(1, 4, lambda i, x: x * i + i, x)


@program((X, SHIFTS[1]))
def fori_loop_leapfrog(state):
    def body(_, state):
        q, p = state
        p = p - 0.1 * jnp.sin(q)
        q = q + 0.1 * p
        return q, p

    return lax.fori_loop(0, 3, body, state)


@program(real(3, 2))
def lax_map(x):
    return lax.map(lambda row: jnp.exp(row) + 1, x)


@program(real(3, 2), real(3, 2, seed=1))
def lax_map_of_pair(x, w):
    return lax.map(lambda pair: pair[0] * jnp.exp(pair[1]), (x, w))


@program(real(2, 3))
def vmapped_row(x):
    return jax.vmap(lambda row: jnp.cumsum(row) * 2)(x)


@program(X, [matrix(4), matrix(4, seed=1)])
def dense_layers(x, weights):
    for w in weights:
        x = jnp.arcsinh(w @ x)
    return x


@program(X, SHIFTS)
def loop_with_temporaries(x, shifts):
    total = 0.0
    for shift in shifts:
        scale = jnp.exp(jnp.tanh(shift))
        total = total + jnp.sum(shift)
        x = x * scale + total
    return x


@program(X, SHIFTS)
def overwritten_loop_variable(x, shifts):
    for shift in shifts:
        shift = jnp.tanh(shift)
        x = x + shift
        x = -x
    return x


@program(real(3))
def loop_over_elements(x):
    out = []
    previous = 0.0
    for i in range(3):
        y = x[i] + jnp.sin(previous)
        out.append(y)
        previous = y
    return jnp.stack(out)


@program(X, [])
def loop_that_never_runs(x, shifts):
    for shift in shifts:
        x = x + shift
    return 2 * x


@program(X)
def two_loops_in_a_row(x):
    for i in range(3):
        x = 2 * x - i
    for i in range(3):
        x = 2 * x - i
    return x * jnp.arange(1.0, 5.0)


def conditioner(weights, prefix):
    return jnp.tanh(weights @ prefix)


@program(real(4), real(2, 4, 4, seed=3))
def masked_autoregressive_by_index(x, weights):
    y = jnp.zeros_like(x)
    for i in range(x.shape[0]):
        log_scale, shift = conditioner(weights, y)
        y = y.at[i].set(x[i] * jnp.exp(log_scale[i]) + shift[i])
    return y


@program(real(4))
def fori_loop_that_fills(x):
    def body(i, y):
        return y.at[i].set(x[i] * (2 + i) + jnp.exp(-y.sum()))

    return lax.fori_loop(0, x.shape[0], body, jnp.zeros_like(x))


@program(real(3, 2))
def rows_by_index(x):
    y = jnp.zeros((3, 2))
    for i in range(3):
        y = y.at[i].set(x[i] + jnp.tanh(y.sum(0)))
    return y


@program(real(4))
def collected_by_index(x):
    found = [x[0]]
    for k in range(1, 4):
        found.append(x[k] * jnp.exp(found[k - 1]) + found[k - 1])
    return jnp.stack(found)


@program(real(4))
def updates_by_index(x):
    for i in range(1, x.shape[0]):
        x = x.at[i].add(jnp.sin(x[i - 1]))
    return x


@program(real(4), SCALES[0])
def scan_from_the_end(x, w):
    def step(carry, inputs):
        v, scale = inputs
        y = v * jnp.exp(scale) + jnp.tanh(carry)
        return y, y

    return lax.scan(step, 0.0, (x, w), reverse=True)[1]


@program(X, STACKED_SHIFTS)
def scan_from_the_end_with_a_counter(x, shifts):
    def step(carry, shift):
        x, n = carry
        return (x * jnp.exp(shift) + jnp.sin(n), n + 1.0), n * shift

    return lax.scan(step, (x, 0.0), shifts, reverse=True)[0][0]


@program(real(3), 5)
def left_early(x, steps):
    for i in range(steps):
        if i == 1:
            continue
        if i == 3:
            break
        x = jnp.sinh(x) + i
    return x


@program(real(3), 5, needs_arguments="how many steps there are")
def returned_from(x, steps):
    for i in range(steps):
        x = 2 * x + i
        if i == 1:
            return x
    return x


@program(real(3, 2))
def counted_rows(x):
    return jnp.stack([row * (i + 1.0) for i, row in enumerate(x)])


@program([real(2), real(2, seed=1)], [real(2, seed=2), real(2, seed=3)])
def counted_pairs(items, shifts):
    return [item * i + shift for i, (item, shift) in enumerate(zip(items, shifts), 1)]
