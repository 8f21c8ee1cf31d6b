"""Known arguments follow the output in their original order, and may be passed by name."""

import inspect

import pytest

from tests.laws.corpus import over
from tests.laws.evidence import assert_same, generated, output

pytestmark = pytest.mark.usefixtures("double_precision")

THEMES = ("arithmetic", "calls", "containers", "flows")


def known_names(program):
    """Return the names of the known positional parameters, or None where one has no name."""
    parameters = list(inspect.signature(program.function).parameters.values())
    names = []
    for position in range(len(program.arguments)):
        parameter = parameters[position]
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            return None
        names.append(parameter.name)
    return [name for i, name in enumerate(names) if i not in program.unknown_positions]


def knowns_have_names(program):
    return program.name.startswith(THEMES) and bool(program.known) and bool(known_names(program))


@over("known by name", knowns_have_names)
def test_knowns_are_taken_by_name(program):
    known = dict(zip(known_names(program), program.known, strict=True))
    recovered = generated(program, "inverse")(output(program), **known, **program.keywords)
    assert_same(recovered, program.unknown, program.tolerance)


@over("known by name", knowns_have_names)
def test_signature_names_the_knowns_in_order(program):
    parameters = list(inspect.signature(generated(program, "inverse")).parameters)
    names = known_names(program)
    assert parameters[1 : 1 + len(names)] == names
