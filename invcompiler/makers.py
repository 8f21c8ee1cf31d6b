"""How each generated product of inversion is made: generically when it is asked for, specialised when it is called."""

from __future__ import annotations

import inspect
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from invcompiler.errors import (
    DegreesOfFreedomError,
    InformationDroppedError,
    InvcompilerError,
    ShapeError,
)
from invcompiler.frontend import is_jitted
from invcompiler.generated import Program, place_of, program_of
from invcompiler.ir.build import literal
from invcompiler.ir.interval import Interval, parse_domain
from invcompiler.ir.nodes import (
    Apply,
    Capture,
    Const,
    Function,
    Param,
    ParameterKind,
    Ref,
    Span,
    Var,
)
from invcompiler.passes.invert import Product
from invcompiler.passes.normalise_structures import waits_for_structure
from invcompiler.passes.recognise import recognise
from invcompiler.pipeline import Compilation, compile_inverse, read_now_or_later
from invcompiler.probed_shapes import probed
from invcompiler.schedule.callees import unwrapped
from invcompiler.schedule.facts import Facts, concrete_facts, symbolic_facts
from invcompiler.schedule.open_questions import is_open
from invcompiler.shapes_of_inputs import candidates, described, matches

# What a function of the user's may raise when it is tried on shapes that are not its own.
REFUTATIONS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError)

# On what a refusal is tried: unknown and known arguments. Sizes are such that no slice of a few elements is all of them.
_VECTOR, _MATRIX = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((12,), (12, 12)))
_ARRAYS = ((_VECTOR, _VECTOR), (_MATRIX, _MATRIX))
_OTHERS = tuple(
    (one, rest)
    for one in (_VECTOR, [_VECTOR] * 3, (_VECTOR,) * 3, {"a": _VECTOR, "b": _VECTOR})
    for rest in (_VECTOR, 3)
)
_VARIADIC = (ParameterKind.VAR_POSITIONAL, ParameterKind.VAR_KEYWORD)


@dataclass(frozen=True)
class Request:
    """What the user asked for, checked."""

    f: Any
    argnums: int | tuple[int, ...]
    example: Any
    domain: Any
    numeric: bool
    batch_ndims: int
    product: Product


def checked(
    f: Any,
    argnums: Any,
    example: Any,
    domain: Any,
    numeric: Any,
    batch_ndims: Any,
    product: Product,
) -> Request:
    """Return the request; raise TypeError or ValueError for what cannot be one."""
    if not callable(f):
        raise TypeError(f"expected a function, got {type(f).__name__}: {f!r}")
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        raise TypeError(f"`argnums` must be an int or a tuple of ints, got {argnums!r}")
    if not numbers:
        raise ValueError("`argnums` must name at least one argument, got ()")
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"`argnums` names an argument twice: {argnums!r}")
    if not isinstance(numeric, bool):
        raise TypeError(f"`numeric` must be a bool, got {numeric!r}")
    if isinstance(batch_ndims, bool) or not isinstance(batch_ndims, int):
        raise TypeError(f"`batch_ndims` must be an int, got {batch_ndims!r}")
    if batch_ndims < 0:
        raise ValueError(f"`batch_ndims` must not be negative, got {batch_ndims}")
    if isinstance(argnums, tuple) and example is not None:
        if not isinstance(example, tuple) or len(example) != len(argnums):
            raise ValueError("`example` must be a tuple with one value for each of `argnums`")
    as_tuple = isinstance(argnums, tuple) and not product.forward
    product = replace(product, batch_ndims=batch_ndims, as_tuple=as_tuple)
    return Request(f, argnums, example, domain, numeric, batch_ndims, product)


@dataclass(eq=False)
class InverseMaker:
    """Makes the programs of one generated inverse, ILDJ, or both; of FLDJ too."""

    request: Request
    rebuild: Callable[..., Any]
    function: Function = field(init=False)
    unknown: tuple[Var, ...] = field(init=False)

    def __post_init__(self) -> None:
        request = self.request
        self.function = read_now_or_later(request.f)
        positional = [
            p
            for p in self.function.params
            if p.kind in (ParameterKind.POSITIONAL_ONLY, ParameterKind.POSITIONAL_OR_KEYWORD)
        ]
        numbers = self._numbers(len(positional))
        self.unknown = tuple(positional[n].var for n in numbers)
        # known code stays as it is written: what it is given may not be what an idiom is for
        self.function = recognise(self.function, unknown=self.unknown)
        self.intervals(self.function)
        self._inverse: tuple[Program | None] | None = None
        self._captures: dict[str, Capture] = {}
        self._defaults = self._captured_defaults()
        self._depends: dict[Any, tuple[Capture, Any]] = {}
        self._rest_on((self.function,))

    def _numbers(self, count: int) -> tuple[int, ...]:
        argnums = self.request.argnums
        numbers = argnums if isinstance(argnums, tuple) else (argnums,)
        for n in numbers:
            if not -count <= n < count:
                raise ValueError(
                    f"`argnums={argnums}` is out of range: `{self.function.name}` takes "
                    f"{count} positional argument{'s' * (count != 1)}"
                )
        found = tuple(n % count for n in numbers)
        if len(set(found)) != len(found):
            raise ValueError(f"`argnums` names an argument twice: {argnums!r}")
        return found

    def _declared(self) -> dict[Var, Any]:
        domain = self.request.domain
        if domain is None:
            return {}
        if not isinstance(self.request.argnums, tuple):
            return {self.unknown[0]: _parsed(domain)}
        if isinstance(domain, str | Interval):
            return {var: _parsed(domain) for var in self.unknown}
        if not isinstance(domain, tuple | list) or len(domain) != len(self.unknown):
            raise ValueError("`domain` must be one domain, or one for each of `argnums`")
        return {var: _parsed(d) for var, d in zip(self.unknown, domain, strict=True)}

    def intervals(self, function: Function) -> dict[Var, Interval]:
        """Return where the values of a form of the function live, as far as that was declared."""
        return spread(function, self._declared())

    # ---- what the generated callable looks like ---------------------------------------------

    @property
    def describes(self) -> Any:
        return self.request.f

    @property
    def name(self) -> str:
        return f"{self.function.name}_{self.request.product.suffix}"

    @property
    def doc(self) -> str:
        return f"{self.name}: generated from `{self.function.name}`."

    @property
    def signature(self) -> inspect.Signature:
        """`(y, *known)` for what goes back, the signature of the function itself for FLDJs."""
        captured = dict(self.function.captures)
        params = [_parameter(p, captured) for p in self.function.params]
        if self.request.product.forward:
            return inspect.Signature(params)
        names = {var.name for var in self.unknown}
        known = [p for p in params if p.name not in names]
        output = next(
            n for n in ("y", "out", "output", "y_out") if n not in {p.name for p in known}
        )
        positional_only = any(p.kind is inspect.Parameter.POSITIONAL_ONLY for p in known)
        kind = "POSITIONAL_ONLY" if positional_only else "POSITIONAL_OR_KEYWORD"
        first = inspect.Parameter(output, getattr(inspect.Parameter, kind))
        return _signature([first, *known])

    def reduce(self) -> Any:
        r = self.request
        return (
            self.rebuild,
            (r.product, r.f, r.argnums, r.example, r.domain, r.numeric, r.batch_ndims),
        )

    # ---- programs ---------------------------------------------------------------------------

    def generic(self) -> Program | InvcompilerError:
        """Return the program for any shapes, or the error that says why there is none, if it may not hold for all arguments.

        Where that depends on known arguments which have defaults, it is the program for these.
        """
        try:
            return self._compile(self._symbolic(defaults=False))
        except InvcompilerError as error:
            refusal = error
        if any(param.default is not None for param in self.function.params):
            try:
                return self._compile(self._symbolic(defaults=True))
            except InvcompilerError as error:
                refusal = error if isinstance(error, ShapeError) else refusal
        if not isinstance(refusal, ShapeError) and not self._may_be_lifted(refusal):
            raise refusal
        return refusal

    def _may_be_lifted(self, refusal: InvcompilerError) -> bool:
        """Whether a refusal may not hold for arguments of some shapes or structure: tried on arrays, and then on containers of them.

        Where the function takes none of these, what stands at the place of the refusal decides.
        """
        for kinds in (_ARRAYS, _OTHERS):
            found = (self._facts(arguments) for arguments in self._hypothetical(kinds))
            tried = [facts for facts in found if facts is not None]
            if tried:
                is_sure = kinds is _ARRAYS and isinstance(refusal, InformationDroppedError)
                return not is_sure and any(map(self._compiles, tried))
        if self.function.source is None and self.function.again is not None:
            return True  # it is read for a call, of which nothing is known yet
        return is_open(self.function, self.unknown, refusal.span, waits_for_structure)

    def _facts(self, arguments: dict[Var, Any]) -> Facts | None:
        """Return the facts for some arguments, or None if the function does not take them."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # the function may say what it likes of arguments that are not the user's
                return concrete_facts(self.function, arguments)
        except (*REFUTATIONS, RecursionError):
            return None

    def _compiles(self, facts: Facts) -> bool:
        try:
            self._compile(facts)
        except (InvcompilerError, *REFUTATIONS):  # a stated rule may not take such arguments either
            return False
        return True

    def _hypothetical(self, kinds: tuple[tuple[Any, Any], ...]) -> Iterator[dict[Var, Any]]:
        """Yield arguments of a few kinds, the same for all that have neither an example nor a default."""
        examples = self._examples()
        wanted = [
            p.var
            for p in self.function.params
            if p.default is None and p.kind not in _VARIADIC and p.var not in examples
        ]
        unknown = [var for var in wanted if var in self.unknown]
        for one, rest in kinds:
            yield {**dict.fromkeys(wanted, rest), **dict.fromkeys(unknown, one), **examples}

    def _symbolic(self, defaults: bool) -> Facts:
        return symbolic_facts(
            self.function, self._examples(), unknown=self.unknown, defaults=defaults
        )

    def generic_inverse(self) -> Program | None:
        """Return the generic inverse, whose shapes tell those of the unknowns; None if there is none."""
        if self._inverse is None:
            facts = symbolic_facts(self.function, unknown=self.unknown, defaults=False)
            try:
                self._inverse = (self._compile(facts, Product(inverse=True)),)
            except InvcompilerError:
                self._inverse = (None,)
        return self._inverse[0]

    def _examples(self) -> dict[Var, Any]:
        example = self.request.example
        if example is None:
            return {}
        values = example if isinstance(self.request.argnums, tuple) else (example,)
        return dict(zip(self.unknown, values, strict=True))

    def _compile(self, facts: Facts, product: Product | None = None) -> Program:
        compilation = compile_inverse(
            self.function,
            self.unknown,
            facts,
            self.intervals,
            product or self.request.product,
            self.request.numeric,
        )
        return self._program(compilation)

    def _program(self, compilation: Compilation) -> Program:
        program = program_of(compilation.function, compilation.rests_on, compilation.relied)
        for _, capture in program.text.captures:
            self._captures.setdefault(place_of(capture), capture)
        self._rest_on(compilation.rests_on)
        return program

    def _rest_on(self, functions: tuple[Function, ...]) -> None:
        """Remember what these functions were read from: it is looked at again at each call."""
        found = (dependency for function in functions for dependency in function.depends)
        more = {(place_of(capture), id(value)): (capture, value) for capture, value in found}
        self._depends = {**self._depends, **more}  # another thread may be walking over the old one

    def specialise(self, bound: Mapping[str, Any]) -> Program:
        """Return the program for arguments of these shapes, dtypes and static values."""
        if self.request.product.forward:
            facts = concrete_facts(self.function, self._arguments(bound))
            self._check_degrees(facts, facts.output)
            return self._compile(facts)
        names = [p.name for p in self.signature.parameters.values()]
        y = bound[names[0]]
        known = self._arguments({k: v for k, v in bound.items() if k != names[0]})
        facts = self._verified(y, known)
        self._check_degrees(facts, facts.output)
        return self._compile(facts)

    def _arguments(self, bound: Mapping[str, Any]) -> dict[Var, Any]:
        return {p.var: bound[p.var.name] for p in self.function.params if p.var.name in bound}

    def _verified(self, y: Any, known: dict[Var, Any]) -> Facts:
        """Return the facts for the shapes that the unknowns have, given those of the output."""
        tried = None
        examples = self._examples()
        for guess in candidates(self, y, known, examples):
            try:
                facts = concrete_facts(self.function, {**known, **guess})
            except REFUTATIONS as error:
                if examples:
                    raise
                tried = error
                continue
            if matches(facts.output, y):
                return facts
        if examples:
            raise self._contradicted(y)
        found = self._by_trial(y, known)
        if found is None:
            raise self._no_guess(y) from tried
        return found

    def _by_trial(self, y: Any, known: dict[Var, Any]) -> Facts | None:
        """Return the facts for the one shape of the unknown that gives the output, of those that are tried; or None."""
        leaves = jax.tree.leaves(described(y))
        arrays = all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves)
        if len(self.unknown) != 1 or not arrays or len({leaf.dtype for leaf in leaves}) != 1:
            return None
        found: dict[tuple[int, ...], Facts] = {}

        def fits(shape: tuple[int, ...]) -> bool:
            guess = {self.unknown[0]: jax.ShapeDtypeStruct(shape, leaves[0].dtype)}
            try:
                facts = concrete_facts(self.function, {**known, **guess})
            except REFUTATIONS:
                return False
            if matches(facts.output, y):
                found[shape] = facts
            return shape in found

        shape = probed([leaf.shape for leaf in leaves], fits)
        return None if shape is None else found[shape]

    def _contradicted(self, y: Any) -> ShapeError:
        return ShapeError(
            f"`example` contradicts the output: `{self.function.name}` of it is not of shape {_shapes(y)}",
            span=result_span(self.function),
            function=self.function.name,
            label="this is the output",
            known=("the output",),
            hint="pass an example of the shape and dtype of the unknown",
        )

    def _no_guess(self, y: Any) -> ShapeError:
        names = ", ".join(var.name or "?" for var in self.unknown)
        return ShapeError(
            f"the shape of `{names}` does not follow from an output of shape {_shapes(y)}",
            span=result_span(self.function),
            function=self.function.name,
            known=("the output",),
            missing=(f"the shape of {names}",),
            hint="pass `example=`, an array or a `jax.ShapeDtypeStruct` like the unknown",
        )

    def _check_degrees(self, facts: Facts, output: Any) -> None:
        if not self.request.product.ildj:
            return
        for var in self.unknown:
            if holds_integers(facts.of(var)):
                raise integers_have_none(self.function, var)
        inputs = sum(real_elements(facts.of(var)) for var in self.unknown)
        outputs = real_elements(output)
        if inputs != outputs:
            raise degrees_differ(self.function, inputs, outputs)

    # ---- staying true -----------------------------------------------------------------------

    def is_current(self) -> bool:
        return all(capture.read() is value for capture, value in self._depends.values())

    @property
    def sorts_dicts(self) -> bool:
        """Whether the function sees dicts in the order of their keys: JAX hands them to jitted code so."""
        return is_jitted(unwrapped(self.request.f))

    def can_jit(self, program: Program) -> bool:
        return True

    def renewed(self) -> InverseMaker:
        return InverseMaker(self.request, self.rebuild)

    def defaults(self) -> dict[str, Any]:
        """Return today's values of the defaults that text cannot state: captured arrays, numbers of a partial."""
        return {name: capture.read() for name, capture in self._defaults.items()}

    def _captured_defaults(self) -> dict[str, Capture]:
        captured = dict(self.function.captures)
        return {
            p.var.name: captured[p.default]
            for p in self.function.params
            if isinstance(p.default, Var) and p.var not in self.unknown and p.var.name
        }

    def captured(self) -> dict[str, Any]:
        return {place: capture.read() for place, capture in self._captures.items()}

    def holds(self, program: Program) -> bool:
        """Whether captured arrays whose elements the program rests on are what they were."""
        return all(reliance.holds() for reliance in program.relied)


def spread(function: Function, declared: dict[Var, Any]) -> dict[Var, Interval]:
    """Return the intervals of the parameters and of the parts of them that the text reads, from a pytree prefix of domains."""
    found = dict(declared)
    for equation in function.body.equations:
        if not isinstance(equation, Apply) or not isinstance(equation.fn, Ref):
            continue
        if equation.fn.value not in (operator.getitem, getattr):
            continue
        whole, key = equation.args
        domain = found.get(whole) if isinstance(whole, Var) else None
        if domain is not None and isinstance(key, Const):
            part = _part(domain, key.value)
            if part is not None:
                found[equation.out] = part
    return {var: domain for var, domain in found.items() if isinstance(domain, Interval)}


def _part(domain: Any, key: Any) -> Any:
    """Return the domain of one item of what has `domain`; a single one is that of all items."""
    if isinstance(domain, Interval):
        return domain
    if isinstance(key, str) and not isinstance(domain, dict):
        return getattr(domain, key, None)
    try:
        return domain[key]
    except (LookupError, TypeError):
        return None


def _parsed(domain: Any) -> Any:
    if isinstance(domain, str | Interval):
        return parse_domain(domain)
    return jax.tree.map(parse_domain, domain, is_leaf=lambda d: isinstance(d, str | Interval))


def _parameter(param: Param, captured: Mapping[Var, Capture]) -> inspect.Parameter:
    default = inspect.Parameter.empty
    if isinstance(param.default, Var):
        default = captured[param.default].read()
    elif param.default is not None:
        known = literal(param.default)
        default = default if known is None else known[0]
    assert param.var.name is not None
    return inspect.Parameter(param.var.name, param.kind, default=default)


def _signature(params: list[inspect.Parameter]) -> inspect.Signature:
    """Return the signature; a parameter without default behind one with a default becomes keyword-only there."""
    return inspect.Signature(params)


def real_elements(value: Any) -> int:
    """Return how many real numbers an abstract value holds; a complex one counts two."""
    items = getattr(value, "items", None)
    if isinstance(items, tuple):
        return sum(map(real_elements, items))
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple):
        return 0
    dtype = getattr(value, "dtype", None)
    is_complex = dtype is not None and np.issubdtype(dtype, np.complexfloating)
    return int(np.prod(shape)) * (2 if is_complex else 1)


def result_span(function: Function) -> Span | None:
    """Return where the result is made: the last expression of the text."""
    spans = [e.span for e in function.body.equations if e.span is not None]
    return max(spans, key=lambda s: (s.end_line, s.end_col)) if spans else function.span


def holds_integers(value: Any) -> bool:
    items = getattr(value, "items", None)
    if isinstance(items, tuple):
        return any(map(holds_integers, items))
    dtype = getattr(value, "dtype", None)
    return dtype is not None and dtype.kind in "iub"


def integers_have_none(function: Function, var: Var) -> DegreesOfFreedomError:
    return DegreesOfFreedomError(
        f"`{var.name}` of `{function.name}` holds integers: a map of integers has no log-det-Jacobian",
        span=result_span(function),
        function=function.name,
        label="integers in, integers out",
        hint="`inv.inverse` works; for a density, cast to floats first",
    )


def degrees_differ(function: Function, inputs: int, outputs: int) -> DegreesOfFreedomError:
    return DegreesOfFreedomError(
        f"`{function.name}` maps {inputs} real numbers to {outputs}: it has no log-det-Jacobian",
        span=result_span(function),
        function=function.name,
        label="inputs and outputs differ in degrees of freedom",
        hint="`inv.inverse` may still work; for a log-det, return as many numbers as go in",
    )


def _shapes(y: Any) -> str:
    leaves = [str(np.shape(leaf)) for leaf in jax.tree.leaves(y)]
    return leaves[0] if len(leaves) == 1 else f"({', '.join(leaves)})"
