"""Names that doctests use without importing them."""

import pytest


@pytest.fixture(autouse=True)
def doctest_names(request):
    """Give doctests what their readers have: the package, jax, and the printers of the IR."""
    if type(request.node).__name__ == "DoctestItem":
        request.getfixturevalue("doctest_namespace").update(_names())


def _names():
    import jax
    import jax.numpy as jnp

    from invcompiler import errors

    public = {name: getattr(errors, name) for name in dir(errors) if name.endswith("Error")}
    return {"jax": jax, "jnp": jnp, **public}
