"""How much work something is, counted, not timed: the same number on every machine, however busy it is."""

import gc
import sys


def work(f, *args):
    """Return how many functions are called, of Python's and of C's, while `f(*args)` runs."""
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    collecting = gc.isenabled()
    gc.disable()
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        f(*args)
    finally:
        sys.setprofile(before)
        if collecting:
            gc.enable()
    return count
