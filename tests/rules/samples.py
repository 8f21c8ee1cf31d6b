"""A call, or several, for every rule of the built-in table, and what is known of its operands."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, Callable

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import jax.scipy.special as special
import jax.scipy.stats
import numpy as np
from jax import lax
from jax.scipy import fft

from invcompiler.assumptions import assume
from invcompiler.debugging import adjoint_block, debug_cotangent
from invcompiler.ir.build import as_tree
from invcompiler.ir.nodes import Const, Display, Ref, Var
from invcompiler.rules import canonical, registry
from invcompiler.rules.registry import InverseRule, Kind, Numbers


@dataclass(frozen=True)
class Sample:
    """`run(x)` calls the function of `rule` with `x` in the place of the isolated argument."""

    rule: InverseRule
    x: Any
    known: dict[str, Any]
    run: Callable[[Any], Any]
    label: str = ""

    def evaluate(self, template: Callable, x: Any, y: Any) -> Any:
        values = {**self.known, self.rule.argument: x, self.rule.output: y}
        names = template.__code__.co_varnames[: template.__code__.co_argcount]
        return template(**{name: values[name] for name in names})

    def inverse(self, y: Any, like: Any = None) -> Any:
        return self.evaluate(self.rule.inverse, self.x if like is None else like, y)


# ---- facts of concrete operands -------------------------------------------------------------------


@dataclass
class ConcreteFacts:
    """Facts for a call whose arrays are known; those named in `hidden` are known by shape and dtype only."""

    values: dict[Var, Any] = field(default_factory=dict)
    hidden: set[Var] = field(default_factory=set)

    def shape(self, tree):
        return np.shape(self.values[tree]) if tree in self.values else None

    def rank(self, tree):
        return np.ndim(self.values[tree]) if tree in self.values else None

    def dtype(self, tree):
        return jnp.asarray(self.values[tree]).dtype if tree in self.values else None

    def static(self, tree):
        return None

    def array_value(self, tree):
        return None if tree in self.hidden else self.values.get(tree)


class NoFacts:
    """Facts at a time when nothing is known."""

    def shape(self, tree):
        return None

    rank = dtype = static = array_value = shape


def call_and_facts(sample: Sample) -> tuple[canonical.Call, ConcreteFacts]:
    facts = ConcreteFacts()
    arguments = {}
    for name in canonical.parameters_of(sample.rule.fn):
        value = sample.x if name == sample.rule.argument else sample.known.get(name)
        arguments[name] = tree_of(value, facts)
        if name == sample.rule.argument:
            facts.hidden.add(arguments[name])
    return canonical.Call(sample.rule.fn, arguments), facts


def tree_of(value: Any, facts: ConcreteFacts) -> Any:
    if isinstance(value, float):
        return Const(value)
    if isinstance(value, tuple) and any(hasattr(v, "shape") for v in value):
        return Display(tuple, tuple(tree_of(v, facts) for v in value))
    tree = None if hasattr(value, "shape") else as_tree(value)
    if tree is None and isinstance(value, type(jnp.float32)):
        return Ref(value, value.__name__)
    if tree is None:
        tree = Var()
        facts.values[tree] = value
    return tree


# ---- elementwise: points of the domain -----------------------------------------------------------


def points(domain: registry.Interval, count: int = 7) -> np.ndarray:
    """Return points inside `domain`, near its ends and near zero too, where they are in it."""
    lo = max(domain.lo, -3.0) if domain.hi > -3 else domain.hi - 3
    hi = min(domain.hi, 3.0) if domain.lo < 3 else domain.lo + 3
    inside = lo + (hi - lo) * np.linspace(0.02, 0.97, count)
    return np.concatenate([inside, lo + (hi - lo) * np.array([1e-3, 1 - 1e-3])])


_KNOTS, _VALUES = np.array([-4.0, -1.0, 0.5, 4.0]), np.array([-2.0, -0.5, 0.2, 2.0])
_OTHERS: dict[Any, list[dict[str, Any]]] = {
    jnp.multiply: [{"x1": 1.7, "x2": -0.3}],
    jnp.add: [{"x1": 1.7, "x2": -0.3}],
    jnp.subtract: [{"x1": 1.7, "x2": -0.3}],
    jnp.divide: [{"x1": 1.7, "x2": -0.3}],
    jnp.logaddexp: [{"x1": 0.4, "x2": -0.3}],
    jnp.logaddexp2: [{"x1": 0.4, "x2": -0.3}],
    jnp.copysign: [{"x2": -1.0}, {"x2": 0.0}],
    jnp.ldexp: [{"x2": 3}, {"x2": -2}],
    jnp.hypot: [{"x1": 1.5, "x2": 0.5}],
    jnp.arctan2: [{"x1": 1.5, "x2": 0.5}, {"x1": -1.5, "x2": -0.5}],
    jax.nn.leaky_relu: [{"negative_slope": 0.01}, {"negative_slope": 2.0}],
    jax.nn.elu: [{"alpha": 1.0}, {"alpha": 0.7}],
    jax.nn.celu: [{"alpha": 1.0}, {"alpha": 0.7}],
    jax.nn.squareplus: [{"b": 4}, {"b": 0.5}],
    special.xlogy: [{"x1": 1.7, "x2": 0.3}],
    special.xlog1py: [{"x1": 1.7, "x2": 0.3}],
    special.boxcox: [{"lmbda": 0.5}, {"lmbda": 0.0}, {"lmbda": -1.0}],
    special.boxcox1p: [{"lmbda": 0.5}, {"lmbda": 0.0}, {"lmbda": -1.0}],
    special.log_ndtr: [{"series_order": 3}],
    jnp.interp: [{"xp": _KNOTS, "fp": _VALUES, "left": None, "right": None, "period": None}],
}
_OTHERS |= dict.fromkeys(
    (jnp.power, jnp.float_power),
    [{"x2": n} for n in (2, 1, -1, 3, 5, -3, 4, -2, 0.5, 2.5, -1.5, 7.0)]
    + [{"x1": 2.0}, {"x1": 0.3}],
)
_LOCATED = [{"loc": 0.3, "scale": 1.7}, {"loc": 0, "scale": 0.6}, {"loc": 0, "scale": 1}]
_STATS: dict[str, list[dict[str, Any]]] = {
    "pareto": [{"b": 2.5}],
    "truncnorm": [{"a": -2.0, "b": 2.5}, {"a": 0.3, "b": 4.0}],
}
_LOCATED_NAMES = (
    "norm",
    "logistic",
    "cauchy",
    "laplace",
    "expon",
    "uniform",
    "gumbel_l",
    "gumbel_r",
)
for _name in (*_LOCATED_NAMES, *_STATS):
    _module = getattr(jax.scipy.stats, _name)
    for _function in ("cdf", "sf", "ppf", "isf", "logcdf", "logsf", "pdf", "logpdf"):
        if hasattr(_module, _function):
            _shapes = _STATS.get(_name, [{}])
            _OTHERS[getattr(_module, _function)] = [s | at for s in _shapes for at in _LOCATED]


def _support(name: str, known: dict[str, Any]) -> registry.Interval | None:
    """Return where a distribution lives whose support moves with known values, or has most of its mass."""
    loc, scale = known.get("loc", 0), known.get("scale", 1)
    if name.startswith(("expon", "pareto")) and name.endswith("_moved"):
        return registry.Interval(loc + scale * name.startswith("pareto"), np.inf)
    if name == "uniform_cdf_moved":
        return registry.Interval(loc, loc + scale)
    if name.startswith("truncnorm"):
        return registry.Interval(loc + scale * known["a"], loc + scale * known["b"])
    if name.startswith("gumbel") and not name.endswith("ppf"):
        return registry.Interval(loc - 1.5 * scale, loc + 1.5 * scale)
    return None


def elementwise_samples() -> list[Sample]:
    """Return samples of the rules for real numbers; those whose condition is not for these operands are left out."""
    found = []
    for rule in registry.BUILT_IN:
        if rule.kind is not Kind.ELEMENTWISE or Numbers.REAL not in rule.numbers:
            continue
        if rule.fn in (lax.bitcast_convert_type, lax.complex):
            continue
        for others in _OTHERS.get(rule.fn, [{}]):
            known = {name: value for name, value in others.items() if name != rule.argument}
            sample = _elementwise(rule, points(_support(rule.name, known) or rule.domain), known)
            if sample is not None and rule.refusal(*call_and_facts(sample)) is None:
                found.append(sample)
    return found


def _elementwise(rule: InverseRule, x: Any, known: dict[str, Any]) -> Sample | None:
    names = canonical.parameters_of(rule.fn)
    if set(names) != {rule.argument, *known}:
        return None

    def run(x):
        return rule.fn(*(x if name == rule.argument else known[name] for name in names))

    return Sample(rule, x, known, run, f"{rule.name}-{known or ''}")


# ---- the other rules: calls written out ----------------------------------------------------------


def _rules_named(name: str) -> list[InverseRule]:
    rules = [rule for rule in registry.BUILT_IN if rule.name == name]
    assert rules, name
    return rules


def _array(*shape: int, seed: int = 0, dtype=float) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=shape)
    if np.issubdtype(dtype, np.complexfloating):
        values = values + 1j * np.random.default_rng(seed + 1).normal(size=shape)
    return values


def _square(*batch: int, n: int = 3, seed: int = 5) -> np.ndarray:
    return _array(*batch, n, n, seed=seed) + 2 * np.eye(n)


A23, A3, A34, A233 = _array(2, 3), _array(3), _array(3, 4), _array(2, 3, 3)
A243 = _array(2, 4, 3)
W, WS = _square(), _square(2)
WIDE = _square(n=6).reshape(2, 3, 2, 3)
WIDES = _square(2, n=6).reshape(2, 2, 3, 2, 3)
P3 = np.array([2, 0, 1])
WHOLE = slice(None)


def written_samples() -> list[Sample]:
    found = []
    families = (_structural, _partition, _indexed, _linear, _transforms_of_images)
    families += (_sequences, _unusual)
    for name, x, known, run in [call for family in families for call in family()]:
        for rule in _rules_named(name):
            if rule.fn in (jnp.dot, jnp.fft.fft2, jnp.fft.ifft2, jnp.fft.rfft2) or (
                rule.fn is jax.scipy.linalg.solve and run.__name__ == "<lambda>"
            ):
                continue  # stated together with another key, of which it has the templates
            if rule.fn in (jnp.atleast_2d, jnp.atleast_3d, jnp.array_split):
                continue
            found.append(Sample(rule, x, known, run, f"{name}-{np.shape(x)}"))
    return found


def _structural():
    C = {"order": "C"}
    yield "reshape", A23, {"shape": (3, 2), **C}, lambda x: jnp.reshape(x, (3, 2))
    F = {"order": "F"}
    yield "reshape_in_order", A23, {"shape": (3, 2), **F}, lambda x: jnp.reshape(x, (3, 2), "F")
    yield "ravel", A23, C, jnp.ravel
    yield "ravel_in_order", A23, F, lambda x: jnp.ravel(x, "F")
    for axis in (0, -1, (0, 2), (-1, 0)):
        yield "expand_dims", A23, {"axis": axis}, lambda x, axis=axis: jnp.expand_dims(x, axis)
    for axis in (None, 0, -1, (0, 3), (-1, 0)):
        x = A23[None, :, :, None]
        yield "squeeze", x, {"axis": axis}, lambda x, axis=axis: jnp.squeeze(x, axis)
    yield "at_least", np.float64(2.0), {}, jnp.atleast_1d
    for axes in (None, (1, 2, 0), (2, 0, 1), (-1, 0, 1), (0, -1, -2)):
        yield "transpose", A243, {"axes": axes}, lambda x, a=axes: jnp.transpose(x, a)
    yield "matrix_transpose", A243, {}, jnp.matrix_transpose
    axes = {"axis1": 0, "axis2": -1}
    yield "swapaxes", A243, axes, lambda x: jnp.swapaxes(x, 0, -1)
    for s, d in ((0, -1), ((0, 1), (2, 0)), (-1, 0)):
        known = {"source": s, "destination": d}
        yield "moveaxis", A243, known, lambda x, s=s, d=d: jnp.moveaxis(x, s, d)
    for axis in (None, 0, (0, -1)):
        yield "flip", A243, {"axis": axis}, lambda x, axis=axis: jnp.flip(x, axis)
    for shift, axis in ((1, None), (-2, 0), ((1, 2), (0, -1))):
        known = {"shift": shift, "axis": axis}
        yield "roll", A243, known, lambda x, s=shift, a=axis: jnp.roll(x, s, a)
    for k in (1, 2, -1):
        known = {"k": k, "axes": (0, 1)}
        yield "rot90", A23, known, lambda x, k=k: jnp.rot90(x, k)
    for axes in (None, (0,), -1):
        yield "fftshift", A23, {"axes": axes}, lambda x, a=axes: jnp.fft.fftshift(x, a)
        yield "ifftshift", A23, {"axes": axes}, lambda x, a=axes: jnp.fft.ifftshift(x, a)
    known = {"subscripts": "abc->cab"}
    yield "einsum_of_one", A243, known, lambda x: jnp.einsum("abc->cab", x)
    for axis in (1, -1):
        known = {"indices": P3, "axis": axis}
        yield "take_along_axis", A23, known, lambda x, a=axis: jnp.take(x, P3, a)
    yield "take_of_vector", A3, {"indices": P3}, lambda x: jnp.take(x, P3)
    yield "take_of_vector", A3, {"indices": P3 - 3}, lambda x: x[P3 - 3]
    yield "permuted_rows", A34, {"index": P3}, lambda x: x[P3]
    yield "permuted_columns", A243, {"index": (..., P3)}, lambda x: x[..., P3]
    yield "permuted_axis", A23, {"index": (WHOLE, P3)}, lambda x: x[:, P3]
    yield "asarray", A23, {}, jnp.asarray
    yield "real", A23, {}, jnp.real
    yield "debug_cotangent_is_the_identity", A23, {"fn": print}, lambda x: debug_cotangent(x, print)
    yield "adjoint_block_is_the_identity", A23, {"block": print}, lambda x: adjoint_block(x, print)
    yield "assume_is_the_identity", A23, {"domain": "real"}, lambda x: assume(x, "real")
    yield "cast", A23, {"dtype": jnp.float64}, lambda x: x.astype(jnp.float64)
    yield "cast", np.float32(A23), {"dtype": jnp.float64}, lambda x: x.astype(jnp.float64)
    yield "cast", np.arange(3), {"dtype": jnp.int64}, lambda x: x.astype(jnp.int64)
    c128 = {"dtype": jnp.complex128}
    yield "cast_to_complex", A23, c128, lambda x: x.astype(jnp.complex128)


def _partition():
    for name, sections, axis in (("split", 2, -1), ("split", (1, 3), 1)):
        known = {"indices_or_sections": sections, "axis": axis}
        yield name, A34, known, lambda x, s=sections, a=axis: jnp.split(x, s, a)
    yield "hsplit", A34, {"indices_or_sections": 2}, lambda x: jnp.hsplit(x, 2)
    yield "vsplit", A34, {"indices_or_sections": 3}, lambda x: jnp.vsplit(x, 3)
    yield "dsplit", A233, {"indices_or_sections": (1,)}, lambda x: jnp.dsplit(x, (1,))
    for axis in (0, -1):
        yield "unstack", A34, {"axis": axis}, lambda x, a=axis: jnp.unstack(x, axis=a)


def _indexed():
    for index in (WHOLE, slice(1, None), np.array([0, 2]), np.array([1, 1])):
        values = np.array(1.5)
        known = {"index": index, "values": values}
        yield "add_at", A3, known, lambda x, i=index: x.at[i].add(values)
        yield "subtract_at", A3, known, lambda x, i=index: x.at[i].subtract(values)
        yield "multiply_at", A3, known, lambda x, i=index: x.at[i].multiply(values)
        yield "divide_at", A3, known, lambda x, i=index: x.at[i].divide(values)


def _linear():
    for x in (A3, A23):
        yield "row_times_matrix", x, {"b": W}, lambda x: x @ W
        yield "row_inner_matrix", x, {"b": W}, lambda x: jnp.inner(x, W)
    yield "rows_times_matrix", A243, {"b": W}, lambda x: x @ W
    yield "rows_times_matrices", A243, {"b": WS}, lambda x: x @ WS
    yield "matrix_times_vector", A3, {"a": W}, lambda x: W @ x
    yield "matrix_times_columns", A34, {"a": W}, lambda x: W @ x
    yield "matrix_times_columns", _array(2, 3, 4), {"a": WS}, lambda x: WS @ x
    yield "matrix_times_columns", _array(2, 3, 4), {"a": W}, lambda x: W @ x
    yield "matrix_times", A3, {"a": W}, lambda x: W @ x
    yield "matrices_times", A3, {"a": W}, lambda x: W @ x
    yield "matrix_inner_vector", A3, {"a": W}, lambda x: jnp.inner(W, x)
    yield "matvec", A3, {"x1": W}, lambda x: jnp.matvec(W, x)
    yield "matvec", A23, {"x1": W}, lambda x: jnp.matvec(W, x)
    yield "matvec", A23, {"x1": WS}, lambda x: jnp.matvec(WS, x)
    yield "vecmat", A23, {"x2": W}, lambda x: jnp.vecmat(x, W)
    one = {"axes": 1}
    yield "tensordot_matrix", A243, {"b": W, **one}, lambda x: jnp.tensordot(x, W, 1)
    x = _array(3, 4, 2)
    yield "matrix_tensordot", x, {"a": W, **one}, lambda x: jnp.tensordot(W, x, 1)
    for name, s, x, w in (
        ("einsum_vector", "ij,j->i", A3, W),
        ("einsum_vector", "ji,j->i", A3, W),
        ("einsum_matrix", "ij,bj->bi", A23, W),
        ("einsum_matrix", "ij,jk->ki", A34, W),
        ("einsum_rows", "ij,...j->...i", A243, W),
        ("einsum_rows", "ji,abj->abi", A243, W),
        ("einsum_axis", "oc,bch->boh", _array(2, 3, 4), W),
        ("einsum_axis", "co,c...->...o", _array(3, 4, 2), W),
        ("einsum_stack_of_vectors", "bij,bj->bi", A23, WS),
        ("einsum_stack_of_vectors", "...ji,...j->...i", A23, WS),
        ("einsum_stack_of_columns", "bij,bjk->bik", _array(2, 3, 4), WS),
        ("einsum_vectors", "bij,jb->bi", _array(3, 2), WS),
        ("einsum_matrices", "bij,bkj->kbi", A243, WS),
        ("einsum_tensor", "iajb,jb->ia", A23, WIDE),
        ("einsum_product", "iajb,jbk->kia", _array(2, 3, 4), WIDE),
        ("einsum_products", "hiajb,hjb->hia", _array(2, 2, 3), WIDES),
    ):
        known = {"subscripts": s, "a": w}
        yield name, x, known, lambda x, s=s, w=w: jnp.einsum(s, w, x)
    known = {"subscripts": "i,bi->ib", "a": A3}
    yield "einsum_scaling", A23, known, lambda x: jnp.einsum("i,bi->ib", A3, x)
    yield "solve_for_vector", A3, {"a": W}, lambda x: jnp.linalg.solve(W, x)
    yield "solve_for_columns", A34, {"a": W}, lambda x: jnp.linalg.solve(W, x)
    yield "solve", A34, {"a": W}, lambda x: jnp.linalg.solve(W, x)
    B = _square(seed=9)
    yield "solve_with_unknown_matrix", W, {"b": B}, lambda x: jnp.linalg.solve(x, B)
    yield "inv", W, {}, jnp.linalg.inv
    yield "inv", WS, {}, jnp.linalg.inv
    for lower, transpose in ((True, False), (False, True)):
        for name, unit in (("triangular", False), ("unit_triangular", True)):
            options = {"lower": lower, "transpose_a": transpose, "unit_diagonal": unit}
            run = lambda x, o=options: lax.linalg.triangular_solve(W, x, **o)
            yield f"{name}_solve_from_the_right", A23, {"a": W, **options}, run
    for lower in (True, False):
        known = {"c_and_lower": (W, lower)}
        for x in (A3, A34):
            yield "cho_solve", x, known, lambda x, c=(W, lower): jax.scipy.linalg.cho_solve(c, x)
    lu = (W, np.array([2, 1, 2], np.int32))
    for x in (A3, A34):
        known = {"lu_and_piv": lu, "trans": 0}
        yield "lu_solve", x, known, lambda x: jax.scipy.linalg.lu_solve(lu, x)
        known = {"lu_and_piv": lu, "trans": 1}
        yield "lu_solve_transposed", x, known, lambda x: jax.scipy.linalg.lu_solve(lu, x, trans=1)
    triangular = jax.scipy.linalg.solve_triangular
    for name, trans, unit in (
        ("solve_triangular", 0, False),
        ("solve_triangular_transposed", "T", False),
        ("solve_unit_triangular", 0, True),
        ("solve_unit_triangular_transposed", 1, True),
    ):
        for lower in (True, False):
            for x in (A3, A34):
                options = {"trans": trans, "lower": lower, "unit_diagonal": unit}
                known = {"a": W, **options}
                yield name, x, known, lambda x, o=options: triangular(W, x, **o)
    Z, ZS = _array(2, 4, dtype=complex), _array(2, 3, 4, dtype=complex)
    for norm, suffix in ((None, ""), ("ortho", "_unitary"), ("forward", "_forward")):
        for axis in (-1, 0):
            known = {"axis": axis, "norm": norm}
            ways = {"axis": axis, "norm": norm}
            yield f"fft{suffix}", Z, known, lambda x, w=ways: jnp.fft.fft(x, **w)
            yield f"ifft{suffix}", Z, known, lambda x, w=ways: jnp.fft.ifft(x, **w)
        for axes in (None, (0, 2)):
            known = {"axes": axes, "norm": norm}
            yield f"fftn{suffix}", ZS, known, lambda x, w=known: jnp.fft.fftn(x, **w)
            yield f"ifftn{suffix}", ZS, known, lambda x, w=known: jnp.fft.ifftn(x, **w)
    known = {"axis": -1, "norm": None}
    yield "fft_of_real", A23, known, lambda x: jnp.fft.fft(x)
    yield "ifft_of_real", A23, known, lambda x: jnp.fft.ifft(x)
    for x in (A34, A23):
        yield "rfft", x, known, lambda x: jnp.fft.rfft(x)


def _transforms_of_images():
    for axis in (0, 1, -1):
        for norm in (None, "ortho"):
            kind = "" if norm is None else "_orthogonal"
            known = {"type": 2, "n": None, "axis": axis, "norm": norm}
            yield f"dct{kind}", A243, known, lambda x, a=axis, n=norm: fft.dct(x, axis=a, norm=n)
            yield f"idct{kind}", A243, known, lambda x, a=axis, n=norm: fft.idct(x, axis=a, norm=n)
    known = {"type": 2, "s": None, "axes": (0, 2), "norm": None}
    yield "dctn", A243, known, lambda x: fft.dctn(x, axes=(0, 2))
    yield "idctn", A243, known, lambda x: fft.idctn(x, axes=(0, 2))
    known = {"s": None, "axes": (0, 2), "norm": "ortho"}
    yield "rfftn", A243, known, lambda x: jnp.fft.rfftn(x, axes=(0, 2), norm="ortho")
    known = {"type": 2, "s": None, "axes": (0, 2), "norm": "ortho"}
    yield "dctn_orthogonal", A243, known, lambda x: fft.dctn(x, axes=(0, 2), norm="ortho")
    yield "idctn_orthogonal", A243, known, lambda x: fft.idctn(x, axes=(0, 2), norm="ortho")
    first, last = _square()[:, :, None, None], _square()[None, None]
    known = {"rhs": first, "window_strides": (1, 1), "padding": "SAME"}
    yield "conv_of_one_tap", _array(2, 3, 2, 4), known, lambda x: lax.conv(x, first, (1, 1), "SAME")
    for name, shape, kernel, numbers in (
        ("conv_of_one_tap_by_first_axes", (2, 3, 2, 4), first, None),
        ("conv_of_one_tap_by_first_axes", (2, 3, 2, 4), first, ("NCHW", "IOHW", "NHWC")),
        ("conv_of_one_tap_by_last_axes", (2, 2, 4, 3), last, ("NHWC", "HWIO", "NHWC")),
        ("conv_of_one_tap_by_last_axes", (2, 3, 2, 4), last, ("NCHW", "HWOI", "NHWC")),
    ):
        known = {"rhs": kernel, "window_strides": (1, 1), "dimension_numbers": numbers}
        run = functools.partial(
            lax.conv_general_dilated,
            rhs=kernel,
            window_strides=(1, 1),
            padding="VALID",
            dimension_numbers=numbers,
        )
        yield name, _array(*shape), {**known, "padding": "VALID"}, run


def _sequences():
    for axis in (0, 1, -1):
        known = {"axis": axis, "reverse": False}
        yield "cumsum", A243, known, lambda x, a=axis: jnp.cumsum(x, a)
        yield "cumprod", A243, known, lambda x, a=axis: jnp.cumprod(x, a)
    back = {"axis": 1, "reverse": True}
    yield "cumsum_reversed", A243, back, lambda x: lax.cumsum(x, 1, reverse=True)
    yield "cumprod_reversed", A243, back, lambda x: lax.cumprod(x, 1, reverse=True)
    yield "cumlogsumexp_reversed", A243, back, lambda x: lax.cumlogsumexp(x, 1, reverse=True)
    yield "cumsum_of_all", A23, {"reverse": False}, lambda x: jnp.cumsum(x).reshape(-1)
    yield "cumprod_of_all", A23, {"reverse": False}, lambda x: jnp.cumprod(x)
    on = {"axis": 1, "reverse": False}
    yield "cumlogsumexp", A243, on, lambda x: lax.cumlogsumexp(x, 1)
    for side in (0.5, _array(2, 1), _array(2, 1, seed=3)):
        known = {"n": 1, "axis": -1}
        run = lambda x, s=side: jnp.diff(x, prepend=s)
        yield "diff_from", A23, {**known, "prepend": side}, run
        run = lambda x, s=side: jnp.diff(x, append=s)
        yield "diff_until", A23, {**known, "append": side}, run


def _unusual():
    """Rules for numbers that are not real."""
    z, bits, bools = _array(4, dtype=complex), np.arange(5, dtype=np.int32), np.array([True, False])
    yield "conj", z, {}, jnp.conj
    for dtype in (np.int8, np.uint32, np.int64):
        x = np.array([0, 1, 100, 255, -7 % 256]).astype(dtype)
        for m in (3, 5, 101, *((-3,) if dtype is not np.uint32 else ())):
            yield "multiply_odd_1", x, {"x2": m}, lambda x, m=m: x * m
            yield "multiply_odd_2", x, {"x1": m}, lambda x, m=m: m * x
    yield "bitwise_xor_1", bits, {"x2": 12}, lambda x: x ^ 12
    yield "bitwise_xor_2", bits, {"x1": 12}, lambda x: 12 ^ x
    yield "logical_xor_1", bools, {"x2": bools}, lambda x: jnp.logical_xor(x, bools)
    yield "logical_xor_2", bools, {"x1": bools}, lambda x: jnp.logical_xor(bools, x)
    yield "invert", bits, {}, jnp.invert
    yield "logical_not", bools, {}, jnp.logical_not
    yield "complex_of_real", A3, {"imag": A3}, lambda x: lax.complex(x, A3)
    yield "complex_of_imag", A3, {"real": A3}, lambda x: lax.complex(A3, x)
    for name in ("add_1", "subtract_1", "multiply_1", "divide_1"):
        fn = _rules_named(name)[0].fn
        yield name, z, {"x2": 2j}, lambda x, fn=fn: fn(x, 2j)
    yield "reciprocal", z, {}, jnp.reciprocal
    known = {"new_dtype": jnp.int64}
    yield "bitcast", A3, known, lambda x: lax.bitcast_convert_type(x, jnp.int64)


__all__ = [
    "ConcreteFacts",
    "NoFacts",
    "Sample",
    "call_and_facts",
    "elementwise_samples",
    "written_samples",
]
