"""Run a function on concrete values now, also while someone else traces the caller.

`jax.ensure_compile_time_eval` does that but for functions with derivative rules of their own (`jax.custom_jvp`, such as
`jax.scipy.special.logit`): under `jax.vmap` they give tracers all the same. Traces belong to a thread, so another one runs these.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def run_now(fn: Callable[[], Any]) -> Any:
    """Return `fn()`, whose arrays are concrete. What `fn` raises is raised."""
    with jax.ensure_compile_time_eval():
        found = fn()
    return found if _is_concrete(found) else _elsewhere(fn)


def _is_concrete(value: Any) -> bool:
    try:
        for leaf in jax.tree.leaves(value):
            if isinstance(leaf, jax.Array):
                np.asarray(leaf)
    except jax.errors.TracerArrayConversionError:
        return False
    return True


def _elsewhere(fn: Callable[[], Any]) -> Any:
    double = (
        jnp.result_type(float) == jnp.float64
    )  # the caller's, which another thread does not see

    def run() -> Any:
        with jax.enable_x64(double):
            return fn()

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(run).result()
