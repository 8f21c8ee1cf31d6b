"""The corpus: ordinary functions, as users write them, over which the laws are tried.

A module a theme; `registry.PROGRAMS` holds every function with arguments well inside its domain.
"""
