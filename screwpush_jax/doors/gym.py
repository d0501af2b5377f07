"""Gymnasium's `VectorEnv` and `Env`, with arrays in NumPy.

`infos` are laid out as Gymnasium's own `SyncVectorEnv` does: where an episode ended in a step under
`AutoresetMode.SAME_STEP`, `final_obs` and `final_info` say what it ended with.
"""

# pyright: reportMissingImports=false

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.doors.batch import Autoreset, Batch, Step, make_batch
from screwpush_jax.doors.extras import missing
from screwpush_jax.errors import UsageError
from screwpush_sim.physics import Name

try:
    import gymnasium
    from gymnasium.spaces import Box
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise missing("gymnasium", error) from None

_MODES: dict[AutoresetMode, Autoreset] = {
    AutoresetMode.SAME_STEP: "same_step",
    AutoresetMode.NEXT_STEP: "next_step",
}


class TaskVectorEnv(VectorEnv):
    """N environments of a task in one simulator; the observation is the task's `policy`.

    Args:
      task: its name.
      num_envs: N.
      physics: which of the scene's physics steps it: train, eval, reference.
      autoreset_mode: SAME_STEP as training (the first episodes begin at any clock), or NEXT_STEP.
      fields: `sim="mujoco"`, `config="configs/gpu.yaml"`, `env={"horizon": 100}`; see
        `screwpush_jax.doors.settings.resolve`.

    Raises:
      UsageError, SimError, StartsError: in one line, before anything is built if it can be told then.
    """

    def __init__(
        self,
        task: str,
        num_envs: int = 1,
        *,
        physics: Name = "train",
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        **fields: Any,
    ):
        mode = _mode(autoreset_mode)
        self.batch = make_batch(
            task, physics=physics, autoreset=_MODES[mode], num_envs=num_envs, **fields
        )
        self.metadata = {"autoreset_mode": mode, "render_modes": []}
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = spaces(self.batch)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Starts all environments anew: observations `[N, O]`, and no infos.

        Raises:
          UsageError: a `reset_mask` is given; what ended has been started already.
        """
        super().reset(seed=seed)
        if options and "reset_mask" in options:
            raise UsageError("reset_mask; valid: none, as environments start anew by themselves")
        return to_numpy(self.batch.reset(draw_seed(self.np_random)).obs["policy"]), {}

    def step(self, actions: np.ndarray):
        """`actions [N, A]`; observations `[N, O]`, rewards, terminated, truncated `[N]`, infos."""
        step = self.batch.step(jnp.asarray(actions, jnp.float32))
        obs, reward, terminated, truncated = map(
            to_numpy, jax.device_get((step.obs["policy"], *step[1:4]))
        )
        return obs, reward, terminated, truncated, self._infos(step, terminated | truncated)

    def close_extras(self, **kwargs: Any) -> None:
        if hasattr(self, "batch"):  # Gymnasium closes what was refused, too
            self.batch.close()

    def _infos(self, step: Step, ended: np.ndarray) -> dict[str, Any]:
        if self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP or not ended.any():
            return {}
        final, figures = jax.device_get((step.final_obs["policy"], step.figures))
        final_obs = np.full(self.num_envs, None, object)
        for n in np.flatnonzero(ended):
            final_obs[n] = final[n].copy()
        final_info: dict[str, np.ndarray] = {}
        for name, figure in zip(self.batch.figure_names, figures, strict=True):
            final_info |= {name: np.where(ended, figure, 0.0), f"_{name}": ended.copy()}
        return {
            "final_obs": final_obs,
            "_final_obs": ended.copy(),
            "final_info": final_info,
            "_final_info": ended.copy(),
        }


class TaskEnv(gymnasium.Env):
    """One environment of a task in a simulator of its own; arguments and errors as `TaskVectorEnv`."""

    metadata = {"render_modes": []}

    def __init__(self, task: str, *, physics: Name = "train", **fields: Any):
        self.batch = make_batch(task, physics=physics, autoreset="never", num_envs=1, **fields)
        self.observation_space, self.action_space = spaces(self.batch)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """The first observation `[O]`, and no info."""
        super().reset(seed=seed)
        return to_numpy(self.batch.reset(draw_seed(self.np_random)).obs["policy"])[0], {}

    def step(self, action: np.ndarray):
        """`action [A]`; observation `[O]`, reward, terminated, truncated; at the end its figures."""
        step = self.batch.step(jnp.asarray(action, jnp.float32)[None])
        *main, figures = jax.device_get((step.obs["policy"], *step[1:4], step.figures))
        obs, reward, terminated, truncated = (array[0] for array in main)
        info = {}
        if terminated or truncated:
            info = dict(zip(self.batch.figure_names, map(float, figures[:, 0]), strict=True))
        return to_numpy(obs), float(reward), bool(terminated), bool(truncated), info

    def close(self) -> None:
        self.batch.close()


def spaces(batch: Batch) -> tuple[Box, Box]:
    """Of one environment's observation and action."""
    obs_shape = (batch.task.obs_sizes["policy"],)
    obs = Box(-np.inf, np.inf, obs_shape, np.float32)
    return obs, Box(-1.0, 1.0, (batch.task.action_size,), np.float32)


def draw_seed(rng: np.random.Generator) -> np.integer:
    """What a reset takes, of Gymnasium's own generator."""
    return rng.integers(2**32, dtype=np.uint32)


def to_numpy(array: jax.Array | np.ndarray) -> np.ndarray:
    """Memory of its own, which may be written."""
    return np.array(array)


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    valid = {name: m for m in _MODES for name in (m, m.value, m.name)}
    if mode not in valid:
        names = ", ".join(m.value for m in _MODES)
        raise UsageError(f"autoreset_mode {mode!r}; valid: {names}")
    return valid[mode]
