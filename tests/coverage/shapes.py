"""Transforms that move elements, take them apart and put them together."""

import jax
import jax.numpy as jnp

from tests.coverage.registry import ships
from tests.programs.samples import mlp, positive, real

X = real(4)
NET = mlp(2, 4)
TO_TWO = mlp(2, 2)
IMAGE = real(2, 4, 4, 3)


def net(params, x):
    return jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]


@ships(
    real(2, 3),
    Oryx="reshape",
    TFP="Reshape",
    FlowJAX="Reshape",
    NumPyro="ReshapeTransform",
    FrEIA="Reshape",
    example=real(2, 3),
)
def reshape(x):
    return x.reshape(3, 2)


@ships(real(2, 3), FrEIA="Flatten", example=real(2, 3))
def flatten(x):
    return x.reshape(-1)


@ships(
    (real(2), real(3)),
    Oryx="concatenate",
    FrEIA="ConcatChannel / Concat1d",
    example=(real(2), real(3)),
)
def concatenate(parts):
    return jnp.concatenate(parts)


@ships(X, Oryx="slice")
def slices(x):
    return x[:2], x[2:]


@ships(X, TFP="Split", FrEIA="SplitChannel / Split1D")
def split(x):
    return jnp.split(x, 2)


@ships(X, TFP="Permute", FlowJAX="Permute", NumPyro="PermuteTransform", FrEIA="PermuteRandom")
def permute(x):
    return x[jnp.array([2, 0, 3, 1])]


@ships(X, FlowJAX="Flip")
def flip(x):
    return jnp.flip(x)


@ships(real(2, 3), TFP="Transpose")
def transpose(x):
    return x.T


@ships(X, TFP="Pad", density=False, example=X)
def pad(x):
    return jnp.pad(x, (0, 1), constant_values=2.0)


@ships(X, TFP="Cumsum")
def cumsum(x):
    return jnp.cumsum(x)


@ships(X, TFP="Ascending")
def ascending(x):
    return jnp.cumsum(jnp.concatenate([x[:1], jax.nn.softplus(x[1:])]))


@ships(X, FlowJAX="Concatenate")
def on_each_part(x):
    a, b = jnp.split(x, 2)
    return jnp.concatenate([jnp.exp(a), jnp.tanh(b)])


@ships(X, FlowJAX="Partial / Indexed")
def on_a_part(x):
    return x.at[1:3].set(jnp.exp(x[1:3]))


@ships(
    X, NET, distrax="SplitCoupling", TFP="RealNVP", FlowJAX="Coupling",
    FrEIA="RNVPCouplingBlock / GLOWCouplingBlock / AllInOneBlock / AffineCouplingOneSided",
)  # fmt: skip
def coupling(x, params):
    a, b = jnp.split(x, 2)
    s, t = jnp.split(net(params, a), 2)
    return jnp.concatenate([a, b * jnp.exp(2 * jnp.tanh(s)) + t])


@ships(X, TO_TWO, FrEIA="NICECouplingBlock")
def nice(x, params):
    a, b = jnp.split(x, 2)
    a = a + net(params, b)
    b = b + net(params, a)
    return jnp.concatenate([a, b])


@ships(X, NET, FrEIA="GINCouplingBlock")
def gin(x, params):
    a, b = jnp.split(x, 2)
    s, t = jnp.split(net(params, a), 2)
    s = jnp.tanh(s)
    return jnp.concatenate([a, b * jnp.exp(s - s.mean()) + t])


@ships(X, mlp(4, 8), jnp.array([True, False, True, False]), distrax="MaskedCoupling")
def masked_coupling(x, params, mask):
    s, t = jnp.split(net(params, jnp.where(mask, x, 0.0)), 2)
    return jnp.where(mask, x, x * jnp.exp(jnp.tanh(s)) + t)


@ships(
    X,
    real(4, 4, seed=1),
    TFP="MaskedAutoregressiveFlow (sampling)",
    FlowJAX="MaskedAutoregressive",
    NumPyro="InverseAutoregressiveTransform",
)
def autoregressive(x, w):
    def step(seen, inputs):
        v, row, i = inputs
        mean = jnp.tanh(row @ seen)
        y = v * jnp.exp(0.5 * mean) + mean
        return seen.at[i].set(y), y

    return jax.lax.scan(step, jnp.zeros_like(w[0]), (x, w, jnp.arange(4)))[1]


@ships(real(3, 2), real(2, 2, seed=1), positive(2), NumPyro="RecursiveLinearTransform")
def recursive_linear(x, matrix, scale):
    def step(state, v):
        state = matrix @ state + scale * v
        return state, state

    return jax.lax.scan(step, jnp.zeros(2), x)[1]


@ships(IMAGE, FrEIA="IRevNetDownsampling", example=IMAGE)
def space_to_depth(x):
    b, h, w, c = x.shape
    x = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h // 2, w // 2, 4 * c)


@ships(real(2, 2, 2, 12), FrEIA="IRevNetUpsampling", example=real(2, 2, 2, 12))
def depth_to_space(x):
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, 2 * h, 2 * w, c // 4)


@ships(real(4, 4), FrEIA="HaarDownsampling", example=real(4, 4))
def haar(x):
    a, b, c, d = x[::2, ::2], x[::2, 1::2], x[1::2, ::2], x[1::2, 1::2]
    return jnp.stack([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d]) / 2


@ships(real(4, 2, 2), FrEIA="HaarUpsampling", example=real(4, 2, 2))
def haar_back(x):
    p, q, r, s = x
    a, b, c, d = p + q + r + s, p - q + r - s, p + q - r - s, p - q - r + s
    rows = jnp.stack([jnp.stack([a, b], -1), jnp.stack([c, d], -1)], -2) / 2
    return rows.transpose(0, 2, 1, 3).reshape(4, 4)


@ships(IMAGE, real(3, 3, seed=1) + 2 * jnp.eye(3), mlp(3, 6), TFP="Glow")
def glow_step(x, w, params):
    x = jnp.einsum("bhwc,cd->bhwd", x * jnp.exp(0.3), w)
    a, b = x[:, :2], x[:, 2:]
    s, t = jnp.split(net(params, a), 2, axis=-1)
    return jnp.concatenate([a, b * jax.nn.sigmoid(s + 2) + t], axis=1)
