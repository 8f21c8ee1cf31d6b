"""Tuples, lists, dicts, named tuples, dataclasses and other pytrees, going in and coming out."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tests.programs.registry import program
from tests.programs.samples import real

A = real(2)
B = real(2, seed=1)
C = real(2, seed=2)


class Point(NamedTuple):
    position: jax.Array
    momentum: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class State:
    mean: jax.Array
    log_scale: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Layer:
    weight: jax.Array
    shift: jax.Array
    name: str = dataclasses.field(default="layer", metadata={"static": True})


@program((A, B))
def pair(x):
    a, b = x
    return a * 2, b + a


@program((A, B))
def pair_by_index(x):
    return x[1] - x[0], jnp.exp(x[0])


@program([A, B, C])
def list_of_three(xs):
    a, b, c = xs
    return [a, b * jnp.exp(a), c + b]


@program((A, (B, C)))
def nested_tuple(x):
    a, (b, c) = x
    return (a + b, b), c * 3


@program((A, B, C))
def starred(x):
    first, *rest = x
    return (*rest, first * 2)


@program({"a": A, "b": B})
def dictionary(x):
    return {"a": x["a"] + 1, "b": x["b"] * jnp.exp(x["a"])}


@program({"a": A, "b": B}, example={"a": A, "b": B})
def dictionary_to_tuple(x):
    return x["b"] - 1, x["a"] * 2


@program({"outer": {"a": A}, "b": B})
def nested_dictionary(x):
    inner = x["outer"]["a"]
    return {"b": x["b"] + inner, "outer": {"a": jnp.sinh(inner)}}


@program((A, B), example=(A, B))
def tuple_to_dictionary(x):
    a, b = x
    return dict(scaled=a * 2, shifted=b + jnp.tanh(a))


@program(Point(A, B))
def named_tuple(point):
    return Point(point.position + 0.1 * point.momentum, point.momentum)


@program(Point(A, B))
def named_tuple_unpacked(point):
    position, momentum = point
    momentum = momentum - jnp.sin(position)
    return Point(position=position, momentum=momentum)


@program(Point(A, B))
def named_tuple_replaced(point):
    return point._replace(momentum=point.momentum * 2)


@program(State(A, B))
def dataclass(state):
    return State(mean=state.mean + jnp.exp(state.log_scale), log_scale=state.log_scale - 1)


@program(State(A, B))
def dataclass_replaced(state):
    return dataclasses.replace(state, mean=state.mean * 3)


@program(A, Layer(B, C))
def dataclass_of_knowns(x, layer):
    return x * jnp.exp(layer.weight) + layer.shift


@program([A, B])
def built_list(xs):
    out = []
    out.append(xs[0] * 2)
    out.append(xs[1] + xs[0])
    return out


@program((A, B))
def concatenated_tuples(x):
    left = (x[0] * 2,)
    right = (x[1] + 1,)
    return left + right


@program(A, {"scale": B, "shift": C})
def dictionary_of_knowns(x, params):
    return x * params["scale"] + params["shift"]


@program(A, B, argnums=(0, 1))
def arguments_to_dictionary(a, b):
    return {"sum": a + jnp.exp(b), "rest": [b * 2]}


@program((A, B))
def swap(x):
    a, b = x
    a, b = b, a
    return a, b


@program((A, B, C))
def rotated_names(x):
    a, b, c = x
    a, b, c = b + c, c, a
    return a, b, c


@program({"a": A, "b": (B, C)})
def tree_map_doubling(tree):
    return jax.tree.map(lambda leaf: leaf * 2, tree)


@program((A, B))
def sum_of_halves(x):
    """A small linear system of two unknowns."""
    a, b = x
    return a + b, a - b


@program((A, B))
def rotation_of_pair(x):
    a, b = x
    return 0.6 * a - 0.8 * b, 0.8 * a + 0.6 * b


@program((A, None, B))
def empty_slot(x):
    a, nothing, b = x
    return a * 2, nothing, b + a


@program((A, B), no_ildj="`a` is returned twice")
def repeated_output(x):
    a, b = x
    return a, b, a


@program(A, B, no_ildj="the known argument is returned as well")
def known_in_output(x, w):
    return x * jnp.exp(w), w


@program({"mean": real(3), "scale": real(3)})
def dict_of_other_keys(state):
    return {"shift": state["mean"] + jnp.exp(state["scale"]), "rate": 2 * state["scale"]}


@program({"mean": A, "scale": B})
def dict_comprehension(state):
    return {key: 2 * value for key, value in state.items()}


@program({"mean": A, "scale": B})
def dict_in_a_loop(state):
    out = {}
    total = 0.0
    for key in sorted(state):
        out[key] = jnp.sinh(state[key]) + total
        total = total + state[key]
    return out


@program({"mean": A, "scale": B}, example={"mean": A, "scale": B})
def dict_to_tuple(state):
    return tuple(jnp.arcsinh(value) for value in state.values())


@program({"mean": A, "scale": B, "rest": C})
def dict_spread(state):
    return {**state, "mean": state["mean"] * 2 + state.get("scale")}


@program(Point(A, B))
def named_tuple_of_a_comprehension(point):
    return Point(*[jnp.sinh(part) + 1 for part in point])


@program(Point(A, B), example=Point(A, B))
def named_tuple_as_dict(point):
    return point._asdict()


class Moving(NamedTuple):
    position: jax.Array
    momentum: jax.Array

    @property
    def swapped(self):
        return Moving(self.momentum, self.position)

    def kicked(self, by):
        return self._replace(momentum=self.momentum + by * self.position)


@program(Moving(A, B))
def methods_and_properties(state):
    return state.kicked(0.5).swapped.kicked(2.0)


@program([A, B, C])
def first_and_rest(items):
    first, *rest = items
    return [first * 2, *[item + first for item in rest]]


@program([A, B, C])
def slices_of_a_list(items):
    return [item + 1 for item in items[:1]] + [item * 2 for item in items[1:]]


@program([A, B, C], needs_arguments="how many items the list has")
def list_changed_in_place(items):
    items = list(items)
    items[0], items[-1] = jnp.sinh(items[-1]), items[0]
    return items


@program((A, B), example=(A, B))
def builtin_sum(pair):
    return sum(pair), pair[0] - pair[1]


def with_offset(x):
    return 2 * x, 3.0


@program(A)
def helper_that_returns_a_known_part(x):
    doubled, offset = with_offset(x)
    return doubled + offset


@program(A, {"scale": B, "before": C})
def known_dict_in_its_order(x, steps):
    for name, step in steps.items():
        x = x * jnp.exp(step) if name == "scale" else x + step
    return x


@program(A, {"scale": B, "before": C})
@jax.jit
def jitted_sees_a_sorted_dict(x, steps):
    for name, step in steps.items():
        x = x * jnp.exp(step) if name == "scale" else x + step
    return x


@program({"b": A, "a": B}, example={"b": A, "a": B})
def unknown_dict_in_its_order(state):
    total, out = 0.0, []
    for value in state.values():
        total = total + value
        out.append(total)
    return out


# ---- iterators ------------------------------------------------------------------------------------------


@program((A, B, C))
def scaled_from_the_end(items):
    return tuple(2 * item for item in reversed(items))


@program([A, B, C])
def summed_from_the_end(items):
    total, sums = 0.0, []
    for item in reversed(items):
        total = jnp.sinh(item) + total
        sums.append(total)
    return sums


@program([A, B, C])
def numbered_from_the_end(items):
    return [item * (number + 1) for number, item in enumerate(reversed(items))]


@program([A, B], [B, A], argnums=0)
def beside_the_last_first(items, others):
    return [item + jnp.cos(other) for item, other in zip(items, reversed(others))]


@program((A, B, C))
def unpacked_from_the_end(items):
    first, second, third = reversed(items)
    return first + second, second, third


@program((A, B))
def mapped(items):
    return tuple(map(jnp.sinh, items))


@program((A, B), (B, C), argnums=0)
def mapped_side_by_side(items, shifts):
    first, second = map(lambda item, shift: item * 3 + shift, items, shifts)
    return first, second + first


@program({"a": A, "b": B}, example={"a": A, "b": B})
def mapped_values(named):
    return dict(zip(named, map(jnp.exp, named.values())))


@program((A, B))
def named_by_letters(items):
    first, second = items
    return dict(zip("ab", (first * 2, first + second)))


@program({"q": A, "k": B})
def unpacked_by_letter(named):
    first, second = (jnp.arcsinh(named[letter]) for letter in "qk")
    return first, second


PHASE = {"p": B, "q": A}
RATES = [0.1, 0.3, 0.2]


@program(RATES, PHASE, argnums=1, needs_arguments="the keys of the state")
def kicks_and_drifts(rates, state):
    for rate in rates:
        state = {**state, "p": state["p"] - rate * jnp.sin(state["q"])}
        state = dict(state, q=state["q"] + rate * state["p"])
        state = state | {"p": state["p"] - rate * jnp.sin(state["q"])}
    return state


@program(jnp.array(RATES), PHASE, argnums=1, example=PHASE)
def scanned_kicks(rates, state):
    def step(state, rate):
        state = {**state, "p": state["p"] - rate * jnp.sin(state["q"])}
        return {**state, "q": state["q"] + rate * state["p"]}, None

    return jax.lax.scan(step, state, rates)[0]


@program(RATES, PHASE, argnums=1, needs_arguments="the keys of the state")
def loop_over_a_dict_display(rates, state):
    for rate in rates:
        state = {"p": state["p"] * jnp.exp(rate * state["q"]), "q": state["q"]}
    return state


@program(RATES, Point(A, B), argnums=1, needs_arguments="the class of the point")
def records_replaced_in_a_loop(rates, point):
    for rate in rates:
        point = point._replace(momentum=point.momentum - rate * jnp.sin(point.position))
        point = point._replace(position=point.position + rate * point.momentum)
    return point


def kicked(state, rate):
    return {**state, "p": state["p"] - rate * jnp.sin(state["q"])}


@program(RATES, PHASE, argnums=1, needs_arguments="the keys of the state")
def calls_that_update_a_dict(rates, state):
    for rate in rates:
        state = kicked(state, rate)
        state = {"p": state["q"], "q": state["p"]}
    return state
