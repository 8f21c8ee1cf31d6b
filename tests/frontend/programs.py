"""Programs that are read and then run from their IR: each must compute what Python computes.

`program(*args)` enters a function with arguments to try it on.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

X = np.arange(1.0, 7.0).reshape(2, 3) / 7
V = np.array([0.3, -1.2, 2.0])
W = jnp.eye(3) * 0.5 + 0.1
SCALE = 2.5
STEPS = 3
FLAG = True
NOTHING = None
ACTIVATIONS = [jnp.tanh, jnp.sin]
TABLE = {"act": jnp.tanh, "scale": 3.0, "shift": jnp.ones(3)}
PARAMS = {"w": W, "layers": [W, 2 * W, 3 * W]}

PROGRAMS: list = []


def program(*args, **kwargs):
    def enter(f):
        PROGRAMS.append((f, args, kwargs))
        return f

    return enter


class State(NamedTuple):
    position: object
    velocity: object = 1.0


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Point:
    x: object
    y: object = 0.5

    def norm(self):
        return self.x**2 + self.y**2


# ---- straight lines -----------------------------------------------------------------------------


@program(V)
def arithmetic(x):
    """A docstring."""
    y = 2 * x + 1
    z = -y / (x**2 + 1) - (y // 2) % 3
    return (z @ W) * SCALE + jnp.pi


@program(V)
def chained_and_augmented(x):
    a = b = x + 1
    a += b
    b *= 2
    a -= b @ W
    c: jnp.ndarray = a / 2
    return a, b, (d := c + 1) * d


@program(X)
def indexing(x):
    a = x[:, 0]
    b = x[..., 1:]
    c = x[-1, ::2]
    return a, b, c, x[0][1], x[jnp.array([1, 0])], x.at[0, 1].set(3.0), x.T.reshape(-1)


@program(X, V)
def unpacking(x, y):
    a, b = x
    (c, d, e), *rest = [y, a, b]
    f, *g = y
    return a, b, c, d, e, rest, f, g


@program(V)
def containers(x):
    d = {"a": x, "b": [x + 1, (x + 2, x + 3)]}
    e = {**d, "c": 5}
    parts = [*d["b"], x]
    return e, parts[0] * 2, d["b"][1][0], len(parts), dict(p=1, q=x), list(d), d.get("zz", 3)


@program(V)
def records(x):
    s = State(x, velocity=x + 1)
    p = Point(x)
    t = s._replace(position=s.velocity * 2)
    q = dataclasses.replace(p, y=x)
    return s, t.position, t[1], p.x + p.y, q, q.norm()


@program(V)
def comparisons(x):
    n = len(x)
    return n < 5, 1 < n <= 3, n in (1, 3), n not in [1, 3], x is None, x is not None, not n


@program(V, 2, scale=3.0)
def parameters(x, a, b=4, /, c=5, *, scale=1.0, shift=0.0):
    return x * a + b * c * scale + shift


@program(V, 1, 2, 3, k=4)
def variadic(x, *args, **kwargs):
    a, *rest = args
    return x * a, rest, kwargs["k"], jnp.stack([x, *args * 0 + (x,)] if not args else [x, x])


@program(V)
def calls(x):
    args = (x, 2)
    kwargs = {"b": 3}
    return helper(*args, **kwargs), helper(x, a=1, **{"b": 2}), x.sum(axis=0), jnp.sum(x, axis=0)


def helper(x, a, b=1):
    return x * a + b


@program(V)
def strings(x):
    name = f"x{STEPS}"
    return {f"a{2}": x}, name, f"{x.shape}"


# ---- decisions ----------------------------------------------------------------------------------


@program(V)
@program(V, True)
@program(V, flag=False)
def early_return(x, flag=False):
    if flag:
        return x
    y = x + 1
    if y.ndim == 2:
        return y, 1
    elif y.ndim == 1:
        z = y * 2
    else:
        z = y * 3
    return z


@program(V)
@program(X)
def both_sides(x):
    y = x
    if x.ndim == 1:
        y = y + 1
        z = [y, x]
    else:
        z = [x, 2 * x]
    return y, z


@program(V, None)
@program(V, 3.0)
def optional(x, scale=None):
    scale = 1.0 if scale is None else scale
    return x * scale


@program(V)
def folded(x):
    if FLAG and NOTHING is None:
        y = x
    else:
        y = x.does_not_exist
    return y if STEPS > 2 else -y


@program(V, 0)
@program(V, 2)
def boolean(x, n):
    return x * (n or 5), x * (n and 7), (n > 1 and n < 3) or x.ndim, not (n and 1)


@program(V)
def raising(x):
    if x.ndim != 1:
        raise ValueError("vectors only")
    assert x.shape == (3,), "vectors of three"
    return x + 1


@program(V, 1)
@program(V, 2)
@program(V, 5)
def nested_returns(x, n):
    if n > 1:
        if n > 3:
            return x * 3
        x = x + 1
    else:
        x = x - 1
    y = x * 2
    if n == 2:
        return y
    return y + 1


# ---- loops --------------------------------------------------------------------------------------


@program(X, [W, 2 * W])
@program(X, [])
def over_layers(x, layers):
    for layer in layers:
        h = jnp.tanh(x @ layer)
        x = x + h
    return x


@program(V)
def over_range(x):
    for i in range(STEPS):
        x = x * i + 1
    for i in range(4, 0, -2):
        x = x + i
    return x, i


@program(V, [1.0, 2.0], [3.0, 4.0])
def over_zip(x, a, b):
    for i, (p, q) in enumerate(zip(a, b, strict=True), 1):
        x = x * p + q * i
    for p, q in reversed(list(zip(a, b))):
        x = x - p * q
    for p in reversed(a):
        x = x / p
    return x


@program(V, {"a": 1.0, "b": 2.0})
def over_dict(x, d):
    for key, value in d.items():
        x = x * value
    for value in d.values():
        x = x + value
    for key in d:
        x = x - d[key]
    return x


@program(V, [1.0, 2.0, 3.0])
def collecting(x, factors):
    ys, zs = [], [x]
    for factor in factors:
        x = x * factor
        ys.append(x)
        zs.append(x + 1)
    zs.append(x)
    return jnp.stack(ys), zs, ys


@program(V)
def unrolled(x):
    parts = []
    for i, act in enumerate([jnp.tanh, jnp.sin, jnp.cos]):
        if i == 1:
            continue
        parts.append(act(x) * i)
        if len(parts) == 5:
            break
    else:
        parts.append(x)
    return parts, i


@program(V)
def captured_functions(x):
    for act in ACTIVATIONS:
        x = act(x)
    for i in range(len(ACTIVATIONS)):
        x = ACTIVATIONS[i](x) + i
    return TABLE["act"](x) * TABLE["scale"] + TABLE["shift"]


@program(V, 3)
def carried_structure(x, n):
    state = (x, x + 1)
    pair = [x, 0]
    for i in range(n):
        state = (state[1], state[0] * 2)
        pair = [pair[0] + 1, pair[1] + i]
    d = {"a": x}
    for _ in range(n):
        d = {"a": d["a"] + 1}
    return state, pair, d


@program(V, 3)
def growing_structure(x, n):
    nest = ()
    for i in range(n):
        nest = (nest, i)
    return x, nest


@program(V, 4)
def skipping(x, n):
    for i in range(n):
        if i % 2:
            continue
        x = x + i
    return x


@program(V, 4)
def breaking(x, n):
    k = 0
    for i in range(n):
        if i == 2:
            break
        k = k + i
    return x * k


@program(V, 4)
def returning_from_loop(x, n):
    for i, act in enumerate(ACTIVATIONS):
        if i == 1:
            return act(x)
    return x


@program(V, 3)
def while_loop(x, n):
    total = 0
    while n > 0:
        total += n
        n -= 1
    return x * total + n


@program(X, [2, 3])
def comprehensions(x, ns):
    a = [row * 2 for row in x]
    b = [x * n for n in ns]
    c = {n: x + n for n in range(3)}
    d = {k: v + 1 for k, v in {"p": x, "q": 2 * x}.items()}
    e = sum(n * x for n in ns)
    f = tuple(x * i for i in range(2))
    g = [i * j for i in range(3) if i != 1 for j in range(i)]
    n = 7
    return a, b, c, d, e, f, g, n, max(k for k in ns), {m for m in ns}


@program(V)
def loop_variable_leaks(x):
    for i in range(3):
        y = x * i
    for j, k in ((1, 2), (3, 4)):
        pass
    return y, i, j, k


@program(V, 2)
def nested_loops(x, n):
    total = x
    for i in range(n):
        for j in range(i + 1):
            total = total + i * j
        x = x + total
    return x, total


# ---- lax ----------------------------------------------------------------------------------------


@program(V, X)
def scans(x, xs):
    c1, ys1 = lax.scan(lambda c, r: (c * r + SCALE, c), x, xs)
    (a, b), ys2 = lax.scan(lambda c, r: ((c[1], c[0] + r["a"]), {"y": c[0]}), (x, c1), {"a": xs})
    c3, _ = lax.scan(scan_step, x, xs)
    c4, ys4 = lax.scan(lambda c, r: (c + r, c), x, xs, reverse=True)
    c5, _ = lax.scan(lambda c, _: (c + 1, None), x, None, length=3)
    c6, _ = lax.scan(f=functools.partial(scan_step, k=3.0), init=x, xs=xs)
    c7, ys7 = lax.scan(lambda s, r: (State(s.velocity, r), s), State(x, x), xs)
    return c1, ys1, a, b, ys2, c3, c4, ys4, c5, c6, c7, ys7


def scan_step(carry, row, k=2.0):
    return carry * k + row, carry


@program(V)
def fori_and_map(x):
    def body(i, carry):
        a, b = carry
        return b + W[i], a

    y = lax.fori_loop(0, 3, body, (x, 2 * x))
    z = lax.fori_loop(0, STEPS, lambda i, c: c + i, x)
    return y, z, lax.map(lambda r: (r * 2, r + x), x), lax.map(jnp.exp, x)


@program(V, 1)
@program(V, 0)
def cond_and_switch(x, n):
    y = lax.cond(n > 0, lambda o: o + 1, lambda o: o * 2, x)
    z = lax.switch(n, [lambda o: (o, y), lambda o: (y, o * 3)], x)
    return y, z, lax.cond(n == 1, jnp.sin, jnp.cos, x)


# ---- functions in functions ----------------------------------------------------------------------


@program(V)
def local_functions(x):
    scale = 2

    def f(y, z=scale + 1, *rest, shift=0.5):
        return y * scale + z + shift

    g = lambda y: f(y, 1) + x  # noqa: E731
    scale = 3
    h = functools.partial(f, shift=1.0)
    return f(x), g(x), h(x, 2), jax.vmap(lambda r: r * scale)(x), (lambda q: q + 1)(x)


@program(V)
def jitted_locals(x):
    @jax.jit
    def f(y):
        return y + 1

    @functools.partial(jax.checkpoint, policy=None)
    def g(y):
        return y * 2

    return f(x), g(x), jax.jit(lambda y: y - x)(x)


@program(V)
def recursive_local(x):
    def power(y, n):
        return y if n == 0 else y * power(y, n - 1)

    return power(2.0, 3) * x


@program(V)
def late_default(x):
    fs = [lambda y, i=i: y * i for i in range(3)]
    return fs[1](x), fs[2](x)


@program(V)
def late_binding(x):
    fs = [lambda y: y * i for i in range(3)]
    return fs[0](x)


@program(V)
def recaptured(x):
    k = 2
    f = jax.vmap(lambda y: y * k)
    y = f(x)
    return y * k


# ---- changes in place -----------------------------------------------------------------------------


@program(V)
def lists(x):
    parts = [x]
    other = parts
    parts.append(x + 1)
    other += [x + 2]
    parts.insert(0, 7)
    last = parts.pop()
    parts[1] = x * 5
    d = {"xs": parts}
    d["xs"].append(9)
    d["n"] = 1
    d.update(m=2)
    copy = parts[:]
    copy.append(1)
    parts.reverse()
    parts.extend((1, 2))
    return parts, other, last, d, copy, d


@program(V, True)
@program(V, False)
def list_in_branch(x, flag):
    parts = [x]
    if flag:
        parts.append(x + 1)
    else:
        parts.append(x + 2)
    return parts


@program(V)
def numpy_items(x):
    m = np.zeros((2, 2))
    m[0, 1] = 3.0
    for i in range(2):
        m[i, i] += 1
    n = m.copy()
    n[0, 0] = 9.0
    return x * m.sum(), n, m


@program(V)
def sorted_list(x):
    order = list(range(3))
    order.sort(key=lambda i: -i)
    return x[np.array(order)]


@program(V)
def stack_machine(x):
    stack = [3]
    seen = []
    while stack:
        n = stack.pop()
        seen.append(n)
        if n > 0:
            stack.append(n - 1)
    return x * len(seen), seen


# ---- other --------------------------------------------------------------------------------------


@program(V)
def contexts(x):
    with jax.named_scope("outer"), jax.named_scope("inner"):
        y = x + 1
        if STEPS > 2:
            return y * 2
    return y


@program(V)
def tries(x):
    try:
        n = int("3")
    except ValueError:
        n = 4
    finally:
        m = 2
    return x * n * m


@program(V, 1)
def matches(x, n):
    match n:
        case 0:
            k = 1
        case other:
            k = other + 1
    return x * k


@program(V)
def imports(x):
    import math
    import os.path
    from math import sqrt as root

    import jax.numpy as np_

    return np_.sin(x) * math.sqrt(2) + root(3), os.path.join("a", "b")


@program(V)
def deletes(x):
    y = x + 1
    z = y * 2
    del y
    y = z
    return y


@program(V)
def nested_class(x):
    class Box:
        size = 3

    return x * Box.size


@program(V)
def captured_pytrees(x):
    for layer in PARAMS["layers"]:
        x = x @ layer
    return x @ PARAMS["w"]


@program(V)
def printing(x):
    print("hello", x)
    jax.debug.print("x {}", x)
    return x


@program(V)
def non_ascii(x):
    größe = x * 2; é = größe + 1; return é + größe  # fmt: skip  # noqa: E702


@program(V, 4)
def appends_that_may_not_happen(x, n):
    ys = []
    zs = [x]
    for i in range(n):
        if i > 1:
            ys.append(x * i)
        zs.append(i)
        zs.append(-i)
    return ys, zs


@program(V, 3)
def items_set_in_a_loop(x, n):
    state = [x, x + 1]
    d = {"a": x}
    for _ in range(n):
        state[0] = state[1] * 2
        d["a"] = d["a"] + 1
    return state, d


@program(V, "double")
@program(V, "negate")
def ends_in_raise(x, kind):
    if kind == "double":
        return x * 2
    if kind == "negate":
        return -x
    raise ValueError(kind)


@program(V, 2)
def raises_in_else(x, n):
    if n == 2:
        y = x
    elif n == 3:
        y = x * 2
    else:
        raise ValueError
    return y


@program(V)
def introspection(x):
    s = State(x, 2)
    if isinstance(s, tuple) and not isinstance([s], tuple):
        return getattr(s, "position") + getattr(x, "ndim")  # noqa: B009
    return x


@program(V, 2, 3)
def chain_of_comparisons(x, a, b):
    return x * (1 < a < b), 1 < 2 < 3, 3 > 2 > 5


@program(V, 3)
def alias_of_collecting_list(x, n):
    parts = [x]
    other = parts
    for i in range(n):
        parts.append(x * i)
    return other
