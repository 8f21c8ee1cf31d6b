def reflect_inverse_and_ildj(y, v):
    """Inverse of `reflect` (test_golden.py:438) with respect to x, and its log-det-Jacobian.

    Holds for `v` that is a vector.
    """
    v = v * (2 * (v @ y) / (v @ v))
    return y - v, 0.0
