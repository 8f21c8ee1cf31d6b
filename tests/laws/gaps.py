"""Programs for which a law is known not to hold yet, with the reason: each fails when it closes."""

EVERY_LAW = "every law"

# program: {law, or EVERY_LAW: reason}
GAPS: dict[str, dict[str, str]] = {}


def reason(program, law):
    """Return why `law` is not expected to hold of `program`, or None."""
    gaps = GAPS.get(program.name, {})
    return gaps.get(law, gaps.get(EVERY_LAW))
