"""The spellings of each function that the tables speak of; importing this package enters them."""

from invcompiler.rules.spellings import elementwise, linear, parts, reductions, sequences, shapes

__all__ = ["elementwise", "linear", "parts", "reductions", "sequences", "shapes"]
