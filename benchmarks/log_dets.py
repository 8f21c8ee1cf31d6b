"""Log-determinants by structure against `slogdet` of the Jacobian that `jax.jacfwd` makes, of n numbers.

python benchmarks/run.py --only log_dets
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

import invcompiler as inv
from measure import compiled, cost, ratio, seconds

SIZES = (16, 64, 256, 1024, 4096)
LONGEST = 60.0  # seconds: a Jacobian that would take longer is left out
CHANNELS = 16


@dataclass(frozen=True)
class Structure:
    """A function, its known arguments for n numbers, and its inverse with log-det as written by hand."""

    name: str
    forward: Callable
    known: Callable[[int], tuple]
    by_hand: Callable


def normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def square(n: int) -> jax.Array:
    return jnp.eye(n) + normal(1, n, n) / (3 * n**0.5)


def narrow(n: int) -> tuple:
    return jnp.exp(normal(2, n) / 4), normal(3, n, 4) / n**0.5, normal(4, n, 4) / n**0.5


def factors(n: int) -> tuple:
    rows = 2 ** (n.bit_length() // 2)
    return square(rows), square(n // rows)


# ---- functions, and their inverses by hand -----------------------------------------------------------


def triangular(x, a):
    return jnp.tril(a) @ x


def triangular_by_hand(y, a):
    x = solve_triangular(a, y, lower=True)
    return x, -jnp.sum(jnp.log(jnp.abs(jnp.diagonal(a))))


def diagonal(x, d):
    return d * x


def diagonal_by_hand(y, d):
    return y / d, -jnp.sum(jnp.log(jnp.abs(d)))


def lower_upper(x, a):
    lower = jnp.tril(a, -1) + jnp.eye(a.shape[0])
    return lower @ (jnp.triu(a) @ x)


def lower_upper_by_hand(y, a):
    x = solve_triangular(a, y, lower=True, unit_diagonal=True)
    return solve_triangular(a, x), -jnp.sum(jnp.log(jnp.abs(jnp.diagonal(a))))


def low_rank(x, d, u, v):
    return d * x + u @ (v.T @ x)


def low_rank_by_hand(y, d, u, v):
    y, u = y / d, u / d[:, None]
    small = jnp.eye(u.shape[1]) + v.T @ u
    x = y - u @ jnp.linalg.solve(small, v.T @ y)
    return x, -jnp.sum(jnp.log(jnp.abs(d))) - jnp.linalg.slogdet(small)[1]


def circulant(x, kernel):
    return jnp.fft.irfft(jnp.fft.rfft(x) * jnp.fft.rfft(kernel), n=x.shape[-1])


def circulant_by_hand(y, kernel):
    n = y.shape[-1]
    spectrum = jnp.fft.rfft(kernel)
    size = jnp.log(jnp.abs(spectrum))
    x = jnp.fft.irfft(jnp.fft.rfft(y) / spectrum, n=n)
    return x, -(jnp.sum(size) + jnp.sum(size[1 : (n + 1) // 2]))


def kronecker(x, a, b):
    return (a @ x.reshape(a.shape[1], b.shape[1]) @ b.T).reshape(-1)


def kronecker_by_hand(y, a, b):
    y = y.reshape(a.shape[0], b.shape[0])
    x = jnp.linalg.solve(b, jnp.linalg.solve(a, y).T).T.reshape(-1)
    size = b.shape[0] * jnp.linalg.slogdet(a)[1] + a.shape[0] * jnp.linalg.slogdet(b)[1]
    return x, -size


def elementwise(x):
    return jnp.exp(x)


def elementwise_by_hand(y):
    x = jnp.log(y)
    return x, -jnp.sum(x)


def convolution(x, w):
    return (x.reshape(-1, CHANNELS) @ w).reshape(-1)


def convolution_by_hand(y, w):
    y = y.reshape(-1, CHANNELS)
    x = jnp.linalg.solve(w.T, y.T).T.reshape(-1)
    return x, -y.shape[0] * jnp.linalg.slogdet(w)[1]


def kernel(n: int) -> tuple:
    return (jnp.zeros(n).at[:3].set(jnp.array([1.0, 0.4, -0.2])),)


STRUCTURES = (
    Structure("triangular", triangular, lambda n: (square(n),), triangular_by_hand),
    Structure("diagonal", diagonal, lambda n: narrow(n)[:1], diagonal_by_hand),
    Structure("LU", lower_upper, lambda n: (square(n),), lower_upper_by_hand),
    Structure("diagonal plus low rank", low_rank, narrow, low_rank_by_hand),
    Structure("circulant", circulant, kernel, circulant_by_hand),
    Structure("Kronecker", kronecker, factors, kronecker_by_hand),
    Structure("elementwise", elementwise, lambda n: (), elementwise_by_hand),
    Structure("1x1 convolution", convolution, lambda n: (square(CHANNELS),), convolution_by_hand),
)


# ---- the table ----------------------------------------------------------------------------------------


def log_dets() -> list[str]:
    """Return the section: how much longer the dense log-det takes, and FLOPs against those by hand."""
    sizes = " | ".join(f"n = {n:,}" for n in SIZES)
    rows = [f"| structure | {sizes} | FLOPs over hand-written |"]
    rows += ["| --- " * (len(SIZES) + 2) + "|"]
    for structure in STRUCTURES:
        rows.append(f"| {structure.name} | {' | '.join(times(structure))} | {flops(structure)} |")
        print(rows[-1], file=sys.stderr, flush=True)
    return [
        "Run time of `slogdet(jax.jacfwd(f)(x))` over that of the generated `inv.fldj(f)`, both compiled; and FLOPs of the generated",
        "inverse with its log-det over those of one written by hand, as XLA counts them at n = 256 (a factorisation or a substitution",
        f"is a call to a library, which counts as none). `-`: left out, since the Jacobian takes longer than {LONGEST:.0f} s.",
        "",
        *rows,
    ]


def times(structure: Structure) -> list[str]:
    """Return the ratio of run times for each size, up to where the Jacobian takes too long."""
    found, last = [], 0.0
    for n in SIZES:
        if last * 64 > LONGEST * 4:  # four times the numbers: at most 64 times the work
            found.append("-")
            continue
        x, known = normal(0, n), structure.known(n)
        ours = compiled(inv.fldj(structure.forward, example=x), (x, *known))
        dense = compiled(
            lambda *args: jnp.linalg.slogdet(jax.jacfwd(structure.forward)(*args))[1], (x, *known)
        )
        if not jnp.allclose(ours(x, *known), dense(x, *known), rtol=1e-3, atol=2e-2):
            raise SystemExit(f"{structure.name}: log-dets differ for n = {n}")
        last = best(dense, (x, *known))
        found.append(f"{last / best(ours, (x, *known)):,.0f}")
    return found


def best(g: Callable, args: tuple) -> float:
    once = seconds(g, args, 1)
    return once if once > 1 else min(seconds(g, args, 3) for _ in range(5))


def flops(structure: Structure) -> str:
    x, known = normal(0, 256), structure.known(256)
    y = structure.forward(x, *known)
    ours = compiled(inv.inverse_and_ildj(structure.forward, example=x), (y, *known))
    theirs = compiled(structure.by_hand, (y, *known))
    for one, other in zip(ours(y, *known), theirs(y, *known), strict=True):
        if not jnp.allclose(one, other, rtol=2e-3, atol=2e-3):
            raise SystemExit(f"{structure.name}: generated and hand-written differ")
    return f"{ratio(cost(ours).flops, cost(theirs).flops):.2f}"
