"""Rules made wrong on purpose: the laws must notice."""
