"""The command line: what it prints, what it writes, and the status it exits with."""

import os
import subprocess
import sys

import pytest

from invcompiler import cli

FLOWS = """
import jax.numpy as jnp
import invcompiler as inv


def affine(x, scale, shift):
    return jnp.exp(x * scale + shift)


def coupling(params, x):
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a, b * jnp.exp(params * a)], axis=-1)


def lossy(x):
    return x[:2]


def square(x):
    return x**2


@inv.invertible(argnums=1)
def decorated(w, x):
    return w * x


class Layer:
    @staticmethod
    def forward(x):
        return x + 1.0
"""


@pytest.fixture(autouse=True)
def flows(tmp_path, monkeypatch):
    """A working directory with a module in it, whose name no other test uses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = "flows_" + tmp_path.name
    (tmp_path / f"{name}.py").write_text(FLOWS)
    yield name
    sys.modules.pop(name, None)


def test_show_prints_the_emitted_source(flows, capsys):
    assert cli.main(["show", f"{flows}:affine"]) == 0
    printed = capsys.readouterr().out
    compile(printed, "printed", "exec")
    assert "def affine_inverse(y, scale, shift" in printed
    assert "\x1b" not in printed


def test_show_takes_a_kind_argnums_and_a_file(flows, capsys):
    arguments = ["show", f"{flows}.py:coupling", "--argnums", "1", "--kind", "inverse_and_ildj"]
    assert cli.main(arguments) == 0
    assert "def coupling_inverse_and_ildj(y, params" in capsys.readouterr().out


def test_show_takes_a_domain_and_a_dotted_name(flows, capsys):
    assert cli.main(["show", f"{flows}:square", "--domain", "positive"]) == 0
    assert "sqrt" in capsys.readouterr().out
    assert cli.main(["show", f"{flows}:Layer.forward"]) == 0


def test_a_refusal_is_printed_and_exits_with_1(flows, capsys):
    assert cli.main(["show", f"{flows}:lossy"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "return x[:2]" in printed.err
    assert "^" in printed.err


def test_explain_names_lines_of_the_source(flows, capsys):
    assert cli.main(["explain", f"{flows}:coupling", "--argnums", "1"]) == 0
    assert "jnp.split(x, 2, axis=-1)" in capsys.readouterr().out


def test_emit_writes_a_module_and_check_tells_when_it_is_out_of_date(flows, tmp_path, capsys):
    arguments = ["emit", f"{flows}:affine", "-o", "out.py", "--kinds", "inverse,ildj"]
    assert cli.main([*arguments, "--check"]) == 1
    assert "out.py is missing" in capsys.readouterr().err
    assert cli.main(arguments) == 0
    assert cli.main([*arguments, "--check"]) == 0
    text = (tmp_path / "out.py").read_text()
    compile(text, "out.py", "exec")
    (tmp_path / "out.py").write_text(text + "# edited\n")
    assert cli.main([*arguments, "--check"]) == 1
    assert "out.py is out of date" in capsys.readouterr().err


def test_emit_writes_derivatives_too(flows, tmp_path):
    assert cli.main(["emit", f"{flows}:affine", "-o", "out.py"]) == 0
    text = (tmp_path / "out.py").read_text()
    for name in ("affine_inverse", "affine_inverse_and_ildj", "affine_fwd", "affine_bwd"):
        assert f"def {name}(" in text


def test_emit_says_what_cannot_be_written(flows, capsys):
    assert cli.main(["emit", f"{flows}:affine", "-o", "missing/out.py"]) == 1
    assert "No such file" in capsys.readouterr().err


def test_what_a_decorator_states_holds(flows, capsys):
    assert cli.main(["show", f"{flows}:decorated"]) == 0
    assert "with respect to x" in capsys.readouterr().out
    assert cli.main(["explain", f"{flows}:decorated"]) == 0
    assert "recover x" in capsys.readouterr().out
    assert cli.main(["check", f"{flows}:decorated", "--example", "2.0, jnp.ones(2)"]) == 0


def test_check_prints_a_table(flows, capsys):
    assert cli.main(["check", f"{flows}:affine", "--example", "jnp.ones(3), 2.0, 0.5"]) == 0
    assert [line.split()[-3] for line in capsys.readouterr().out.splitlines()] == ["ok"] * 4


def test_check_fails_where_a_law_is_broken(flows, capsys):
    arguments = [
        "check",
        f"{flows}:square",
        "--domain",
        "positive",
        "--example",
        "jnp.array([-1.0])",
    ]
    assert cli.main(arguments) == 1
    assert "round trip" in capsys.readouterr().out.splitlines()[0]
    assert cli.main(["check", f"{flows}:square", "--example", "jnp.ones(2)"]) == 1
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "required"),
        (["show", "flows"], "write module:function"),
        (["show", "no_such_module:f"], "no_such_module: no such module"),
        (["show", "no_such.py:f"], "no such file"),
        (["show", "math:no_such"], "no_such"),
        (["show", "math:pi"], "no function"),
        (["show", "math:sin", "--kind", "nothing"], "invalid choice"),
        (["show", "math:sin", "--argnums", "x"], "invalid"),
        (["check", "math:sin", "--example", "1 +"], "--example"),
    ],
)
def test_misuse_exits_with_2_and_says_so(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main(arguments)
    assert exit.value.code == 2
    assert message in capsys.readouterr().err


def test_colours_are_for_terminals_without_no_color(monkeypatch):
    pytest.importorskip("pygments")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" in cli._coloured("def f(): pass\n")
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli._coloured("def f(): pass\n") == "def f(): pass\n"


def test_python_dash_m_is_the_same_command(flows):
    command = [sys.executable, "-m", "invcompiler", "show", f"{flows}:affine"]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert "def affine_inverse" in result.stdout, result.stderr
