"""The transforms that other libraries ship, each with a plain forward function, or the reason why it has none."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

PEERS = ("Oryx", "distrax", "TFP", "FlowJAX", "NumPyro", "FrEIA")


@dataclasses.dataclass(frozen=True, eq=False)
class Transform:
    """A forward function and arguments for it, the first of which is recovered; `ships` names it in each library that has it.

    `density`: whether it maps as many numbers as it returns, so that there is a log-det.
    """

    function: Callable
    arguments: tuple
    ships: Mapping[str, str]
    options: Mapping[str, Any]
    density: bool = True


TRANSFORMS: list[Transform] = []


def ships(*arguments, density=True, domain=None, example=None, **names):
    """Register the decorated function as what the libraries in `names` call so (a name each, or several with ` / `)."""
    given = {"domain": domain, "example": example}
    options = {key: value for key, value in given.items() if value is not None}
    assert set(names) <= set(PEERS), names

    def register(function):
        TRANSFORMS.append(Transform(function, arguments, names, options, density))
        return function

    return register


# Without one forward function in closed form, or without a closed form of its inverse.
WITHOUT: dict[str, dict[str, str]] = {
    "distrax": {
        "Block / Chain / Inverse / Lambda": "combine others: calls and `inv.inverse`",
    },
    "TFP": {
        "Blockwise / Chain / Invert / Inline / JointMap / Composition": "combine others: calls and `inv.inverse`",
        "FFJORD": "an ordinary differential equation",
        "LambertWTail": "no closed form of the Lambert function in JAX",
        "Softfloor": "a sum of sigmoids: no closed form",
        "GeneralizedPareto": "its two cases are two functions here, by the sign of a static parameter",
    },
    "FlowJAX": {
        "Chain / Invert / Scan / Vmap / Sandwich / Stack / EmbedCondition": "combine others: calls, `lax.scan`, `jax.vmap`",
        "BlockAutoregressiveNetwork": "no closed form: `numeric=True`",
        "NumericalInverse": "no closed form: `numeric=True`",
    },
    "NumPyro": {
        "ComposeTransform / IndependentTransform / UnpackTransform": "combine others: calls",
        "BlockNeuralAutoregressiveTransform": "no closed form: `numeric=True`",
        "L1BallTransform": "not injective on the boundary",
    },
    "FrEIA": {
        "GraphINN / SequenceINN / ReversibleGraphNet": "combine others: calls",
        "IResNetLayer": "no closed form: `numeric=True`",
        "GaussianMixtureModel": "a choice of a mixture component: no inverse of its own",
        "InvAutoFC / InvAutoConv2D": "its inverse is an approximation",
    },
}
