"""Spelling must not matter: rewritings of a program give the same values and the same emitted code."""
