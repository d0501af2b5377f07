"""What pyproject.toml has no words for: all packages, those of `sim` under the name screwpush_sim."""

from setuptools import find_packages, setup

SIM = ["screwpush_sim", *(f"screwpush_sim.{name}" for name in find_packages("sim"))]

setup(packages=[*find_packages(include=["screwpush_jax", "screwpush_jax.*"]), *SIM])
