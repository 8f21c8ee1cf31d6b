"""Print the text that is emitted for one in N programs of the corpus, as JSON: a second run to compare with."""

import functools
import json
import sys

import jax

import invcompiler as inv
from tests.laws.corpus import has_ildj
from tests.programs.registry import PROGRAMS

REFUSED = "refused:"


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


@functools.cache
def texts(share):
    """Return what is emitted for one in `share` programs, by name; of one that is refused, the message."""
    with jax.enable_x64(True):
        return {program.name: text_or_refusal(program) for program in PROGRAMS[::share]}


def text_or_refusal(program):
    try:
        return text(program)
    except inv.InvcompilerError as refusal:
        return f"{REFUSED} {refusal}"


if __name__ == "__main__":
    json.dump(texts(int(sys.argv[1])), sys.stdout)
