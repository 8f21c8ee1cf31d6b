def broadcast_row_jvp(primals, tangents):
    """Value and tangent of `broadcast_row` (readable.py:69) with respect to m and row."""
    m_dot, row_dot = tangents
    m, row = primals
    m_dot = m_dot * row + row_dot * m - row_dot
    m = m * row - row
    return m, m_dot
