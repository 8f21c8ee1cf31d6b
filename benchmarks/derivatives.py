"""Emitted gradients against `jax.grad`: FLOPs, bytes, temp memory, run time, first call.

python -m benchmarks.derivatives
"""

import statistics
import time

import jax

from invcompiler.derivatives import grad
from tests.derivatives.models import MODELS
from tests.derivatives.test_cost import cost


def first_call(f, arguments):
    """Return the seconds that the first call takes: to write, trace, compile and run."""
    start = time.perf_counter()
    jax.block_until_ready(f(*arguments))
    return time.perf_counter() - start


def paired_times(f, g, arguments, rounds=50):
    """Return the median seconds of `f` and of `g`, called in turn."""
    times = ([], [])
    for _ in range(rounds):
        for h, found in zip((f, g), times):
            start = time.perf_counter()
            jax.block_until_ready(h(*arguments))
            found.append(time.perf_counter() - start)
    return tuple(map(statistics.median, times))


def main():
    print(f"{'':12} {'flops':>7} {'bytes':>7} {'temp':>7} {'run':>7}   first call (jax)")
    for name, (f, arguments) in MODELS.items():
        mine, theirs = grad(f), jax.jit(jax.grad(f))
        started, jax_started = first_call(mine, arguments), first_call(theirs, arguments)
        a, b = cost(mine, arguments), cost(theirs, arguments)
        t, jax_t = paired_times(mine, theirs, arguments)
        ratios = " ".join(f"{x / y:7.3f}" for x, y in zip((*a, t), (*b, jax_t)))
        print(f"{name:12} {ratios}   {started:.2f} s ({jax_started:.2f} s)")


if __name__ == "__main__":
    main()
