"""What every run of pytest here needs: less time (`--share N`, a cache of what XLA compiles), names for doctests."""

import collections
import zlib

import jax
import pytest


def pytest_configure(config):
    """Keep what XLA compiles: most programs of the tests are those of the last run."""
    jax.config.update("jax_compilation_cache_dir", str(config.rootpath / "build" / "jax-cache"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_addoption(parser):
    parser.addoption(
        "--share",
        type=int,
        default=1,
        metavar="N",
        help="of the cases of each parametrised test run one in N, of each test different ones",
    )


def pytest_report_header(config):
    share = config.getoption("--share")
    return f"share: one in {share} of the cases of each parametrised test" if share > 1 else None


def pytest_collection_modifyitems(config, items):
    """Keep one in N of the cases of a test. Which ones depends on its name: laws share programs out among them."""
    share = config.getoption("--share")
    seen = collections.Counter()
    kept, left_out = [], []
    for item in items:
        test = item.nodeid.partition("[")[0]
        number = seen[test] + zlib.crc32(test.encode())
        seen[test] += 1
        is_chosen = not hasattr(item, "callspec") or number % share == 0
        (kept if is_chosen else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = kept


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
