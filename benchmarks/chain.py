"""Functions of any number of elementwise statements, written to a file: compilers read source."""

from __future__ import annotations

import importlib.util
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

STATEMENTS = ["x = jnp.exp(x)", "x = x * 0.5", "x = jnp.log(x)", "x = x + 0.6931472"]
_fresh = itertools.count()


def chain(statements: int) -> Callable:
    """A new function `chain(x)` of so many statements, in a module of its own."""
    lines = itertools.islice(itertools.cycle(STATEMENTS), statements)
    body = "".join(f"    {line}\n" for line in lines)
    name = f"chain_{statements}_{next(_fresh)}"
    path = Path(tempfile.mkdtemp(), f"{name}.py")
    path.write_text(f"import jax.numpy as jnp\n\n\ndef chain(x):\n{body}    return x\n")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.chain
