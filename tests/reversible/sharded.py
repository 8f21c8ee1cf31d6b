"""Run on eight emulated devices, by `test_sharding.py`: gradients are those of one device, and no collective is added."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import invcompiler as inv

WIDTH, HIDDEN, BATCH = 16, 32, 64


def coupling(layer, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = jnp.split(jnp.tanh(a @ layer["w1"]) @ layer["w2"], 2, axis=-1)
    return jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1)


def flow(params, x):
    return jax.lax.scan(lambda x, layer: (coupling(layer, x), None), x, params)[0]


def parameters(depth):
    keys = jax.random.split(jax.random.key(0), 2)
    w1 = 0.2 * jax.random.normal(keys[0], (depth, WIDTH // 2, HIDDEN))
    return {"w1": w1, "w2": 0.1 * jax.random.normal(keys[1], (depth, HIDDEN, WIDTH))}


def gradient(f):
    return jax.grad(lambda params, x: jnp.mean(f(params, x) ** 2), (0, 1))


X = jax.random.normal(jax.random.key(1), (BATCH, WIDTH))
PARAMS = parameters(6)
EXPECTED = gradient(flow)(PARAMS, X)
GUARDED, PLAIN = inv.reversible(flow, 1), inv.reversible(flow, 1, tolerance=None)
SPECS = {
    "data": {"w1": P(), "w2": P()},
    "model": {"w1": P(None, None, "model"), "w2": P(None, "model", None)},
}


def check(found):
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(EXPECTED), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), atol=1e-5)


def mesh_of(kind):
    return jax.make_mesh((4, 2), ("data", "model"), axis_types=(kind, kind))


def placed(mesh, spec, depth=6):
    put = lambda w, s: jax.device_put(w, NamedSharding(mesh, s))
    return jax.tree.map(put, parameters(depth), SPECS[spec]), put(X, P("data"))


def compiled(f, args):
    return jax.jit(gradient(f)).lower(*args).compile()


def collectives(run):
    return run.as_text().count("all-reduce(") + run.as_text().count("all-gather(")


def partitioned():
    mesh = mesh_of(AxisType.Auto)
    for spec, more in (("data", 0), ("model", 1)):
        args = placed(mesh, spec)
        ours, theirs = compiled(PLAIN, args), compiled(flow, args)
        found = ours(*args)
        check(found)
        check(jax.jit(gradient(GUARDED))(*args))
        assert collectives(ours) <= collectives(theirs) + more
        for w, given in zip(jax.tree.leaves(found[0]), jax.tree.leaves(args[0]), strict=True):
            assert w.sharding.is_equivalent_to(given.sharding, w.ndim)
        shallow, deep = (
            compiled(PLAIN, placed(mesh, spec, d)).memory_analysis().temp_size_in_bytes
            for d in (8, 64)
        )
        assert deep <= 1.05 * shallow


def explicit():
    mesh = mesh_of(AxisType.Explicit)
    with jax.set_mesh(mesh):
        for f in (GUARDED, PLAIN):
            check(jax.jit(gradient(f))(*placed(mesh, "data")))


def mapped():
    mesh = mesh_of(AxisType.Auto)
    for is_checked in (False, True):
        for f in (GUARDED, PLAIN):
            specs = {"in_specs": (P(), P("data")), "out_specs": P("data")}
            local = jax.shard_map(f, mesh=mesh, check_vma=is_checked, **specs)
            check(jax.jit(gradient(local))(PARAMS, X))


if __name__ == "__main__":
    partitioned()
    explicit()
    mapped()
    print("as on one device")
