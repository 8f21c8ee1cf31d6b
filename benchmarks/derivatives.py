"""Emitted gradients against `jax.grad`: operations, bytes, memory, run time, time to trace and compile."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax

import invcompiler as inv
from measure import compile_seconds, compiled, cost, paired_time, ratio

sys.path.append(str(Path(__file__).parent.parent))  # the models are those of the tests
from tests.derivatives.models import MODELS


def gradients() -> list[str]:
    rows = [
        "| model | FLOPs | bytes | temp | run time | trace and compile | of JAX | to write it |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, (f, args) in MODELS.items():
        rows.append(gradient_row(name, f, args))
        print(rows[-1], file=sys.stderr, flush=True)
    return [
        "Emitted over `jax.grad`, both under `jax.jit`; times to trace and compile are the best of 5, after the source is",
        "written, which happens once for each signature.",
        "",
        *rows,
    ]


def gradient_row(name: str, f: Callable, args: tuple) -> str:
    generated, by_jax = inv.grad(f), jax.grad(f)
    start = time.perf_counter()
    jax.eval_shape(generated, *args)
    written = time.perf_counter() - start
    ours, theirs = compiled(generated, args), compiled(by_jax, args)
    a, b = cost(ours), cost(theirs)
    middle, spread = paired_time(ours, theirs, args)
    ratios = [ratio(a.flops, b.flops), ratio(a.bytes, b.bytes), ratio(a.temp, b.temp)]
    shown = " | ".join(f"{value:.2f}" for value in ratios)
    times = [compile_seconds(g, args, 5) for g in (generated, by_jax)]
    return (
        f"| {name} | {shown} | {middle:.2f} ± {spread:.2f} | {times[0] * 1e3:.0f} ms "
        f"| {times[1] * 1e3:.0f} ms | {written * 1e3:.0f} ms |"
    )


if __name__ == "__main__":
    print("\n".join(gradients()))
