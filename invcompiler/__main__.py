"""`python -m invcompiler` is the command `invcompiler`."""

from invcompiler.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
