"""Run twice by `test_sharding.py`, as two processes of two emulated devices each: gradients are those of one device."""

import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import invcompiler as inv

WIDTH, HIDDEN, BATCH, DEPTH = 8, 16, 32, 6


def coupling(layer, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = jnp.split(jnp.tanh(a @ layer["w1"]) @ layer["w2"], 2, axis=-1)
    return jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1)


def flow(params, x):
    return jax.lax.scan(lambda x, layer: (coupling(layer, x), None), x, params)[0]


def gradient(f):
    return jax.grad(lambda params, x: jnp.mean(f(params, x) ** 2), (0, 1))


def values():
    """The same in both processes."""
    draw = np.random.default_rng(0).normal
    w1 = 0.3 * draw(size=(DEPTH, WIDTH // 2, HIDDEN))
    params = {"w1": w1, "w2": 0.2 * draw(size=(DEPTH, HIDDEN, WIDTH))}
    return jax.tree.map(np.float32, (params, draw(size=(BATCH, WIDTH))))


def placed(mesh, value, spec):
    sharding = NamedSharding(mesh, spec)
    return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])


def check(found, expected):
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        for shard in x.addressable_shards:
            np.testing.assert_allclose(np.asarray(shard.data), y[shard.index], atol=1e-5)


def main(number, port):
    jax.distributed.initialize(f"localhost:{port}", 2, number, initialization_timeout=60)
    assert (jax.process_count(), jax.device_count(), jax.local_device_count()) == (2, 4, 2)
    params, x = values()
    expected = jax.tree.map(np.asarray, gradient(flow)(params, x))
    mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    params = jax.tree.map(lambda w: placed(mesh, w, P()), params)
    x = placed(mesh, x, P("data"))
    for options in ({}, {"tolerance": None}, {"store_every": 2}):
        check(jax.jit(gradient(inv.reversible(flow, 1, **options)))(params, x), expected)
    print("as on one device", flush=True)
    jax.distributed.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
