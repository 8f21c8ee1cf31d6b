"""What every test of the project runs under: double precision, on the processor."""

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
