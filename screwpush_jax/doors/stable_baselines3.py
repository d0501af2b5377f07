"""Stable-Baselines3's `VecEnv`."""

# pyright: reportMissingImports=false

import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.doors.batch import Batch
from screwpush_jax.doors.extras import missing

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise missing("stable-baselines3", error) from None

from screwpush_jax.doors.gym import spaces, to_numpy


class Sb3VecEnv(VecEnv):
    """N environments; the observation is the task's `policy`.

    Where an episode ended, the info has `terminal_observation`, `TimeLimit.truncated`, `is_success` (the
    task's score), `episode` as SB3's monitor writes it, and the task's figures.

    Args:
      batch: of `make_batch`; this door closes it.
      seed: of the first reset, where none was given by `seed`; each later one draws another from it.
    """

    def __init__(self, batch: Batch, seed: int = 0):
        self.batch = batch
        self.render_mode = None  # asked for by the base class
        super().__init__(batch.num_envs, *spaces(batch))
        self._rng = np.random.default_rng(seed)
        self._actions = np.zeros((batch.num_envs, batch.task.action_size), np.float32)
        self._begun_s = time.perf_counter()

    def reset(self) -> np.ndarray:
        """Starts all environments anew: observations `[N, O]`."""
        if self._seeds[0] is not None:
            self._rng = np.random.default_rng(self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        seed = self._rng.integers(2**32, dtype=np.uint32)
        return to_numpy(self.batch.reset(seed).obs["policy"])

    def step_async(self, actions: np.ndarray) -> None:
        """Takes `actions [N, A]`."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations `[N, O]`, rewards `[N]`, dones `[N]`, and an info for each environment."""
        step = self.batch.step(jnp.asarray(self._actions, jnp.float32))
        obs, reward, terminated, truncated, final, figures = jax.device_get(
            (step.obs["policy"], *step[1:4], step.final_obs["policy"], step.figures)
        )
        ended = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for n in np.flatnonzero(ended):
            infos[n] = self._final_info(final[n], bool(truncated[n]), figures[:, n])
        return to_numpy(obs), to_numpy(reward), ended, infos

    def close(self) -> None:
        self.batch.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same for all, as they are no objects of their own."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Raises NotImplementedError."""
        raise NotImplementedError("environments are no objects of their own here")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Raises NotImplementedError."""
        raise NotImplementedError("environments are no objects of their own here")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """By nothing."""
        return [False for _ in self._get_indices(indices)]

    def _final_info(
        self, final_obs: np.ndarray, truncated: bool, figures: Sequence[float]
    ) -> dict[str, Any]:
        info = dict(zip(self.batch.figure_names, map(float, figures), strict=True))
        elapsed_s = round(time.perf_counter() - self._begun_s, 6)
        return info | {
            "terminal_observation": to_numpy(final_obs),
            "TimeLimit.truncated": truncated,
            "is_success": bool(info[self.batch.task.score]),
            "episode": {"r": info["return"], "l": int(info["episode_len"]), "t": elapsed_s},
        }
