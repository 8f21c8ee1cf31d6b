"""Laws that hold for every program of the corpus: one law a file."""
