"""Programs for which a law is known not to hold yet, with the reason: each fails when it closes."""

import pytest

EVERY_LAW = "every law"

# program: {law, or EVERY_LAW: reason}
GAPS: dict[str, dict[str, str]] = {}

ALONE = "the text without shapes is that of real floats, or binds what only the callable knows"
BATCH = "refused to be safe: the step is not seen to keep examples apart"

# Gaps that are closed in part: of these programs a law may hold or not, as work on them goes on.
UNSETTLED: dict[str, dict[str, str]] = {
    "calls.calls_a_method": {"standalone": ALONE},
    "calls.partial_of_array": {"standalone": ALONE},
    "calls.partial_of_library_function": {"standalone": ALONE},
    "closures.cell_of_functions": {"standalone": ALONE},
    "containers.jitted_sees_a_sorted_dict": {"standalone": ALONE},
    "domains.assumed_interval": {"standalone": ALONE},
    "dtypes.brain_precision": {"standalone": ALONE},
    "dtypes.conjugate": {"standalone": ALONE},
    "dtypes.half_precision": {"standalone": ALONE},
    "dtypes.odd_multiplier": {"standalone": ALONE},
    "dtypes.widened": {"standalone": ALONE},
    "flows.ordered": {"standalone": ALONE},
    "flows.plu_linear": {"batch_ndims": BATCH},
    "linear.dot_of_a_stack": {"standalone": ALONE},
    "loops.lax_map": {"batch_ndims": BATCH},
    "numeric.perturbed_exponential": {"standalone": ALONE},
    "partial_knowledge.overlapping_slices": {EVERY_LAW: "its shape does not follow from overlaps"},
    "branches.where_on_a_mask_of_rows": {"standalone": ALONE},
    "structural.unpacked_rows": {"standalone": ALONE},
}

# Laws of the corpus itself, and of what has no log-det: they hold whether a program is inverted or not.
NOT_OF_INVERSES = {"corpus", "no ildj"}


def marks(program, law):
    """Return the marks of a test of `law` on `program`: gaps must fail, unsettled ones may."""
    if why := reason(program, law, GAPS):
        return [pytest.mark.xfail(strict=True, reason=why)]
    if why := reason(program, law, UNSETTLED):
        return [pytest.mark.xfail(strict=False, reason=why)]
    return []


def is_gap(program, law):
    return bool(marks(program, law))


def reason(program, law, table):
    """Return why `law` is not expected to hold of `program`, or None."""
    gaps = table.get(program.name, {})
    whole = None if law in NOT_OF_INVERSES else gaps.get(EVERY_LAW)
    return gaps.get(law, whole)
