"""Gradients that reconstruct against `jax.grad`, checkpointing, and an adjoint written by hand: memory, work, time, error.

    python benchmarks/reversible.py [--quick] [--widths 64,1024] [--depths 8,64,512,4096] [--dtype float32]

prints a table for each width. The model is a stack of affine couplings in one `lax.scan`. XLA counts the body of a scan once, so
the operations are counted on a stack of few layers that is unrolled. What needs more memory or time than `--gigabytes` and `--seconds`
is compiled, which tells its temp memory exactly, and not run. Each depth that is done is noted in `--record`: started again,
the benchmark goes on from there.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
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


def unrolled_checkpoints(params, x):
    for layer in params:
        x = jax.checkpoint(coupling)(layer, x)
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
    """Compile the gradient for arguments, or for what they look like."""
    return jax.jit(gradient(f)).lower(*args).compile()


def seconds(runs: dict[str, Callable], args: tuple, times: int) -> dict[str, float]:
    """Return the best run time of each, taken in turns: the others have something else in them."""
    best = dict.fromkeys(runs, math.inf)
    for _ in range(times):
        for name, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run(*args))
            best[name] = min(best[name], time.perf_counter() - start)
    return best


class Difference:
    """How far a gradient is from another one: the sums that the error and the angle are made of, leaf by leaf."""

    def __init__(self, found: Any, base: Any):
        pairs = list(zip(jax.tree.leaves(found), jax.tree.leaves(base), strict=True))
        total = lambda product: float(sum(jnp.sum(product(*pair)) for pair in pairs))
        wide = lambda x: x.astype(jnp.float32)
        norms = [math.sqrt(total(lambda *both, i=i: jnp.square(wide(both[i])))) for i in range(2)]
        apart = total(lambda x, y: jnp.square(wide(x) - wide(y)))
        self.error = math.sqrt(apart) / norms[1]
        turned = total(lambda x, y: jnp.square(wide(x) / norms[0] - wide(y) / norms[1]))
        self.angle = math.degrees(2 * math.asin(min(1.0, math.sqrt(turned) / 2)))


def measured(depth: int, width: int, dtype: Any, given: argparse.Namespace) -> dict[str, dict]:
    """Return what each way costs: of those that are run, in turns, the time over that of `jax.grad`, and the error."""
    make = lambda: (
        parameters(depth, width, dtype),
        jax.random.normal(jax.random.key(1), (BATCH, width), dtype),
    )
    shapes = jax.eval_shape(make)
    runs = {name: compiled(f, shapes) for name, f in WAYS.items()}
    temps = {name: run.memory_analysis().temp_size_in_bytes for name, run in runs.items()}
    found: dict[str, dict] = {name: {"temp": temp} for name, temp in temps.items()}
    arguments = sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(shapes))
    fits = lambda name: 3 * arguments + temps[name] < given.gigabytes * 1e9
    runs = {name: run for name, run in runs.items() if fits(name)}
    if "`jax.grad`" not in runs:
        return found
    args = jax.block_until_ready(jax.jit(make)())
    start = time.perf_counter()
    base = jax.block_until_ready(runs["`jax.grad`"](*args))
    if (time.perf_counter() - start) * len(runs) * (given.times + 1) > given.seconds:
        return found
    for name, run in runs.items():
        difference = Difference(run(*args), base)
        found[name] |= {"error": difference.error, "angle": difference.angle}
    del base
    took = seconds(runs, args, given.times)
    for name, best in took.items():
        found[name]["time"] = best / took["`jax.grad`"]
    return found


def row(depth: int, name: str, cost: dict) -> str:
    rest = ["not run", "", ""]
    if "time" in cost:
        rest = [f"{cost['time']:.2f}", f"{cost['error']:.1e}", f"{cost['angle']:.1e}"]
    return f"| {depth} | {name} | {cost['temp'] / 1e6:.3g} | {' | '.join(rest)} |"


def table(depths: list[int], width: int, given: argparse.Namespace) -> None:
    print("| layers | gradient | temp MB | run time, of `jax.grad` | relative error | angle |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for depth in depths:
        key = f"{width} {depth} {given.dtype}"
        record = json.loads(given.record.read_text()) if given.record.exists() else {}
        if key not in record:
            record[key] = measured(depth, width, given.dtype, given)
            given.record.parent.mkdir(parents=True, exist_ok=True)
            given.record.write_text(json.dumps(record, indent=1))
        print("\n".join(row(depth, *item) for item in record[key].items()), flush=True)


def operations(width: int, dtype: Any, depth: int = 8) -> list[str]:
    """Return the FLOPs of a gradient over those of `jax.grad`, for a stack that is unrolled."""
    shapes = jax.eval_shape(lambda: parameters(depth, width, dtype))
    layer = jax.tree.map(lambda w: jax.ShapeDtypeStruct(w.shape[1:], w.dtype), shapes)
    args = ([layer] * depth, jax.ShapeDtypeStruct((BATCH, width), dtype))
    count = lambda f: compiled(f, args).cost_analysis()["flops"]
    base = count(unrolled)
    return [
        f"FLOPs over those of `jax.grad`, width {width}, {depth} layers unrolled: "
        + ", ".join(f"{name} {count(f) / base:.2f}" for name, f in UNROLLED.items())
    ]


UNROLLED: dict[str, Callable[..., Any]] = {
    "`jax.checkpoint` each layer": unrolled_checkpoints,
    "`inv.reversible`": inv.reversible(unrolled, argnums=1),
    "without tolerance": inv.reversible(unrolled, argnums=1, tolerance=None),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="width 64, 8 and 64 layers")
    parser.add_argument("--depths", default="8,64,512,4096")
    parser.add_argument("--widths", default="64,1024")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=150, help="for each depth")
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--record", type=pathlib.Path, default="build/reversible.json")
    given = parser.parse_args()
    depths = [int(depth) for depth in ("8,64" if given.quick else given.depths).split(",")]
    device = jax.devices()[0]
    print(f"{device.platform} {device.device_kind}, batch {BATCH}, {given.dtype}")
    for width in [64] if given.quick else [int(width) for width in given.widths.split(",")]:
        print(f"\nWidth {width}. " + "\n".join(operations(width, given.dtype)) + "\n")
        table(depths, width, given)


if __name__ == "__main__":
    main()
