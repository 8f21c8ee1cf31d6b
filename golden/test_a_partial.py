def affine_inverse(y, *, scale=None, shift=1.0, scale_1):
    """Inverse of `affine` (test_golden.py:68) with respect to x."""
    if scale is None:
        scale = scale_1
    return (y - shift) / scale
