"""The golden fixture: a difference, a missing file and an unused one fail; `--update-golden` accepts."""

import pytest

pytest_plugins = ["pytester"]

TEST = """
class Generated:
    source = {source!r}

def test_one(golden):
    golden(Generated)

def test_nothing():
    pass
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    """A folder with one golden test, as a function of the source emitted and pytest's arguments."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # the test file changes within a second
    pytester.makefile(".ini", pytest="[pytest]\ntestpaths = .")

    def run(source, *args):
        pytester.makepyfile(test_it=TEST.format(source=source))
        return pytester.runpytest_subprocess(*args)

    return run


def golden_files(pytester):
    return sorted(path.name for path in (pytester.path / "golden").glob("*"))


def test_a_missing_file_fails_until_it_is_written(suite, pytester):
    result = suite("x = 1\n")
    result.stdout.fnmatch_lines(["golden/test_one.py is missing (--update-golden writes it)"])
    assert result.ret == 1
    assert suite("x = 1\n", "--update-golden").ret == 0
    assert (pytester.path / "golden" / "test_one.py").read_text() == "x = 1\n"
    assert suite("x = 1\n").ret == 0


def test_a_difference_is_shown(suite, pytester):
    suite("a = 0\nx = 1\n", "--update-golden")
    result = suite("a = 0\nx = 2\n")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "golden/test_one.py differs from what is emitted now (--update-golden accepts it)",
            " a = 0",
            "-x = 1",
            "+x = 2",
        ],
        consecutive=True,
    )


@pytest.mark.parametrize("processes", [[], ["-n", "2"]])
def test_an_unused_file_fails_a_whole_run_and_an_update_removes_it(suite, pytester, processes):
    suite("x = 1\n", "--update-golden")
    (pytester.path / "golden" / "test_gone.py").write_text("x = 1\n")
    assert suite("x = 1\n", "-k", "nothing", *processes).ret == 0
    assert suite("x = 1\n", "test_it.py", *processes).ret == 0
    result = suite("x = 1\n", *processes)
    result.stdout.fnmatch_lines(["golden/test_gone.py: no test uses it*"])
    assert result.ret == 1
    assert suite("x = 1\n", "--update-golden", *processes).ret == 0
    assert golden_files(pytester) == ["test_one.py"]


def test_the_file_of_a_failing_test_is_not_unused(suite, pytester):
    suite("x = 1\n", "--update-golden")
    result = suite("x = 2\n")
    result.stdout.no_fnmatch_line("*no test uses it*")


def test_parameters_and_names_make_files_of_their_own(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", [1, 2])
        def test_two(golden, n):
            golden(f"x = {n}\\n")
            golden("y = 0\\n", "ildj")

        def test_twice(golden):
            golden("x = 1\\n")
            golden("x = 1\\n")
        """
    )
    result = pytester.runpytest_subprocess("--update-golden")
    assert golden_files(pytester) == [
        "test_twice.py",
        *(f"test_two_{n}{name}.py" for n in (1, 2) for name in ("", "_ildj")),
    ]
    result.stdout.fnmatch_lines(["golden/test_twice.py is compared twice: *"])
    result.assert_outcomes(passed=2, failed=1)


def test_a_function_that_moved_is_no_difference(suite):
    suite("# of f (flows.py:12)\n", "--update-golden")
    assert suite("# of f (flows.py:130)\n").ret == 0
    assert suite("# of g (flows.py:12)\n").ret == 1
