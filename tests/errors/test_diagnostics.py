"""Messages look like those of a good compiler; STYLE's two examples are the first two tests."""

import copy
import linecache
import pickle

import pytest

from invcompiler import errors
from invcompiler.ir.nodes import Span

FLOWS = """\
import jax.numpy as jnp


def gate(w, x):
    u = jnp.tanh(w * x)
    return x * u


def head(x):
    return jnp.exp(x[..., :4])


def tall(x):
    return jnp.concatenate(
        [
            x,
            x,
        ]
    )


def σ(x):
\treturn "µ", x + x
"""


@pytest.fixture(autouse=True)
def flows_py():
    """A file `flows.py` that exists for `linecache` alone, its `gate` at line 12 and `head` at 30."""
    text = "\n" * 8 + FLOWS.replace("\n\ndef head", "\n" * 14 + "\ndef head")
    linecache.cache["flows.py"] = (len(text), None, text.splitlines(keepends=True), "flows.py")
    yield text
    del linecache.cache["flows.py"]


def span_of(text: str, piece: str, line_contains: str) -> Span:
    for number, line in enumerate(text.splitlines(), 1):
        if line_contains in line:
            col = len(line[: line.index(piece)].encode())
            return Span("flows.py", number, col, number, col + len(piece.encode()))
    raise AssertionError(line_contains)


def gate_error(text: str) -> errors.InversionError:
    use = span_of(text, "x)", "u = jnp.tanh")
    return errors.EntangledError(
        "cannot recover `x` from the output of `gate`",
        span=span_of(text, "x * u", "return x * u"),
        function="gate",
        label="an unknown on both sides of `*`, and no rule collects them",
        known=("the output", "w"),
        missing=("x", "u"),
        hint="make `u` an argument, so that it is known, "
        "or state the inverse with `inv.custom_inverse(gate)`",
        notes=(
            (
                Span(use.file, use.line, use.col, use.line, use.col + 1),
                "`x` reaches the output through `u` as well",
            ),
        ),
    )


def test_an_unknown_on_both_sides(flows_py):
    assert (
        str(gate_error(flows_py))
        == """\
cannot recover `x` from the output of `gate`
  flows.py:14:12
   |
13 |     u = jnp.tanh(w * x)
   |                      - `x` reaches the output through `u` as well
14 |     return x * u
   |            ^^^^^ an unknown on both sides of `*`, and no rule collects them
   |
   known:    the output, w
   missing:  x, u
   hint:     make `u` an argument, so that it is known, or state the inverse with `inv.custom_inverse(gate)`"""
    )


def test_a_dropped_slice(flows_py):
    error = errors.InformationDroppedError(
        "the output of `head` does not determine `x`",
        span=span_of(flows_py, "x[..., :4]", "jnp.exp"),
        label="the only use of `x`: the rest of its last axis is dropped",
        known=("the output, and from it x[..., :4]",),
        missing=("x[..., 4:]",),
        hint="return the rest as well, or take it as a known argument: `def head(x, rest)`",
    )
    assert (
        str(error)
        == """\
the output of `head` does not determine `x`
  flows.py:31:20
   |
30 | def head(x):
31 |     return jnp.exp(x[..., :4])
   |                    ^^^^^^^^^^ the only use of `x`: the rest of its last axis is dropped
   |
   known:    the output, and from it x[..., :4]
   missing:  x[..., 4:]
   hint:     return the rest as well, or take it as a known argument: `def head(x, rest)`"""
    )


def test_lines_apart_are_separated_by_dots(flows_py):
    error = errors.BranchError(
        "no",
        span=span_of(flows_py, "x[..., :4]", "jnp.exp"),
        notes=((span_of(flows_py, "gate", "def gate"), "called here"),),
    )
    assert (
        str(error)
        == """\
no
  flows.py:31:20
   |
12 | def gate(w, x):
   |     ---- called here
...
31 |     return jnp.exp(x[..., :4])
   |                    ^^^^^^^^^^
   |"""
    )


def test_an_expression_of_several_lines_is_marked_line_by_line(flows_py):
    start = span_of(flows_py, "[", "        [")
    error = errors.InversionError(
        "twice",
        span=Span("flows.py", start.line, start.col, start.line + 3, start.col + 1),
        label="here",
    )
    assert str(error).splitlines()[4:] == [
        "36 |         [",
        "   |         ^",
        "37 |             x,",
        "   |             ^^",
        "38 |             x,",
        "   |             ^^",
        "39 |         ]",
        "   |         ^ here",
        "   |",
    ]


def test_columns_count_characters_and_tabs_stay_tabs(flows_py):
    span = span_of(flows_py, "x + x", "µ")
    message = str(errors.InversionError("twice", span=span, label="here")).splitlines()
    assert message[1].endswith(":14")
    assert message[-2] == "   | \t" + " " * 12 + "^^^^^ here"


def test_without_a_span_or_a_file_the_reason_stands():
    assert str(errors.ShapeError("no shape", function="f")) == "no shape\n  in `f`"
    gone = errors.ShapeError("no shape", span=Span("gone.py", 3, 4, 3, 5), hint="pass `example=`")
    assert str(gone) == "no shape\n  gone.py:3:5\n  hint:     pass `example=`"


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_copies_and_pickles_keep_every_fact(flows_py, again):
    error = gate_error(flows_py)
    twin = again(error)
    assert type(twin) is type(error)
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)


def test_inversion_errors_are_value_errors_and_the_rest_are_not():
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, errors.InvcompilerError):
            assert issubclass(cls, ValueError) == issubclass(cls, errors.InversionError)
            assert isinstance(cls(), Exception)
