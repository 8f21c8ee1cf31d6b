"""Print the text that is emitted for every program of the corpus, as JSON: a second run to compare with."""

import json
import sys

import jax

import invcompiler as inv
from tests.laws import gaps
from tests.laws.corpus import has_ildj
from tests.programs.registry import PROGRAMS


def kind(program):
    """Return the richest kind that the program has."""
    return "inverse_and_ildj" if has_ildj(program) else "inverse"


def text(program):
    """Return what is emitted. Where shapes are needed to write it, it is that of the last call."""
    make = getattr(inv, kind(program))
    made = make(program.function, program.argnums, **program.options)
    y = program.forward(program.unknown)
    jax.eval_shape(lambda y: made(y, *program.known, **program.keywords), y)
    return inv.source(made)


def emitted():
    """Return programs that are no known gap, all that are emitted."""
    return [p for p in PROGRAMS if not gaps.reason(p, "emission")]


if __name__ == "__main__":
    with jax.enable_x64(True):
        json.dump({program.name: text(program) for program in emitted()}, sys.stdout)
