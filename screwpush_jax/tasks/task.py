"""What a task is to everyone else: batched pure functions around a memory of its own.

What a task remembers between two steps (`M`) and what it derives from a state (`D`) are pytrees of
its own with leading axis N, which nobody else looks into; of `D` only `state` is known. One step of
an environment reads like this::

    derived = task.derive(memory, state)
    result, memory = task.step(memory, derived, invalid)  # of the control step that led to `state`
    obs = task.observe(memory, derived, time_left, key)
    control, memory = task.act(memory, derived, action)

`screwpush_jax.env` does that, with the clock, the ends and the restarts around it.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

import jax
from flax import struct

from screwpush_sim.physics import Name
from screwpush_sim.protocol import Simulator
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState

Jit = Callable[[Callable], Callable]
"""Compiles a pure function; handed in, because tasks compile nothing themselves."""
Starts = Any
"""Start states: a task's own pytree, whose leaves have the leading axis B."""


def as_it_is(function: Callable) -> Callable:
    """The `Jit` that leaves a function to run operation by operation."""
    return function


class StartsError(Exception):
    """Too few start states became what the configuration accepts."""


@struct.dataclass
class StepResult:
    """What came of one control step."""

    reward: jax.Array  # [N] the sum of `terms`
    terms: dict[str, jax.Array]  # [N] each, weighted
    terminated: jax.Array  # [N] bool
    metrics: dict[str, jax.Array]  # [N] each, of the episode; read at the step that ends it


class Derived(Protocol):
    """The part of what a task derives that others read."""

    @property
    def state(self) -> SimState: ...


M = TypeVar("M")
D = TypeVar("D", bound=Derived)
Baseline = Callable[[Any, Any, Any, jax.Array], jax.Array]
"""`(task, memory, derived, key) -> action [N, A]`: a policy written by hand."""


class Task(Protocol[M, D]):
    """Batched pure functions, and one host function that finds the start states.

    What a task may bring beside it, for viewers, videos, reports and exports, is in `optional.py`.
    """

    name: ClassVar[str]
    options: ClassVar[type]
    """Frozen dataclass of its options, all with defaults: the configuration's section `env`."""
    metrics: ClassVar[tuple[str, ...]]
    """Names of `StepResult.metrics`."""
    score: ClassVar[str]
    """The metric, 0 or 1 for each episode, whose rate picks the best checkpoint."""
    rows_per_start: ClassVar[int]
    """R: how many rows of the start states one start is put together from, independently."""
    baselines: ClassVar[Mapping[str, Baseline]]
    """Policies written by hand, by name."""

    def __init__(self, config: Any): ...

    def scene(self, physics: Name = "eval") -> Scene:
        """What the engines build their models from, to be stepped by the physics of that name."""
        ...

    @property
    def obs_layout(self) -> tuple[Any, ...]:
        """What stands where in the observation `policy`."""
        ...

    @property
    def obs_sizes(self) -> Mapping[str, int]:
        """O of each observation, by the names that `observe` gives."""
        ...

    @property
    def action_size(self) -> int: ...
    @property
    def horizon(self) -> int:
        """Control steps after which an episode is truncated."""
        ...

    @property
    def reward_keys(self) -> tuple[str, ...]:
        """Names of `StepResult.terms`."""
        ...

    @property
    def num_starts(self) -> int:
        """B: start states that training draws from."""
        ...

    def starts(self, sim: Simulator, size: int, seed: int, jit: Jit = as_it_is) -> Starts:
        """Finds B = `size` start states in `sim`, which it leaves in an arbitrary state.

        Raises:
          StartsError: hardly any state is one.
        """
        ...

    def abstract_starts(self, size: int) -> Starts:
        """Start states that are nothing but shapes: those of what a checkpoint brings."""
        ...

    def reset(self, starts: Starts, rows: jax.Array, key: jax.Array) -> tuple[D, M]:
        """Beginnings of episodes from the rows `[R, N]` of `starts`."""
        ...

    def derive(self, memory: M, state: SimState) -> D:
        """What `state` says, computed once."""
        ...

    def is_invalid(self, state: SimState) -> jax.Array:
        """Environments `[N]` whose physics blew up; to be replaced before anything else reads them."""
        ...

    def step(self, memory: M, derived: D, invalid: jax.Array) -> tuple[StepResult, M]:
        """What came of the step that led to `derived`. Invalid environments end with reward 0."""
        ...

    def observe(
        self, memory: M, derived: D, time_left: jax.Array, key: jax.Array
    ) -> dict[str, jax.Array]:
        """Observations `[N, O]`: `policy`, and `critic` where the critic may see more.

        `time_left [N]` is the part of the horizon that is left, from 1 to one step's.
        """
        ...

    def act(self, memory: M, derived: D, action: jax.Array) -> tuple[jax.Array, M]:
        """Takes the raw action `[N, A]` from `derived`: the control `[N, U]`, the next memory."""
        ...

    def hold(self, memory: M, derived: D) -> jax.Array:
        """The control `[N, U]` under which an environment stands still, or falls passively."""
        ...
