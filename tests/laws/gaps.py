"""Programs for which a law is known not to hold yet, with the reason: each fails when it closes."""

EVERY_LAW = "every law"

PIECES = "of pieces, only the shapes of leaky relu and elu are recognised"
REPEATS = "there is no rule for a function that adds or repeats elements"

# program: {law, or EVERY_LAW: reason}
GAPS: dict[str, dict[str, str]] = {
    "branches.leaky_by_where_other_way": {EVERY_LAW: PIECES},
    "dtypes.rotated_words": {EVERY_LAW: "bits that are shifted apart are not put together again"},
    "flows.householder": {EVERY_LAW: "the identity plus a matrix of low rank is not collected"},
    "flows.two_piece_spline": {EVERY_LAW: PIECES},
    "structural.broadcast_rows": {EVERY_LAW: REPEATS},
    "structural.pad": {EVERY_LAW: REPEATS},
}

# Laws of the corpus itself, and of what has no log-det: they hold whether a program is inverted or not.
NOT_OF_INVERSES = {"corpus", "no ildj"}


def reason(program, law):
    """Return why `law` is not expected to hold of `program`, or None."""
    gaps = GAPS.get(program.name, {})
    whole = None if law in NOT_OF_INVERSES else gaps.get(EVERY_LAW)
    return gaps.get(law, whole)
