"""Measure what is generated against what an expert writes by hand, and write RESULTS.md.

    python benchmarks/run.py                                 # everything but Oryx, which needs its own Python:
    python3.11 -m venv build/oryx && build/oryx/bin/pip install oryx==0.2.9 jax==0.5.3 jaxlib==0.5.3
    python benchmarks/run.py --oryx build/oryx/bin/python

Each section is a function that returns lines of Markdown; `--only parity` (and so on) prints one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp

import invcompiler as inv
from chain import chain
from derivatives import gradients
from log_dets import log_dets
from measure import compile_seconds, compiled, cost, paired_time, ratio, seconds
from programs import PROGRAMS, Program, coupling_scan, coupling_scan_inverse, init_net, stack

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"

# ---- generated against hand-written -----------------------------------------------------------------


def split_args(program: Program) -> tuple:
    """The output, and the arguments that are known: what every inverse is called with."""
    args = program.args()
    known = args[: program.argnum] + args[program.argnum + 1 :]
    return (program.forward(*args), *known)


def parity() -> list[str]:
    rows = [
        "| program | kind | FLOPs | bytes | temp | run time | executable |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for program in PROGRAMS:
        for kind in ("inverse", "inverse_and_ildj"):
            rows.append(parity_row(program, kind))
            print(rows[-1], file=sys.stderr, flush=True)
    return [
        "Generated over hand-written, both under `jax.jit`; run times are taken in turns (median of the ratio,",
        "± half of the middle half). Where the optimised programs are one text, the run times differ by noise alone. What is written",
        "by hand is as stable as what is generated: it has no `log1p(y * y)` that overflows. XLA counts the body of a loop once.",
        "",
        *rows,
    ]


def parity_row(program: Program, kind: str) -> str:
    args = split_args(program)
    name = f"| `{program.name}` | {kind} |"
    try:
        generated = getattr(inv, kind)(program.forward, program.argnum)
        ours = compiled(generated, args)
    except inv.InvcompilerError as error:
        return f"{name} refused: {type(error).__name__} |"
    theirs = compiled(getattr(program, kind), args)
    check_agreement(ours(*args), theirs(*args), f"{program.name} {kind}")
    a, b = cost(ours), cost(theirs)
    middle, spread = paired_time(ours, theirs, args)
    same = "same" if a.text == b.text else "differs"
    return (
        f"{name} {ratio(a.flops, b.flops):.2f} | {ratio(a.bytes, b.bytes):.2f} "
        f"| {ratio(a.temp, b.temp):.2f} | {middle:.2f} ± {spread:.2f} | {same} |"
    )


def check_agreement(ours, theirs, what: str) -> None:
    """A benchmark of two functions that do not do the same would mean nothing."""
    leaves = list(zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True))
    for a, b in leaves:
        if a.shape != b.shape or not jnp.allclose(a, b, rtol=2e-3, atol=2e-3):
            raise SystemExit(f"{what}: generated and hand-written differ:\n{a}\n{b}")


# ---- transform time ---------------------------------------------------------------------------------


def transform() -> list[str]:
    rows = ["| statements | source to callable | per statement |", "| --- | --- | --- |"]
    transform_seconds(30)  # the first use fills caches that every process fills once
    for statements in (30, 100, 500, 1000, 5000):
        best = min(transform_seconds(statements) for _ in range(5 if statements < 1000 else 2))
        rows.append(f"| {statements:,} | {best * 1e3:.1f} ms | {best / statements * 1e6:.0f} µs |")
    return [
        "`inv.inverse(f)` for functions of elementwise statements, before JAX traces (CPU time).",
        "",
        *rows,
    ]


def transform_seconds(statements: int) -> float:
    f = chain(statements)
    start = time.process_time()
    inv.inverse(f)
    return time.process_time() - start


# ---- loops: size and compile time do not depend on the trip count ----------------------------------------


def loops() -> list[str]:
    rows = [
        "| layers | characters emitted | trace and compile, generated | hand-written |",
        "| --- | --- | --- | --- |",
    ]
    for count in (10, 1000):
        layers = jax.tree.map(lambda leaf: jnp.repeat(leaf[:1], count, 0), stack([init_net(0)]))  # noqa: B023
        y = jnp.ones((8, 64))
        generated = inv.inverse(coupling_scan, 1)
        ours = compile_seconds(generated, (y, layers))
        theirs = compile_seconds(coupling_scan_inverse, (y, layers))
        size = len(inv.source(generated))
        rows.append(f"| {count:,} | {size} | {ours * 1e3:.0f} ms | {theirs * 1e3:.0f} ms |")
    return ["A scan of couplings over stacked parameters (best of 3).", "", *rows]


# ---- import and call ----------------------------------------------------------------------------------------

IMPORT = """
import time, jax, jax.numpy
start = time.process_time()
import invcompiler
middle = time.process_time()
invcompiler.inverse
print(middle - start, time.process_time() - middle)
"""


def imports() -> list[str]:
    runs = [python(sys.executable, "-c", IMPORT).split() for _ in range(9)]
    alone, first_use = ([float(run[i]) * 1e3 for run in runs] for i in (0, 1))
    return [
        f"`import invcompiler` after `import jax`, CPU time: {statistics.median(alone):.1f} ms (median of 9). What is used is",
        f"loaded when it is first named: `invcompiler.inverse`, and with it the compiler, {statistics.median(first_use):.0f} ms "
        f"(median), {min(first_use):.0f} ms (best).",
    ]


def python(*command: str) -> str:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=HERE, env=env
    ).stdout


SCALE = jnp.full(4, 2.0)


def small(x, shift):
    return jnp.exp(x * SCALE + shift)


def small_inverse(y, shift, SCALE):
    return (jnp.log(y) - shift) / SCALE


def calls() -> list[str]:
    y, shift = jnp.ones(4), jnp.ones(4)
    generated, by_hand = inv.inverse(small), jax.jit(small_inverse)
    # many short rounds, in turns: some fall between what else the machine does
    pairs = [
        (seconds(generated, (y, shift), 100), seconds(by_hand, (y, shift, SCALE), 100))
        for _ in range(300)
    ]
    ours, theirs = map(min, zip(*pairs, strict=True))
    return [
        "One call of the inverse of a small function that captures an array (best of 300 x 100):",
        f"generated {ours * 1e6:.1f} µs, a `jax.jit` call of the hand-written {theirs * 1e6:.1f} µs, "
        f"so {(ours - theirs) * 1e6:+.1f} µs.",
    ]


# ---- Oryx -------------------------------------------------------------------------------------------------------


def oryx(interpreter: str) -> list[str]:
    theirs = json.loads(python(interpreter, str(HERE / "oryx_side.py")).splitlines()[-1])
    making, first, later = chain_seconds()
    eager = ", ".join(f"{s:.1f} s" for s in theirs["chain"])
    rows = ["| program | Oryx 0.2.9 | invcompiler |", "| --- | --- | --- |"]
    rows += [f"| `{p.name}` | {theirs['programs'][p.name]} | {own_outcome(p)} |" for p in PROGRAMS]
    return [
        f"Oryx 0.2.9 runs on jax {theirs['jax']} (newer releases of jax break it). Inverse with ILDJ of 200 elementwise",
        f"statements: Oryx, three eager calls one after another: {eager}; invcompiler: {making:.3f} s to make it,",
        f"{first:.2f} s for the first call, {later * 1e6:.0f} µs for every later one.",
        "",
        "What becomes of the sixteen programs (values are compared with the hand-written inverse):",
        "",
        *rows,
    ]


def chain_seconds() -> tuple[float, float, float]:
    f, y = chain(200), jnp.full(16, 1.5)
    start = time.perf_counter()
    generated = inv.inverse_and_ildj(f)
    making = time.perf_counter() - start
    return making, seconds(generated, (y,), 1), seconds(generated, (y,), 100)


def own_outcome(program: Program) -> str:
    args = split_args(program)
    try:
        ours = inv.inverse_and_ildj(program.forward, program.argnum)(*args)
    except inv.InvcompilerError as error:
        return f"refused: {error.reason}"
    check_agreement(ours, program.inverse_and_ildj(*args), program.name)
    return "right"


# ---- the report ---------------------------------------------------------------------------------------------------

SECTIONS = {
    "parity": ("Generated against hand-written", parity),
    "transform": ("Transform time", transform),
    "loops": ("Loops", loops),
    "imports": ("Import time", imports),
    "calls": ("Call overhead", calls),
    "gradients": ("Gradients", gradients),
    "log_dets": ("Log-determinants by structure", log_dets),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--oryx", metavar="PYTHON", help="a Python that has oryx==0.2.9")
    parser.add_argument("--only", choices=[*SECTIONS, "oryx"], help="print one section")
    options = parser.parse_args()
    sections = dict(SECTIONS)
    if options.oryx:
        sections["oryx"] = ("Oryx", lambda: oryx(options.oryx))
    if options.only:
        print("\n".join(sections[options.only][1]()))
        return
    lines = [line for section in sections.values() for line in shown(*section)]
    kept = [] if options.oryx else oryx_before()
    RESULTS.write_text("\n".join([*heading(), *lines, *kept]) + "\n")


def oryx_before() -> list[str]:
    """Return the section on Oryx of the last report: it needs a Python of its own."""
    _, title, section = RESULTS.read_text().partition("\n## Oryx\n")
    return [(title + section).rstrip()] if title else []


def heading() -> list[str]:
    return [
        "# What it costs",
        "",
        f"Written by `python benchmarks/run.py` (Python {platform.python_version()}, jax {jax.__version__}, "
        f"{os.cpu_count()} CPU cores, float32).",
    ]


def shown(title: str, section: Callable[[], list[str]]) -> list[str]:
    print(f"== {title}", file=sys.stderr, flush=True)
    return ["", f"## {title}", "", *section()]


if __name__ == "__main__":
    main()
