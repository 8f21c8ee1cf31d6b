"""Each refusal comes when the inverse is made, of its class, with the caret on the marked line."""

import os
import re
from pathlib import Path

import pytest

import invcompiler as inv
import tests.refused  # noqa: F401  (fills the registry)
from tests.refused.registry import REFUSED

pytestmark = pytest.mark.usefixtures("double_precision")

MESSAGES = Path(__file__).parent / "messages"
ROOT = Path(__file__).parents[2]


def refusal(program):
    """Return the error that the program is refused with."""
    make = getattr(inv, program.kind)
    with pytest.raises(program.error) as caught:
        generated = make(program.function, program.argnums, **program.options)
        if program.call is not None:
            generated(*program.call)
    return caught.value


def over_refusals(where=lambda program: True):
    chosen = [pytest.param(p, id=p.name) for p in REFUSED if where(p)]
    return pytest.mark.parametrize("program", chosen)


def without_sources(message):
    """Drop the user's own lines from a message: what is left is what we say."""
    return "\n".join(line for line in message.splitlines() if not re.match(r"\s*\d+ \|", line))


def rendered(error):
    """Return class and message, with paths from the root of the project."""
    message = str(error).replace(f"{ROOT}{os.sep}", "")
    return f"{type(error).__name__}: {message}\n"


def test_there_are_many():
    assert len(REFUSED) >= 50
    assert len({program.name for program in REFUSED}) == len(REFUSED)


@over_refusals()
def test_refused_with_its_class(program):
    refusal(program)


@over_refusals(lambda program: program.at is not None)
def test_caret_stands_on_the_marked_line(program):
    error = refusal(program)
    line, text = program.mark()
    assert error.span is not None, str(error)
    assert error.span.line == line, str(error)
    assert text in without_sources(str(error))


@over_refusals()
def test_message_says_why_and_what_would_help(program):
    error = refusal(program)
    assert error.reason
    assert error.hint


@over_refusals()
def test_message_is_the_stored_one(program, request):
    message = rendered(refusal(program))
    path = MESSAGES / f"{program.name}.txt"
    if request.config.getoption("--update-golden"):
        MESSAGES.mkdir(exist_ok=True)
        path.write_text(message)
    assert path.exists(), "the message is not stored (--update-golden writes it)"
    assert message == path.read_text()


def test_every_stored_message_is_of_a_program():
    stored = {path.stem for path in MESSAGES.glob("*.txt")}
    assert stored <= {program.name for program in REFUSED}
