"""The `golden` fixture: what is emitted is compared with a file that a person has read.

    def test_coupling(golden):
        golden(inv.inverse(coupling))           # golden/test_coupling.py
        golden(inv.ildj(coupling), "ildj")      # golden/test_coupling_ildj.py

`pytest --update-golden` writes the files. A missing file fails, and so does, in a run of the whole suite,
a file that no test compares with. Tests may run in several processes (pytest-xdist).
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("invcompiler").addoption(
        "--update-golden",
        action="store_true",
        help="write what is emitted now to golden/, and remove golden files that no test uses",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(GoldenFiles(config), GoldenFiles.__name__)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare the text of something generated with a file in `golden/`."""
    files = request.config.pluginmanager.get_plugin(GoldenFiles.__name__)
    assert isinstance(files, GoldenFiles)
    files.forget(request.node.nodeid)  # a test that is run again compares again
    return Golden(files, request.node)


class Golden:
    """`golden(obj, name="")` fails unless `obj.source` is the text of `golden/<test>[_<name>].py`."""

    def __init__(self, files: GoldenFiles, test: pytest.Item) -> None:
        self._files = files
        self._test = test

    def __call__(self, obj: Any, name: str = "") -> Path:
        __tracebackhide__ = True
        source = obj if isinstance(obj, str) else obj.source
        stem = "_".join(filter(None, [_stem(self._test), name]))
        path = self._files.folder / f"{stem}.py"
        shown = f"{FOLDER}/{path.name}"
        if not self._files.claim(stem, self._test.nodeid):
            pytest.fail(f"{shown} is compared twice: give one of the two a name", pytrace=False)
        if self._files.update:
            _write(path, source)
        elif not path.exists():
            pytest.fail(f"{shown} is missing (--update-golden writes it)", pytrace=False)
        elif difference := _difference(path.read_text(encoding="utf-8"), source):
            head = f"{shown} differs from what is emitted now (--update-golden accepts it)"
            pytest.fail("\n".join([head, *difference]), pytrace=False)
        return path


class GoldenFiles:
    """Which golden files there are, which of them this run compares with, and so which are unused."""

    def __init__(self, config: pytest.Config) -> None:
        self.folder = config.rootpath / FOLDER
        self.update: bool = config.getoption("--update-golden")
        self._config = config
        self._claims: dict[str, str] = {}  # stem of a file -> id of the test that compares with it
        self._tests: dict[str, str] = {}  # id of a test that uses the fixture -> stem of its file
        self._passed: set[str] = set()
        self._deselected = False
        self._unused: list[Path] = []

    def claim(self, stem: str, test: str) -> bool:
        if stem in self._claims:
            return False
        self._claims[stem] = test
        return True

    def forget(self, test: str) -> None:
        self._claims = {stem: owner for stem, owner in self._claims.items() if owner != test}

    # What follows is called by pytest, in each process; workers of xdist hand theirs to the controller.

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._tests |= {item.nodeid: _stem(item) for item in session.items if _is_golden(item)}

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._deselected = self._deselected or any(map(_is_golden, items))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        claims, tests, deselected = getattr(node, "workeroutput", {}).get("golden", ({}, {}, True))
        self._claims |= claims
        self._tests |= tests
        self._deselected = self._deselected or deselected

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["golden"] = (self._claims, self._tests, self._deselected)
        elif self._was_whole(session, exitstatus):
            self._unused = [path for path in sorted(self.folder.glob("*.py")) if self._idle(path)]
            if self._unused and not self.update:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            for path in self._unused if self.update else ():
                path.unlink()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for path in self._unused:
            what = "removed" if self.update else "no test uses it (--update-golden removes it)"
            terminalreporter.write_line(f"{FOLDER}/{path.name}: {what}", red=not self.update)

    def _was_whole(self, session: pytest.Session, exitstatus: int) -> bool:
        """Whether everything was run that there is: only then does 'unused' mean anything."""
        finished = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        source = self._config.args_source
        everything = source is pytest.Config.ArgsSource.TESTPATHS or (
            self._config.invocation_params.dir == self._config.rootpath
            and source is pytest.Config.ArgsSource.INVOCATION_DIR
        )
        stopped = session.shouldstop or session.shouldfail
        return finished and everything and not stopped and not self._deselected

    def _idle(self, path: Path) -> bool:
        """No test compared with the file, and none could have that did not get so far."""
        unsure = [stem for test, stem in self._tests.items() if test not in self._passed]
        return path.stem not in self._claims and not any(
            path.stem == stem or path.stem.startswith(stem + "_") for stem in unsure
        )


def _is_golden(test: pytest.Item) -> bool:
    return "golden" in getattr(test, "fixturenames", ())


def _stem(test: pytest.Item) -> str:
    """`test_coupling[affine-3]` as a module name: `test_coupling_affine_3`."""
    return re.sub(r"\W+", "_", test.name).strip("_")


def _write(path: Path, source: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(source, encoding="utf-8")


def _difference(stored: str, emitted: str) -> list[str]:
    lines = difflib.unified_diff(_placeless(stored), _placeless(emitted), n=3, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _placeless(text: str) -> list[str]:
    """The lines of a text without the line numbers of the user's functions: an edit above one is no difference."""
    return re.sub(r"(?<=\.py:)\d+(?=\))", "...", text).splitlines()
