"""Emitted modules are real modules: tracebacks, `inspect`, `pdb`, pickling, threads, files on demand."""

import inspect
import linecache
import pickle
import threading
import traceback
from pathlib import Path

import pytest

from invcompiler.backend.load import DUMP, annotate, load
from invcompiler.backend.text import Text
from invcompiler.ir.nodes import Span

SOURCE = "def reciprocal(x):\n    y = x - 1\n    return 1 / (y * y)\n"
TEXT = Text(SOURCE, "reciprocal", lines=((3, Span(__file__, 1, 0, 1, 3)),))


def failure():
    with pytest.raises(ZeroDivisionError) as caught:
        load(TEXT).reciprocal(1)
    return caught.value


def test_traceback_shows_the_emitted_line_with_a_caret():
    linecache.clearcache()
    shown = "".join(traceback.format_exception(failure()))
    assert "/invcompiler/generated/reciprocal-" in shown
    assert "    return 1 / (y * y)\n" in shown
    assert "~~^~~" in shown


def test_error_notes_the_line_of_the_user():
    error = failure()
    annotate(error, TEXT)
    annotate(error, TEXT)
    (note,) = error.__notes__
    assert note.startswith('from test_load.py:1: """Emitted modules')


def test_error_from_elsewhere_has_no_note():
    error = ValueError()
    annotate(error, TEXT)
    assert not hasattr(error, "__notes__")


def test_source_is_found_after_the_line_cache_is_cleared():
    function = load(TEXT).reciprocal
    linecache.clearcache()
    assert inspect.getsource(function) == SOURCE


def test_functions_pickle_by_reference():
    function = load(TEXT).reciprocal
    assert pickle.loads(pickle.dumps(function)) is function


def test_same_text_is_the_same_module():
    assert load(TEXT) is load(TEXT)
    assert load(TEXT) is not load(Text(SOURCE + "\n", "reciprocal"))


def test_threads_get_one_module():
    text = Text("import time\n\ntime.sleep(0.05)\nVALUE = object()\n", "slow")
    found = []
    threads = [threading.Thread(target=lambda: found.append(load(text).VALUE)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_files_are_written_where_the_user_asks(tmp_path, monkeypatch):
    monkeypatch.setenv(DUMP, str(tmp_path))
    text = Text("def one():\n    return 1  # dumped\n", "one")
    (path,) = [load(text).one.__code__.co_filename]
    assert path.startswith(str(tmp_path))
    assert Path(path).read_text(encoding="utf-8") == text.source
