"""Load emitted text as a real module, and lead errors inside it back to the user's line.

The module's name and file name are made from its text, so that they are the same in every run; its loader
serves the text, so that tracebacks, `pdb` and `inspect.getsource` show it, also after `linecache.clearcache()`;
and it stands in `sys.modules`, so that what is defined in it pickles by reference.

>>> text = Text("def double(x):\\n    return 2 * x\\n", "double")
>>> module = load(text)
>>> module.double(4), module.__file__.startswith("/invcompiler/generated/double-")
(8, True)
>>> load(text) is module
True
"""

from __future__ import annotations

import hashlib
import importlib.util
import linecache
import os
import re
import sys
import threading
import types
from importlib.abc import InspectLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

from invcompiler.backend.text import Text
from invcompiler.ir.nodes import Span

_FOLDER = "/invcompiler/generated"
_PACKAGE = "invcompiler_generated"
DUMP = "INVCOMPILER_DUMP_DIR"
"""The environment variable that names a folder to write emitted modules to, for breakpoints in an IDE."""

_lock = threading.Lock()


class _Loader(InspectLoader):
    """Serves the text of one module to whoever asks: `linecache`, `inspect`, `pdb`."""

    def __init__(self, name: str, file: str, text: Text):
        self.name = name
        self.file = file
        self.text = text

    def get_source(self, fullname: str) -> str:
        return self.text.source

    def get_filename(self, fullname: str) -> str:
        return self.file

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text.source, self.file, "exec", dont_inherit=True)

    def is_package(self, fullname: str) -> bool:
        return False


def load(text: Text, stem: str | None = None) -> ModuleType:
    """Return the module of `text`; the same module for the same text and `stem`. Safe to call from threads.

    `stem` begins the module's name; without it that is the name of the main function.
    """
    name, file = _identity(text.source, stem or text.main)
    with _lock:
        module = sys.modules.get(name)
        if module is None:
            module = _execute(_Loader(name, _dumped(file, text.source), text))
    return module


def _identity(source: str, stem: str) -> tuple[str, str]:
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    word = re.sub(r"\W", "_", stem)
    return f"{_PACKAGE}.{word}_{digest}", f"{_FOLDER}/{word}-{digest}.py"


def _dumped(file: str, source: str) -> str:
    """Return the file of the module: a real one where the user wants that."""
    folder = os.environ.get(DUMP)
    if not folder:
        return file
    path = Path(folder).absolute() / Path(file).name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != source:
        partial = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        partial.write_text(source, encoding="utf-8")
        partial.replace(path)
    return str(path)


def _execute(loader: _Loader) -> ModuleType:
    spec = importlib.util.spec_from_loader(loader.name, loader, origin=loader.file)
    assert spec is not None
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    _package()
    sys.modules[loader.name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[loader.name]
        raise
    linecache.lazycache(loader.file, vars(module))
    return module


def _package() -> None:
    """See to it that the parent of emitted modules is there, for who imports them by name."""
    if _PACKAGE not in sys.modules:
        package = types.ModuleType(_PACKAGE, "Modules that invcompiler emitted in this process.")
        package.__path__ = []
        sys.modules[_PACKAGE] = package


# ---- errors in emitted code ---------------------------------------------------------------------


def annotate(error: BaseException, text: Text) -> None:
    """Add to `error`, raised in the module of `text`, a note with the user's line that the statement comes from.

    Does nothing if the error came from elsewhere, or has the note.
    """
    span = _origin(error.__traceback__, text)
    if span is None:
        return
    note = f"from {os.path.basename(span.file)}:{span.line}{_quoted(span)}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _origin(traceback: TracebackType | None, text: Text) -> Span | None:
    """Return the span of the innermost statement of the module on the way to the error."""
    found = None
    while traceback is not None:
        loader = traceback.tb_frame.f_globals.get("__loader__")
        if isinstance(loader, _Loader) and loader.text.source == text.source:
            found = _span_at(text, traceback.tb_lineno) or found
        traceback = traceback.tb_next
    return found


def _span_at(text: Text, line: int) -> Span | None:
    """Return where the statement that covers `line` of the text comes from."""
    before = [(at, span) for at, span in text.lines if at <= line]
    return max(before, key=lambda entry: entry[0])[1] if before else None


def _quoted(span: Span) -> str:
    line = linecache.getline(span.file, span.line).strip()
    return f": {line}" if line else ""
