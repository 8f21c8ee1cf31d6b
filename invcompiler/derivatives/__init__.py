"""Derivatives as source: `adjoint`, `tangent`, `vjp`, `jvp`, `grad`, `value_and_grad`.

Each is compiled at the first call with arguments of a new signature: what is emitted holds for their shapes, dtypes and static
values, and reads as if written for them.
"""

from invcompiler.derivatives.adjoints import Adjoint, Residuals, adjoint, pair_of
from invcompiler.derivatives.derivative import Derivative
from invcompiler.derivatives.gradients import grad, value_and_grad
from invcompiler.derivatives.makers import Maker
from invcompiler.derivatives.pullbacks import vjp
from invcompiler.derivatives.tangents import Tangent, jvp, tangent
from invcompiler.derivatives.targets import Argnums

__all__ = [
    "Adjoint",
    "Argnums",
    "Derivative",
    "Maker",
    "Residuals",
    "Tangent",
    "adjoint",
    "grad",
    "jvp",
    "pair_of",
    "tangent",
    "value_and_grad",
    "vjp",
]
