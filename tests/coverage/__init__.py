"""Which functions have a rule, and which transforms of other libraries are inverted from plain forward code."""

import importlib

import jax

THEMES = ["elementwise", "shapes", "matrices", "simplices"]

with jax.enable_x64(True):
    for theme in THEMES:
        importlib.import_module(f"{__name__}.{theme}")
