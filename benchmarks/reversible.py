"""Gradients that reconstruct against `jax.grad`, checkpointing, and an adjoint written by hand: memory, work, time, error.

    python benchmarks/reversible.py [--width 64] [--depths 8,64,512] [--dtype float32]

prints the rows of a table. The model is a stack of affine couplings in one `lax.scan`. XLA counts the body of a scan once, so
the operations are counted on a stack of few layers that is unrolled.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import invcompiler as inv

BATCH = 256


def net(layer, a):
    return jnp.tanh(a @ layer["w1"] + layer["b1"]) @ layer["w2"]


def coupling(layer, x):
    a, b = jnp.split(x, 2, axis=-1)
    s, t = jnp.split(net(layer, a), 2, axis=-1)
    return jnp.concatenate([b * jnp.exp(s) + t, a], axis=-1)


def flow(params, x):
    return jax.lax.scan(lambda x, layer: (coupling(layer, x), None), x, params)[0]


def unrolled(params, x):
    for layer in params:
        x = coupling(layer, x)
    return x


def checkpointed(params, x):
    step = jax.checkpoint(lambda x, layer: (coupling(layer, x), None))
    return jax.lax.scan(step, x, params)[0]


def square_root(params, x):
    """Checkpoint a scan of scans, of the square root of the depth each."""
    depth = len(params["b1"])
    rows = next(n for n in range(math.isqrt(depth), 0, -1) if depth % n == 0)
    chunks = jax.tree.map(lambda w: w.reshape(rows, depth // rows, *w.shape[1:]), params)
    outer = jax.checkpoint(lambda x, chunk: (checkpointed(chunk, x), None))
    return jax.lax.scan(outer, x, chunks)[0]


@jax.custom_vjp
def by_hand(params, x):
    return flow(params, x)


def by_hand_fwd(params, x):
    y = flow(params, x)
    return y, (params, y)


def by_hand_bwd(residuals, y_bar):
    params, y = residuals

    def step(carry, layer):
        y, y_bar = carry
        b, a = jnp.split(y, 2, axis=-1)
        out, pull = jax.vjp(net, layer, a)
        s, t = jnp.split(out, 2, axis=-1)
        scale = jnp.exp(s)
        b = (b - t) / scale
        b_bar, a_bar = jnp.split(y_bar, 2, axis=-1)
        scaled = b_bar * scale
        layer_bar, from_net = pull(jnp.concatenate([scaled * b, b_bar], axis=-1))
        x_bar = jnp.concatenate([a_bar + from_net, scaled], axis=-1)
        return (jnp.concatenate([a, b], axis=-1), x_bar), layer_bar

    (_, x_bar), params_bar = jax.lax.scan(step, (y, y_bar), params, reverse=True)
    return params_bar, x_bar


by_hand.defvjp(by_hand_fwd, by_hand_bwd)

WAYS: dict[str, Callable[..., Any]] = {
    "`jax.grad`": flow,
    "`jax.checkpoint`, each layer": checkpointed,
    "`jax.checkpoint`, square root": square_root,
    "by hand": by_hand,
    "`inv.reversible`": inv.reversible(flow, argnums=1),
    "without tolerance": inv.reversible(flow, argnums=1, tolerance=None),
    "every 16th state": inv.reversible(flow, argnums=1, store_every=16),
}


def parameters(depth: int, width: int, dtype: Any) -> dict:
    """Return layers that change their input little, as those of a trained flow of many layers do."""
    keys = jax.random.split(jax.random.key(0), 2)
    half, hidden = width // 2, 4 * width
    w1 = jax.random.normal(keys[0], (depth, half, hidden)) / math.sqrt(half)
    w2 = jax.random.normal(keys[1], (depth, hidden, width)) / math.sqrt(hidden * depth) / 2
    made = {"w1": w1, "b1": jnp.zeros((depth, hidden)), "w2": w2}
    return jax.tree.map(lambda w: w.astype(dtype), made)


def gradient(f: Callable) -> Callable:
    return jax.grad(lambda params, x: jnp.sum(jnp.square(f(params, x).astype(jnp.float32))), (0, 1))


def compiled(f: Callable, args: tuple) -> Any:
    return jax.jit(gradient(f)).lower(*args).compile()


def seconds(run: Callable, args: tuple, times: int) -> float:
    """Return the best run time: the others have something else in them."""
    jax.block_until_ready(run(*args))
    best = math.inf
    for _ in range(times):
        start = time.perf_counter()
        jax.block_until_ready(run(*args))
        best = min(best, time.perf_counter() - start)
    return best


def flat(tree: Any) -> jax.Array:
    return jnp.concatenate([jnp.ravel(leaf).astype(jnp.float32) for leaf in jax.tree.leaves(tree)])


def table(depths: list[int], width: int, dtype: Any, times: int) -> list[str]:
    rows = [
        "| depth | way | temp MB | run time, of `jax.grad` | relative error | angle, degrees |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for depth in depths:
        args = (
            parameters(depth, width, dtype),
            jax.random.normal(jax.random.key(1), (BATCH, width), dtype),
        )
        base: tuple[float, jax.Array] | None = None
        for name, f in WAYS.items():
            run = compiled(f, args)
            temp = run.memory_analysis().temp_size_in_bytes / 1e6
            took, found = seconds(run, args, times), flat(run(*args))
            base = base or (took, found)
            norm = jnp.linalg.norm(base[1])
            error = float(jnp.linalg.norm(found - base[1]) / norm)
            cosine = float(jnp.vdot(found, base[1]) / jnp.linalg.norm(found) / norm)
            angle = math.degrees(math.acos(min(1.0, cosine)))
            rows.append(
                f"| {depth} | {name} | {temp:.3g} | {took / base[0]:.2f} | {error:.1e} | {angle:.1e} |"
            )
            print(rows[-1], flush=True)
    return rows


def operations(width: int, dtype: Any, depth: int = 8) -> list[str]:
    """Return the FLOPs of a gradient over those of `jax.grad`, for a stack that is unrolled."""
    params = parameters(depth, width, dtype)
    layers = [jax.tree.map(lambda w, i=i: w[i], params) for i in range(depth)]
    args = (layers, jax.random.normal(jax.random.key(1), (BATCH, width), dtype))
    count = lambda f: compiled(f, args).cost_analysis()["flops"]
    base = count(unrolled)
    ours = count(inv.reversible(unrolled, argnums=1, tolerance=None))
    return [
        f"FLOPs of `inv.reversible` over those of `jax.grad`, {depth} layers unrolled: {ours / base:.2f}"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depths", default="8,64,512")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    depths = [int(depth) for depth in given.depths.split(",")]
    device = jax.devices()[0]
    print(
        f"{device.platform} {device.device_kind}, width {given.width}, batch {BATCH}, {given.dtype}"
    )
    table(depths, given.width, given.dtype, given.times)
    print("\n".join(operations(given.width, given.dtype)))


if __name__ == "__main__":
    main()
