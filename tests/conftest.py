"""What the laws run under: double precision, and all laws of one program in one process."""

import jax
import pytest


@pytest.fixture(scope="module")
def double_precision():
    """Compute in float64, in a module that asks for it: doctests show what readers see, float32."""
    with jax.enable_x64(True):
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep tests of one `xdist_group` together, whatever `--dist` says: they share what is cached."""
    from xdist.scheduler import LoadGroupScheduling

    return LoadGroupScheduling(config, log)
