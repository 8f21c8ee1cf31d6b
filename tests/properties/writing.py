"""Draw the source text of a random program that is invertible, or nearly.

A program takes a vector apart into parts, changes them one after the other, and returns all of them.
As long as every step can be undone given the parts that it leaves alone, the program is invertible.
"""

import dataclasses
import enum

from hypothesis import strategies as st

HEADER = """\
import jax
import jax.numpy as jnp
from jax import lax

W = [jnp.array(0.5), jnp.array(-1.0), jnp.array(0.25)]
STACKED = jnp.array([0.5, -1.0, 0.25])
FLAG = True
"""

NAMES = ["a", "b", "u", "v", "z", "h", "y", "out", "left", "x1", "ildj", "t", "s", "res", "log_det"]


class Range(enum.Enum):
    """Where all elements of a part are known to lie."""

    REAL = enum.auto()
    POSITIVE = enum.auto()
    UNIT = enum.auto()


@dataclasses.dataclass(frozen=True)
class Part:
    """An expression for a piece of the state, and how many elements it has."""

    text: str
    size: int
    range: Range = Range.REAL


REAL_STEPS = [
    ("jnp.tanh({0})", Range.REAL),
    ("jnp.arcsinh({0})", Range.REAL),
    ("jnp.sinh(0.5 * {0})", Range.REAL),
    ("jnp.arctan({0})", Range.REAL),
    ("jax.nn.leaky_relu({0}, 0.3)", Range.REAL),
    ("jnp.expm1(0.5 * {0})", Range.REAL),
    ("2.0 * {0} - 1.0", Range.REAL),
    ("(1.0 - {0}) / 1.5", Range.REAL),
    ("-{0}", Range.REAL),
    ("{0} + {0}", Range.REAL),
    ("3 * {0} - {0}", Range.REAL),
    ("jnp.exp(0.3 * {0})", Range.POSITIVE),
    ("jax.nn.softplus({0})", Range.POSITIVE),
    ("jnp.log(1 + jnp.exp({0}))", Range.REAL),
    ("jax.nn.sigmoid({0})", Range.UNIT),
    ("1 / (1 + jnp.exp(-{0}))", Range.UNIT),
]
POSITIVE_STEPS = [
    ("jnp.log({0})", Range.REAL),
    ("jnp.sqrt({0})", Range.POSITIVE),
    ("{0} ** 2", Range.POSITIVE),
    ("{0} * {0}", Range.POSITIVE),
    ("1 / {0}", Range.POSITIVE),
    ("{0} + 1.0", Range.POSITIVE),
    ("jnp.log1p({0})", Range.POSITIVE),
    ("jnp.abs({0})", Range.POSITIVE),
]
UNIT_STEPS = [
    ("jax.scipy.special.logit({0})", Range.REAL),
    ("jnp.log({0}) - jnp.log1p(-{0})", Range.REAL),
    ("1 - {0}", Range.UNIT),
    ("-jnp.log({0})", Range.POSITIVE),
]
STEPS = {
    Range.REAL: REAL_STEPS,
    Range.POSITIVE: REAL_STEPS + 2 * POSITIVE_STEPS,
    Range.UNIT: REAL_STEPS + POSITIVE_STEPS + 3 * UNIT_STEPS,
}
LOOP_STEPS = ["jnp.arcsinh({0}) + {1}", "2 * {0} - {1}", "jnp.tanh({0}) * 1.5 + {1}"]
SCALARS_OF = ["jnp.sin({0}).sum()", "jnp.tanh({0}).mean()", "jnp.max({0})", "jnp.sort({0})[0]"]
VECTORS_OF = ["jnp.cos({0})", "0.5 * {0}", "jnp.tanh({0}) ** 2"]
COUPLINGS = ["{0} + {1}", "{0} - {1}", "{0} * jnp.exp(0.3 * {1})", "({0} + {1}) / 1.5"]

# Steps that cannot be undone, or only on part of the line, or that only a computer could solve for.
SPOILED = [
    "jnp.abs({0})",
    "{0} ** 2",
    "{0} * {0}",
    "jnp.sin({0})",
    "jnp.cosh({0})",
    "jax.nn.relu({0})",
    "jnp.sort({0})",
    "jnp.round({0})",
    "{0} * 0",
    "{0} * jnp.arange({n}.0)",
    "{0} - {0}.mean()",
    "{0} - {0}",
    "{0} + {0}[::-1]",
    "{0} * jnp.exp({0})",
    "{0} + jnp.tanh({0})",
    "jnp.maximum({0}, 0.1)",
    "jnp.clip({0}, -0.5, 0.5)",
    "{0}.astype(int)",
    "jnp.where({0} > 0, 2 * {0}, 0.5 * {0})",
    "jnp.where({0} > 0, {0}, -{0})",
    "jnp.where({0} > 0, {0}, {0} + 1)",
    "jnp.where({0} > 0, {0}, 0.0)",
    "jnp.cumsum({0})[::-1] * 0.0",
    "jnp.ones(({n}, {n})) @ {0}",
    "{0}.at[0].set(1.0)",
    "{0}[jnp.array([0] * {n})]",
    "jax.nn.softmax({0})",
    "jnp.concatenate([{0}[:1], {0}[:-1]])",
    "lax.fori_loop(0, 2, lambda i, v: v**2, {0})",
    "lax.cond({0}[0] > 0, lambda v: v, lambda v: -v, {0})",
]


class Writer:
    """The text so far, and the parts that the state is made of."""

    def __init__(self, draw, size):
        self.draw = draw
        self.parts = [Part("x", size)]
        self.body = []
        self.helpers = []
        self.fresh = 0

    def choose(self, options):
        return self.draw(st.sampled_from(options))

    def chance(self, one_in):
        return self.draw(st.integers(1, one_in)) == 1

    # ---- names

    def name(self, instead_of=None):
        """Return a name for a new value: that of the part which it replaces, a nice one, or a fresh one."""
        in_use = " ".join(part.text for part in self.parts)
        if instead_of and instead_of.text.isidentifier() and self.chance(2):
            return instead_of.text
        free = [name for name in NAMES if name not in in_use]
        if free and self.chance(2):
            return self.choose(free)
        self.fresh += 1
        return f"value_{self.fresh}"

    def bind(self, text, size, range=Range.REAL, instead_of=None):
        """Give `text` a name, or (if it is short) leave it to be written where it is used."""
        if len(text) < 30 and self.chance(5):
            return Part(f"({text})", size, range)
        name = self.name(instead_of)
        self.body.append(f"{name} = {text}")
        return Part(name, size, range)

    def named(self, part):
        """Return the part under a name, which statements can bind anew."""
        if part.text.isidentifier():
            return part
        name = self.name()
        self.body.append(f"{name} = {part.text}")
        return dataclasses.replace(part, text=name)

    # ---- steps that can be undone

    def elementwise(self, index):
        part = self.parts[index]
        template, range = self.choose(STEPS[part.range])
        self.parts[index] = self.bind(template.format(part.text), part.size, range, part)

    def rearrange(self, index):
        part = self.parts[index]
        order = self.draw(st.permutations(range(part.size)))
        templates = ["{0}[::-1]", "jnp.flip({0})", "jnp.roll({0}, 1)"]
        templates += [f"{{0}}[jnp.array({order})]", f"jnp.take({{0}}, jnp.array({order}))"]
        text = self.choose(templates).format(part.text)
        self.parts[index] = self.bind(text, part.size, part.range, part)

    def linear(self, index):
        part = self.parts[index]
        n = part.size
        mixing = f"(jnp.eye({n}) + 0.2 * jnp.tril(jnp.ones(({n}, {n})))) @ {part.text}"
        text = self.choose(
            [f"jnp.cumsum({part.text})", mixing, f"{part.text} * jnp.arange(1.0, {n + 1})"]
        )
        self.parts[index] = self.bind(text, n, Range.REAL, part)

    def split(self, index):
        part = self.parts[index]
        if part.size < 2:
            return self.elementwise(index)
        k = self.draw(st.integers(1, part.size - 1))
        strided = part.size % 2 == 0 and self.chance(3)
        slices = ("[::2]", "[1::2]") if strided else (f"[:{k}]", f"[{k}:]")
        sizes = (part.size // 2,) * 2 if strided else (k, part.size - k)
        left, right = self.name(), self.name()
        if left == right:
            right += "_"
        pieces = [f"{part.text}{piece}" for piece in slices]
        self.body += self.splitting(part, (left, right), pieces, None if strided else k)
        self.parts[index : index + 1] = [
            Part(name, size, part.range) for name, size in zip((left, right), sizes, strict=True)
        ]

    def splitting(self, part, names, pieces, k):
        """Return statements that bind both pieces, in one of several spellings."""
        left, right = names
        forms = [[f"{left}, {right} = {pieces[0]}, {pieces[1]}"]]
        if part.text not in names:
            forms.append([f"{left} = {pieces[0]}", f"{right} = {pieces[1]}"])
            forms.append([f"{right} = {pieces[1]}", f"{left} = {pieces[0]}"])
        if k is not None:
            forms.append([f"{left}, {right} = jnp.split({part.text}, [{k}])"])
        return self.choose(forms)

    def join(self, index):
        if len(self.parts) < 2:
            return self.split(index)
        part, other = self.parts[index], self.parts.pop(index - 1)
        index = self.parts.index(part)
        text = f"jnp.concatenate([{part.text}, {other.text}])"
        self.parts[index] = self.bind(text, part.size + other.size, Range.REAL, part)

    def couple(self, index):
        """Change a part by something computed from another."""
        if len(self.parts) < 2:
            return self.split(index)
        part = self.parts[index]
        other = self.parts[index - 1]
        templates = SCALARS_OF + (VECTORS_OF if other.size == part.size else [])
        amount = self.choose(templates).format(other.text)
        text = self.choose(COUPLINGS).format(part.text, amount)
        self.parts[index] = self.bind(text, part.size, Range.REAL, part)

    def update(self, index):
        """Change some elements by the others, in place."""
        part = self.parts[index]
        if part.size < 2:
            return self.elementwise(index)
        k = self.draw(st.integers(1, part.size - 1))
        forms = [f".at[:{k}].add(jnp.sin({{0}}[{k}:]).sum())"]
        forms += [f".at[{k}:].multiply(2.0 + jnp.cos({{0}}[:{k}]).sum())"]
        forms += [".at[0].set(2 * {0}[0] + {0}[1])", f".at[:{k}].add(-{{0}}[{k}])"]
        form = self.choose(forms)
        if "multiply" in form:
            form = form.replace(".sum()", ".mean()")
        self.parts[index] = self.bind(
            part.text + form.format(part.text), part.size, Range.REAL, part
        )

    def loop(self, index):
        part = self.parts[index] = self.named(self.parts[index])
        template = self.choose(LOOP_STEPS)
        name = part.text
        heads = [("for i in range(3):", "i"), ("for w in W:", "w"), ("for w in reversed(W):", "w")]
        heads += [("for i, w in enumerate(W):", "(w + i)"), ("for w in (0.5, 1.5):", "w")]
        head, amount = self.choose(heads)
        self.body += [head, f"    {name} = {template.format(name, amount)}"]
        self.parts[index] = Part(name, part.size)

    def structured_loop(self, index):
        part = self.parts[index]
        template = self.choose(LOOP_STEPS)
        forms = [
            f"lax.fori_loop(0, 3, lambda i, c: {template.format('c', 'i')}, {part.text})",
            f"lax.scan(lambda c, w: ({template.format('c', 'w')}, None), {part.text}, STACKED)[0]",
            f"jax.vmap(lambda c: {template.format('c', 'W[0]')})({part.text})",
            f"lax.cond(FLAG, lambda c: {template.format('c', '1.0')}, lambda c: -c, {part.text})",
        ]
        self.parts[index] = self.bind(self.choose(forms), part.size, Range.REAL, part)

    def call(self, index):
        """Call a helper function, which is written for the purpose."""
        part = self.parts[index]
        inner = Writer(self.draw, part.size)
        inner.parts = [Part("v", part.size)]
        for _ in range(self.draw(st.integers(1, 2))):
            inner.elementwise(0)
        name = f"helper_{len(self.helpers)}"
        lines = [*inner.body, f"return {inner.parts[0].text} + c"]
        signature = self.choose(["v, c", "v, *, c=0.5"])
        self.helpers.append(definition(name, signature, lines))
        arguments = f"{part.text}, 1.5" if signature == "v, c" else part.text
        wrapped = self.choose([name, name, f"jax.jit({name})"]) if signature == "v, c" else name
        self.parts[index] = self.bind(f"{wrapped}({arguments})", part.size, Range.REAL, part)

    def branch(self, index):
        part = self.parts[index] = self.named(self.parts[index])
        name = part.text
        first, _ = self.choose(REAL_STEPS[:9])
        second, _ = self.choose(REAL_STEPS[:9])
        self.body += [
            f"if {name}.shape[0] > 1:",
            f"    {name} = {first.format(name)}",
            "else:",
            f"    {name} = {second.format(name)}",
        ]
        self.parts[index] = Part(name, part.size)

    STEPS = (
        elementwise,
        elementwise,
        rearrange,
        linear,
        split,
        split,
        join,
        couple,
        couple,
        couple,
        update,
        loop,
        structured_loop,
        call,
        branch,
    )

    def step(self):
        index = self.draw(st.integers(0, len(self.parts) - 1))
        self.choose(self.STEPS)(self, index)

    # ---- steps that cannot

    def spoil(self):
        """Take a step that drops something, or mixes two parts so that neither comes back."""
        index = self.draw(st.integers(0, len(self.parts) - 1))
        if len(self.parts) > 1 and self.chance(3):
            return self.entangle(index)
        part = self.named(self.parts[index])
        text = self.choose(SPOILED).format(part.text, n=part.size)
        self.parts[index] = self.bind(text, part.size, Range.REAL, part)

    def entangle(self, index):
        part, other = self.parts[index], self.parts[index - 1]
        a, b = part.text, f"jnp.resize({other.text}, {part.size})"
        forms = [f"{a} + {b}", f"{a} * {b}", f"jnp.maximum({a}, {b})"]
        if part.size == other.size:
            forms = [
                f"{a} + {other.text}",
                f"{a} * {other.text}",
                f"{a} + jnp.sin({a} * {other.text})",
            ]
        self.parts[index] = self.bind(self.choose(forms), part.size)
        if self.chance(2):
            self.parts.remove(other)

    # ---- the whole text

    def result(self):
        parts = self.draw(st.permutations(self.parts))
        texts = [part.text for part in parts]
        if len(texts) == 1:
            return texts[0]
        keys = ", ".join(f'"k{i}": {text}' for i, text in enumerate(texts))
        listed = ", ".join(texts)
        nested = f"{texts[0]}, ({', '.join(texts[1:])},)"
        return self.choose(
            [f"jnp.concatenate([{listed}])", listed, f"{{{keys}}}", f"[{listed}]", nested]
        )

    def text(self):
        main = definition("program", "x", [*self.body, f"return {self.result()}"])
        return "\n\n".join([HEADER, *self.helpers, main])


def definition(name, signature, lines):
    return "\n".join([f"def {name}({signature}):", *(f"    {line}" for line in lines)]) + "\n"


@st.composite
def invertible(draw):
    """Draw the text of a module whose `program(x)` is invertible, and the length of x."""
    size = draw(st.integers(2, 5))
    writer = Writer(draw, size)
    for _ in range(draw(st.integers(1, 7))):
        writer.step()
    return writer.text(), size


@st.composite
def nearly_invertible(draw):
    """Draw the text of a module whose `program(x)` has a step that may not be undone."""
    size = draw(st.integers(2, 4))
    writer = Writer(draw, size)
    for _ in range(draw(st.integers(0, 3))):
        writer.step()
    writer.spoil()
    for _ in range(draw(st.integers(0, 2))):
        writer.step()
    return writer.text(), size
