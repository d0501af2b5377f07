"""What every peer is given, and how each is timed. Legend: T steps, N environments, O obs, A action."""

import dataclasses
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks import record
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.config import config_type
from screwpush_jax.tasks import registry as tasks

WARM_UPS = 3
"""Updates before the clock starts: compilation, allocators, autotuning."""


class PeerError(Exception):
    """A peer that is installed did not do the work it was given."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One PPO update: its sizes, and the hyperparameters that all learners share."""

    num_envs: int
    num_steps: int
    obs_size: int
    action_size: int
    device: str
    """gpu or cpu"""
    ppo: PPOConfig

    @property
    def torch_device(self) -> str:
        return "cuda" if self.device == "gpu" else "cpu"

    @property
    def minibatch_size(self) -> int:
        """Samples in one gradient step."""
        return self.num_envs * self.num_steps // self.ppo.num_minibatches

    @property
    def gradient_steps(self) -> int:
        """Gradient steps in one update."""
        return self.ppo.num_epochs * self.ppo.num_minibatches


class Data(NamedTuple):
    """Random transitions on the host, float32 if not said otherwise, time first."""

    obs: np.ndarray  # [T, N, O]
    next_obs: np.ndarray  # [N, O] after the last step
    action: np.ndarray  # [T, N, A]
    log_prob: np.ndarray  # [T, N]
    value: np.ndarray  # [T, N]
    next_value: np.ndarray  # [T, N]
    reward: np.ndarray  # [T, N]
    terminated: np.ndarray  # [T, N] bool
    truncated: np.ndarray  # [T, N] bool


class Peer(NamedTuple):
    """A learner with a filled rollout."""

    prepare: Callable[[], None]  # not timed: refills what an update consumes
    update: Callable[[], None]  # timed: returns when the device has finished
    steps: Callable[[], int]  # gradient steps so far, from the optimiser's own counter


def make_problem(num_envs: int, num_steps: int, device: str) -> Problem:
    """Our task's sizes with our learner's default hyperparameters."""
    config = config_type()()
    task = tasks.find(config.task)(config.env)
    ppo = dataclasses.replace(config.ppo, num_steps=num_steps)
    return Problem(num_envs, num_steps, task.obs_sizes["policy"], task.action_size, device, ppo)


def random_data(problem: Problem) -> Data:
    """Transitions as a fresh policy around zero would leave them."""
    rng, shape = np.random.default_rng(0), (problem.num_steps, problem.num_envs)

    def normal(*sizes: int) -> np.ndarray:
        return rng.standard_normal(sizes, dtype=np.float32)

    noise, log_std = normal(*shape, problem.action_size), problem.ppo.init_log_std
    density = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
    value = 0.1 * normal(problem.num_steps + 1, problem.num_envs)
    return Data(
        obs=normal(*shape, problem.obs_size),
        next_obs=normal(problem.num_envs, problem.obs_size),
        action=(noise * np.exp(log_std)).astype(np.float32),
        log_prob=density.sum(-1).astype(np.float32),
        value=value[:-1],
        next_value=value[1:],
        reward=0.1 * normal(*shape),
        terminated=rng.random(shape) < 1 / 300,
        truncated=rng.random(shape) < 1 / 300,
    )


def measure(peer: Peer, problem: Problem, repeats: int) -> dict[str, float]:
    """Spread of the milliseconds that one update takes.

    Raises:
      PeerError: an update made another number of gradient steps than it was told to.
    """
    times = []
    for _ in range(WARM_UPS + repeats):
        peer.prepare()
        before, begun = peer.steps(), time.perf_counter()
        peer.update()
        times.append(1e3 * (time.perf_counter() - begun))
        if peer.steps() - before != problem.gradient_steps:
            raise PeerError(
                f"{peer.steps() - before} gradient steps in one update, not"
                f" {problem.gradient_steps}"
            )
    return record.spread(times[WARM_UPS:])
