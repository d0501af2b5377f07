"""What a policy is worth: fixed unseen episodes, a success rate with its interval, baselines."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import jax
import numpy as np

from screwpush_jax import compiled, outcomes
from screwpush_jax.build import World
from screwpush_jax.env import EnvState
from screwpush_jax.episodes import LEARNED, Episodes, policy_names
from screwpush_jax.figure_names import in_words, with_value
from screwpush_jax.outcomes import Outcomes
from screwpush_jax.score import wilson_interval
from screwpush_jax.tasks.task import Starts, Task
from screwpush_sim.protocol import Views
from screwpush_sim.state import SimState


@dataclasses.dataclass(frozen=True)
class Result:
    """Figures over the episodes of one evaluation."""

    episodes: int
    success_rate: float
    """Rate of the task's score."""
    success_low: float
    success_high: float
    shares: dict[str, float]
    """Of the task's other metrics those that are true or false."""
    means: dict[str, float]
    """Of the task's other metrics those that are numbers."""
    invalid: float
    episode_len: float
    """Mean control steps of an episode."""
    return_: float
    outcomes: Outcomes | None = dataclasses.field(default=None, repr=False, compare=False)
    """How each episode went; None where nobody kept that."""

    def row(self) -> dict[str, float]:
        """All figures by name, without levels."""
        row: dict[str, float] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "outcomes":
                row |= value if isinstance(value, dict) else {field.name: value}
        return row

    def sentence(self) -> str:
        """One line for people."""
        shares = self.shares | {"invalid": self.invalid}
        said = [f"{value:.2%} {in_words(name)}" for name, value in shares.items()]
        said += [with_value(name, f"{value:.4g}") for name, value in self.means.items()]
        return (
            f"{self.success_rate:7.2%} success (95 % interval {self.success_low:.2%} to"
            f" {self.success_high:.2%}), {', '.join(said)}, {self.episode_len:.0f} steps, return"
            f" {self.return_:.2f}"
        )


class Witness(Protocol):
    """Sees the episodes of a policy before each of their steps: `filming.camera.Camera`."""

    def prepare(self, starts: Starts, state: EnvState, views: Views) -> None: ...
    def begin(self) -> None: ...
    def see(self, starts: Starts, state: EnvState, views: Views) -> None: ...


def examine(
    world: World, policy: Any, seed: int, baselines: bool, witness: Witness | None = None
) -> dict[str, Result]:
    """The learned policy and, if asked, the baselines, on the same unseen start states.

    `witness` sees the learned one's episodes.

    Raises:
      SimError: the physics failed, or was wrong more often than allowed.
    """
    functions = compiled.compile_episodes(world.env, world.algorithm)
    starts = unseen_starts(world, seed)
    names = policy_names(world.task) if baselines else (LEARNED,)
    results = {}
    for name in names:
        sees = witness if name == LEARNED else None
        episodes = run_episodes(world, functions, policy, starts, name, seed, witness=sees)
        world.sim.report()()
        results[name] = summarize(world.task, episodes)
    return results


def unseen_starts(world: World, seed: int) -> Starts:
    """One start state for each environment."""
    sim = world.sim
    return world.task.starts(sim, sim.spec.num_envs, seed, compiled.jit)


def run_episodes(
    world: World,
    functions: compiled.EpisodeFunctions,
    policy: Any,
    starts: Starts,
    name: str,
    seed: int,
    watch: Callable[[SimState], None] | None = None,
    witness: Witness | None = None,
) -> Episodes:
    """Runs episode n from start n of `starts` in environment n, all at once, to their ends.

    `name` says who acts, `watch` sees each step's state, `witness` all that it comes from. An engine
    may tell only in its next report that these steps have failed: read it before the episodes are
    used.
    """
    sim, env = world.sim, world.env
    kind = np.int32(policy_names(env.task).index(name))
    unpack = compiled.jit(env.unpack)
    episodes = functions.init(starts, jax.random.key(seed))
    policy, starts, episodes = compiled.place((policy, starts, episodes))
    if witness is not None:
        witness.prepare(starts, episodes.env, sim.views())
        witness.begin()
    for _ in range(env.task.horizon + 1):
        views = sim.views()
        if witness is not None:
            witness.see(starts, episodes.env, views)
        control, mask, views, episodes = functions.step(
            starts, policy, kind, episodes=episodes, views=views
        )
        sim.write(mask, views)
        if watch is not None:
            watch(unpack(views))
        sim.step(control)
    return episodes


def summarize(task: Task, episodes: Episodes) -> Result:
    """Figures of the ended episodes."""
    kept = outcomes.read(task, episodes)
    figures, count = kept.figures, episodes.ended.shape[0]
    mean = {name: float(np.mean(figure)) for name, figure in figures.items()}
    low, high = wilson_interval(mean[task.score], count)
    others = [name for name in task.metrics if name != task.score]
    return Result(
        episodes=count,
        success_rate=mean[task.score],
        success_low=low,
        success_high=high,
        shares={name: mean[name] for name in others if figures[name].dtype == bool},
        means={name: mean[name] for name in others if figures[name].dtype != bool},
        invalid=mean["invalid"],
        episode_len=mean["episode_len"],
        return_=mean["return"],
        outcomes=kept,
    )
