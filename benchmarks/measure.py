"""What a function costs: operations, bytes and memory as XLA counts them, run time, time to trace and compile."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import jax


@dataclass(frozen=True)
class Cost:
    flops: float
    bytes: float
    temp: float
    text: str  # the optimised program without names and places: equal texts are equal executables


def cost(compiled) -> Cost:
    analysis = compiled.cost_analysis()
    temp = compiled.memory_analysis().temp_size_in_bytes
    return Cost(
        analysis.get("flops", 0.0), analysis["bytes accessed"], temp, nameless(compiled.as_text())
    )


def nameless(text: str) -> str:
    """An optimised program without the names of files, functions and variables."""
    text = re.sub(
        r", metadata=\{[^}]*\}",
        "",
        text[text.index("\n%") if "\n%" in text else text.index("\nENTRY") :],
    )
    text = re.sub(r"^((?:ENTRY )?%\S+) \(.*\{$", r"\1 {", text, flags=re.MULTILINE)
    numbers: dict[str, str] = {}
    return re.sub(r"%[\w.-]+", lambda name: numbers.setdefault(name[0], f"%{len(numbers)}"), text)


def ratio(ours: float, theirs: float) -> float:
    return 1.0 if ours == theirs else ours / theirs if theirs else float("inf")


def compiled(g: Callable, args: tuple):
    return jax.jit(g).lower(*args).compile()


def paired_time(
    ours: Callable, theirs: Callable, args: tuple, rounds: int = 41
) -> tuple[float, float]:
    """The median of the ratio of run times, taken in turns, and half of its middle-half's width."""
    calls = max(1, int(0.004 / max(seconds(theirs, args, 3), 1e-6)))
    ratios = []
    for i in range(rounds):
        pair = [ours, theirs] if i % 2 else [theirs, ours]
        measured = {g: seconds(g, args, calls) for g in pair}
        ratios.append(measured[ours] / measured[theirs])
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, (high - low) / 2


def seconds(g: Callable, args: tuple, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        out = g(*args)
    jax.block_until_ready(out)
    return (time.perf_counter() - start) / calls


def compile_seconds(g: Callable, args: tuple, times: int = 3) -> float:
    """Return the least of the CPU times that tracing and compiling `g` takes, with empty caches."""

    def once() -> float:
        jax.clear_caches()
        start = time.process_time()
        compiled(lambda *args: g(*args), args)
        return time.process_time() - start

    return min(once() for _ in range(times))
