"""Which learning algorithms there are. One is a folder of pure functions, and one entry here."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from screwpush_jax.algorithms.algorithm import Algorithm
from screwpush_jax.algorithms.common.sets import Sets
from screwpush_jax.algorithms.grpo.algorithm import GRPO
from screwpush_jax.algorithms.grpo.config import GRPOConfig
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.errors import UsageError


class Options(Protocol):
    """What everyone else may ask an algorithm's options, a frozen dataclass whose fields have defaults."""

    @property
    def num_minibatches(self) -> int: ...
    @property
    def num_shards(self) -> int: ...
    @property
    def schedule(self) -> str: ...
    @property
    def group_size(self) -> int:
        """G: environments in a row that start together from one start state; 1 for none."""
        ...

    def rollout_steps(self, horizon: int) -> int:
        """T: control steps of an update's rollout, of a task whose episodes end at `horizon`."""
        ...


@dataclasses.dataclass(frozen=True)
class AlgorithmDef:
    """An algorithm by its name, which is also that of its section in a configuration."""

    name: str
    options: type[Any]
    """A dataclass with the members of `Options`."""
    make: Callable[[Any, int, Mapping[str, int], int, Sets], Algorithm]
    """`(options, horizon, obs_sizes, action_size, obs_sets) -> algorithm`."""
    has_critic: bool = True
    """Whether it reads the observation `critic`, where a task shows one."""


def _ppo(
    options: PPOConfig, horizon: int, obs_sizes: Mapping[str, int], size: int, obs_sets: Sets
) -> PPO:
    del horizon
    return PPO(options, obs_sizes, size, obs_sets)


ALGORITHMS: dict[str, AlgorithmDef] = {
    one.name: one
    for one in (
        AlgorithmDef("ppo", PPOConfig, _ppo),
        AlgorithmDef("grpo", GRPOConfig, GRPO, has_critic=False),
    )
}
"""By name, in the order in which help lists them."""
DEFAULT = "ppo"


def find(name: str) -> AlgorithmDef:
    """The algorithm of this name.

    Raises:
      UsageError: there is none.
    """
    if name not in ALGORITHMS:
        raise UsageError(f"--algorithm {name!r}; valid: {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name]


def section_hint(section: str) -> str:
    """Whose options an unknown section of a configuration holds; empty if nobody's here."""
    return f" (it is of --algorithm {section})" if section in ALGORITHMS else ""
