"""The corpus: ordinary functions, as users write them, over which the laws are tried.

A module a theme; `registry.PROGRAMS` holds every function with arguments well inside its domain. The
arrays in it are of double precision, whoever imports it first.
"""

import importlib

import jax

THEMES = [
    "arithmetic",
    "branches",
    "calls",
    "closures",
    "conditioners",
    "containers",
    "coupling",
    "custom",
    "domains",
    "dtypes",
    "elementwise",
    "flows",
    "linear",
    "loops",
    "matrices",
    "numeric",
    "overwriting",
    "partial_knowledge",
    "pieces",
    "recurrences",
    "simplices",
    "splines",
    "structural",
    "traced",
]

with jax.enable_x64(True):
    for theme in THEMES:
        importlib.import_module(f"{__name__}.{theme}")
