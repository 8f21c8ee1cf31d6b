def broadcast_row_jvp(primals, tangents):
    """Value and tangent of `broadcast_row` (readable.py:69) with respect to m and row."""
    m_dot, row_dot = tangents
    m, row = primals
    y_dot = m_dot * row + row_dot * m - row_dot
    y = m * row - row
    return y, y_dot
