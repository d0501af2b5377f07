"""What a policy is worth: fixed unseen episodes, a success rate with its interval, baselines."""

import dataclasses
from collections.abc import Callable

import jax
import numpy as np

from screwpush_jax import compiled, trial
from screwpush_jax.ppo.types import Policy
from screwpush_jax.score import wilson_interval
from screwpush_jax.setup import World
from screwpush_jax.tasks.task import Bank
from sim.state import SimState


@dataclasses.dataclass(frozen=True)
class Result:
    """Figures over the episodes of one evaluation."""

    episodes: int
    success_rate: float
    success_low: float
    success_high: float
    out_of_area: float
    invalid: float
    episode_len: float
    """Mean control steps of an episode."""
    return_: float

    def sentence(self) -> str:
        """One line for people."""
        return (
            f"{self.success_rate:7.2%} success (95 % interval {self.success_low:.2%} to"
            f" {self.success_high:.2%}), {self.out_of_area:.2%} out of area,"
            f" {self.invalid:.2%} invalid, {self.episode_len:.0f} steps, return {self.return_:.2f}"
        )


def examine(world: World, policy: Policy, seed: int, baselines: bool) -> dict[str, Result]:
    """The learned policy and, if asked, the baselines, on the same unseen start states.

    Raises:
      sim.errors.SimError: the physics failed, or was wrong more often than allowed.
    """
    tried = compiled.compile_trial(world.parts)
    bank = unseen_bank(world, seed)
    names = list(trial.POLICIES) if baselines else ["learned"]
    results = {}
    for name in names:
        exam = run_episodes(world, tried, policy, bank, name, seed)
        world.sim.report()()
        results[name] = judge(exam)
    return results


def unseen_bank(world: World, seed: int) -> Bank:
    """One start state for each environment."""
    sim = world.sim
    return world.task.build_bank(sim, sim.spec.num_envs, seed, compiled.jit_once)


def run_episodes(
    world: World,
    tried: compiled.Trial,
    policy: Policy,
    bank: Bank,
    name: str,
    seed: int,
    watch: Callable[[SimState], None] | None = None,
) -> trial.Exam:
    """Runs episode n from start n of `bank` in environment n, all at once, to their ends.

    `name` says who acts, and `watch` sees each step's state. An engine may tell only in its next
    report that these steps have failed: read it before the exam is used.
    """
    sim, parts = world.sim, world.parts
    kind = np.int32(list(trial.POLICIES).index(name))
    unpack = compiled.jit_once(parts.unpack)
    exam = tried.begin(bank, jax.random.key(seed))
    policy, bank, exam = compiled.place((policy, bank, exam))
    for _ in range(parts.task.horizon + 1):
        targets, mask, views, exam = tried.step(bank, policy, kind, exam=exam, views=sim.views())
        sim.write(mask, views)
        if watch is not None:
            watch(unpack(views))
        sim.step(targets)
    return exam


def judge(exam: trial.Exam) -> Result:
    """Figures of the ended episodes."""
    count = exam.done.shape[0]
    mean = {
        name: float(np.mean(np.asarray(getattr(exam, name))))
        for name in ("success", "out", "invalid", "length", "return_")
    }
    low, high = wilson_interval(mean["success"], count)
    return Result(
        count,
        mean["success"],
        low,
        high,
        mean["out"],
        mean["invalid"],
        mean["length"],
        mean["return_"],
    )
