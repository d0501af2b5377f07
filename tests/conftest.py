"""Strict JAX for every test: no silent promotion of dtypes or ranks; quick compiling on the CPU."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# Most functions run a few times: on two cores all tests took 9:50 instead of 11:09.
if os.environ["JAX_PLATFORMS"] == "cpu":
    jax.config.update("jax_disable_most_optimizations", True)
