"""Programs that nobody wrote: drawn at random, and right or refused, but never wrong."""
