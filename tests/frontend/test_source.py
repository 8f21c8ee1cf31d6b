"""The text that is read is the text that runs, however the function was made."""

import functools
import importlib
import linecache
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from invcompiler.errors import SourceUnavailableError
from invcompiler.frontend import is_current, mapped, read
from invcompiler.ir.evaluate import evaluate
from invcompiler.ir.nodes import Apply, Ref
from invcompiler.ir.text import show

X = jnp.array([1.0, 2.0, 3.0])

double, triple = lambda x: 2 * x, lambda x: 3 * x
same, again = (lambda x: x + 1, lambda x: x + 1)
picked = {
    "a": lambda x: x - 1, "b": lambda x, y=2.0: (
        x - y
    ),
}  # fmt: skip


class Affine:
    bias = 0.5

    def __init__(self, scale, act=jnp.tanh):
        self.scale = scale
        self.act = act
        self.__hidden = 4.0
        self.inner = None

    def forward(self, x):
        return self.act(x) * self.scale + self.bias + self.__hidden

    def __call__(self, x, shift=1.0):
        y = self.forward(x) if self.inner is None else self.inner(x)
        return y + shift

    @classmethod
    def named(cls, x):
        return x + cls.bias

    @staticmethod
    def plain(x):
        return x * 2

    def outer(self, x):
        def inner(y):
            return y * self.__hidden

        return inner(x)


class Child(Affine):
    def forward(self, x):
        return super().forward(x) + 1


def scaled(fn, k):
    @functools.wraps(fn)
    def wrapper(*args):
        return k * fn(*args)

    return wrapper


def plain(x, a=1.0, *, b=2.0):
    return x * a + b


@scaled(k=3.0) if False else functools.partial(scaled, k=3.0)
def decorated(x):
    return x + 1


@jax.jit
@jax.checkpoint
def jitted(x):
    return jnp.sin(x) + 1


@functools.partial(jax.jit, static_argnames="n")
def jitted_static(x, n=2):
    return x * n


@jax.custom_jvp
def custom(x):
    return x * x


custom.defjvp(lambda primals, tangents: (custom(*primals), 2 * primals[0] * tangents[0]))


@functools.lru_cache
def cached(n):
    return n + 1


CALLABLES = {
    "double": double,
    "triple": triple,
    "same": same,
    "again": again,
    "in a display": picked["a"],
    "over lines": picked["b"],
    "method": Affine(2.0).forward,
    "object": Affine(X),
    "class method": Affine.named,
    "static method": Affine.plain,
    "private": Affine(1.0).outer,
    "wrapper": decorated,
    "jit of checkpoint": jitted,
    "static jit": jitted_static,
    "custom_jvp": custom,
    "partial": functools.partial(plain, b=X),
    "nested partial": functools.partial(jax.jit(functools.partial(plain, b=5.0)), a=X),
    "named_call": jax.named_call(plain),
    "jit of lambda": jax.jit(lambda x: x / 2),
    "conditional lambda": (lambda x: x if X is None else -x),
    "partial of method": functools.partial(Affine(3.0).__call__, shift=0.0),
}


@pytest.mark.parametrize("name", CALLABLES)
def test_every_kind_of_callable(name):
    function = CALLABLES[name]
    program = read(function)
    np.testing.assert_array_equal(evaluate(program, (X,)), function(X))
    assert is_current(program)


def test_lambda_on_one_line_has_its_own_span():
    assert read(same).span.col < read(again).span.col


def test_wrapper_is_read_rather_than_what_it_wraps():
    assert "wrapper" in show(read(decorated)) or "fn" in show(read(decorated))


def test_super_is_called_for_what_it_is():
    child = Child(2.0)
    np.testing.assert_allclose(evaluate(read(child.forward), (X,)), child.forward(X))


def test_vmap_is_one_call_and_can_be_taken_apart():
    function = jax.vmap(plain, in_axes=(0, None), out_axes=1)
    program = read(function)
    (equation,) = program.body.equations
    assert isinstance(equation, Apply)
    assert isinstance(equation.fn, Ref)
    assert equation.fn.value is function
    found = mapped(jax.jit(function))
    assert (found.fun, found.in_axes, found.out_axes, found.options) == (plain, (0, None), 1, ())
    assert mapped(jax.vmap(plain, axis_name="i", axis_size=3)).options == (
        ("axis_size", 3),
        ("axis_name", "i"),
    )
    assert mapped(plain) is None


@pytest.mark.parametrize("function", [len, jnp.add.__class__, jax.grad(plain), 3, np.sin])
def test_what_is_not_python_has_no_source(function):
    with pytest.raises(SourceUnavailableError):
        read(function)


def test_text_known_to_linecache_alone():
    text = "def cell(x):\n    y = x + 1\n    return y * 2\n"
    name = "<ipython-input-1-abcdef>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    namespace: dict = {}
    exec(compile(text, name, "exec"), namespace)
    assert float(evaluate(read(namespace["cell"]), (1.0,))) == 4.0


def test_no_text():
    namespace: dict = {}
    exec("def ghost(x):\n    return x\n", namespace)
    with pytest.raises(SourceUnavailableError, match="ghost"):
        read(namespace["ghost"])


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module, import it, and return a function that rewrites its file."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text: str):
        (tmp_path / "edited_module.py").write_text(textwrap.dedent(text))
        return tmp_path / "edited_module.py"

    write(
        """
        def f(x):
            return x + 1

        def g(x):
            return x + 2
        """
    )
    yield importlib.import_module("edited_module"), write
    sys.modules.pop("edited_module", None)


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    return x + 7\n",
        "\n\ndef f(x):\n    return x - 1\n",
        "\n\n\n\ndef f(x):\n    return x + 1\n",
        "\ndef f(y):\n    return y + 1\n",
        "\ndef f(x):\n    return x + 1.0\n",
        "\ndef f(x:\n",
        "",
    ],
)
def test_file_edited_after_import(module, text):
    loaded, write = module
    linecache.checkcache()
    write(text)
    linecache.clearcache()
    with pytest.raises(SourceUnavailableError, match="f"):
        read(loaded.f)


def test_file_edited_elsewhere_is_still_the_truth(module):
    loaded, write = module
    write("# a comment\ndef f(x):\n    return x + 1  # and another\n")
    linecache.clearcache()
    assert float(evaluate(read(loaded.f), (1.0,))) == 2.0


# ---- staleness -----------------------------------------------------------------------------------

SCALE = 2.0
WEIGHT = X
MODE = "a"
MAYBE = None
ACTS = [jnp.sin]


def helper(x):
    return x


def resting(x):
    y = helper(x) * SCALE + WEIGHT
    if MODE == "a" and MAYBE is None:
        y = y + 1
    for act in ACTS:
        y = act(y)
    return jnp.exp(y)


@pytest.mark.parametrize(
    ("name", "value", "current"),
    [
        ("SCALE", 3.0, True),
        ("WEIGHT", 2 * X, True),
        ("WEIGHT", np.ones(3), True),
        ("WEIGHT", None, False),
        ("MODE", "b", False),
        ("MAYBE", 1.0, False),
        ("ACTS", [jnp.sin, jnp.cos], False),
        ("helper", lambda x: x, False),
        ("unrelated", 1, True),
    ],
)
def test_is_current_sees_what_the_reading_rests_on(monkeypatch, name, value, current):
    program = read(resting)
    assert is_current(program)
    monkeypatch.setitem(globals(), name, value)
    assert is_current(program) is current
    if current:
        np.testing.assert_array_equal(evaluate(program, (X,)), resting(X))


def test_a_list_that_grew_is_seen(monkeypatch):
    monkeypatch.setitem(globals(), "ACTS", [jnp.sin])
    program = read(resting)
    ACTS.append(jnp.cos)
    assert not is_current(program)


def test_attributes_are_read_anew():
    layer = Affine(2.0)
    program = read(layer.forward)
    layer.scale = 5.0
    assert is_current(program)
    np.testing.assert_array_equal(evaluate(program, (X,)), layer.forward(X))
    layer.act = jnp.sin
    assert not is_current(program)


def test_code_replaced_in_place_is_seen():
    def f(x):
        return x

    def g(x):
        return -x

    program = read(f)
    f.__code__ = g.__code__
    assert not is_current(program)
    assert float(evaluate(read(f), (1.0,))) == -1.0


def test_one_object_under_two_names_is_one_capture(monkeypatch):
    program = read(lambda x: x * X + WEIGHT)
    assert len(program.captures) == 1
    monkeypatch.setitem(globals(), "WEIGHT", 2 * X)
    assert not is_current(program)
