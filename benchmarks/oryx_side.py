"""What Oryx does with the same programs: run by its own Python (jax 0.5.3); prints JSON.

python3.11 -m venv oryx && oryx/bin/pip install oryx==0.2.9 jax==0.5.3 jaxlib==0.5.3
"""

from __future__ import annotations

import json
import time

import jax
import jax.numpy as jnp
from oryx.core import inverse_and_ildj

from chain import chain
from programs import PROGRAMS, Program


def main() -> None:
    programs = {program.name: outcome(program) for program in PROGRAMS}
    print(json.dumps({"jax": jax.__version__, "chain": times(), "programs": programs}))


def times() -> list[float]:
    """Seconds of each of three eager calls of the inverse of 200 statements."""
    f, y = chain(200), jnp.full(16, 1.5)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        jax.block_until_ready(inverse_and_ildj(f)(y))
        seconds.append(time.perf_counter() - start)
    return seconds


def outcome(program: Program) -> str:
    """Whether Oryx inverts a program, and with the log-det of the hand-written inverse."""
    args = program.args()
    x = args[program.argnum]
    known = args[: program.argnum] + args[program.argnum + 1 :]

    def forward(x):
        return program.forward(*known[: program.argnum], x, *known[program.argnum :])

    y = forward(x)
    expected_x, expected_ildj = program.inverse_and_ildj(y, *known)
    try:
        actual_x, actual_ildj = inverse_and_ildj(forward, x)(y)
    except Exception as error:  # whatever another library raises is what is reported
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:60]}"
    if not agree(actual_x, expected_x):
        return "wrong inverse"
    return "right" if agree(jnp.sum(actual_ildj), expected_ildj) else "right inverse, wrong ILDJ"


def agree(actual, expected) -> bool:
    leaves = zip(jax.tree.leaves(actual), jax.tree.leaves(expected))
    same = jax.tree.structure(actual) == jax.tree.structure(expected)
    return same and all(
        a is not None and jnp.shape(a) == b.shape and bool(jnp.allclose(a, b, rtol=1e-2, atol=1e-2))
        for a, b in leaves
    )


if __name__ == "__main__":
    main()
