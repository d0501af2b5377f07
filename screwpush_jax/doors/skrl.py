"""skrl's environment wrapper for torch: tensors on JAX's device, handed over without a copy."""

# pyright: reportMissingImports=false

from typing import Any

import numpy as np

from screwpush_jax.doors.batch import Batch
from screwpush_jax.doors.extras import missing

try:
    import torch
    from gymnasium.spaces import Box
    from skrl.envs.wrappers.torch import Wrapper
except ImportError as error:
    raise missing("skrl", error) from None

from screwpush_jax.doors.gym import spaces
from screwpush_jax.doors.tensors import TensorBatch


class SkrlEnv(Wrapper):
    """N environments; what the critic may see more of is skrl's state.

    Args:
      batch: of `make_batch`; this door closes it.
      seed: of the first reset; each later one draws another from it.
      log: whether infos have the means of ended episodes under `episode`; the host waits for each step
        then.
    """

    def __init__(self, batch: Batch, seed: int = 0, log: bool = True):
        self.tensors = TensorBatch(batch)
        super().__init__(self.tensors)
        self._spaces = spaces(batch)
        self._rng = np.random.default_rng(seed)
        self._log = log
        self._state: torch.Tensor | None = None

    @property
    def num_envs(self) -> int:
        return self.tensors.batch.num_envs

    @property
    def observation_space(self) -> Box:
        return self._spaces[0]

    @property
    def action_space(self) -> Box:
        return self._spaces[1]

    @property
    def state_space(self) -> Box | None:
        size = self.tensors.batch.obs_sizes.get("critic")
        return Box(-np.inf, np.inf, (size,), np.float32) if size else None

    def reset(self) -> tuple[torch.Tensor, dict[str, Any]]:
        """Starts all environments anew: observations `[N, O]`, and no infos."""
        return self._observed(
            self.tensors.reset(self._rng.integers(2**32, dtype=np.uint32)).obs
        ), {}

    def step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """`actions [N, A]`; observations `[N, O]`, reward, terminated, truncated `[N, 1]`, infos.

        What ended has been started anew.
        """
        step = self.tensors.step(actions)
        infos = {}
        if self._log:
            figures = self.tensors.figures(step.terminated | step.truncated)
            if next(iter(figures.values())).numel():
                infos["episode"] = {name: figure.mean() for name, figure in figures.items()}
        reward, terminated, truncated = (array[:, None] for array in step[1:])
        return self._observed(step.obs), reward, terminated, truncated, infos

    def state(self) -> torch.Tensor | None:
        """`[N, O]`, what only the critic sees."""
        return self._state

    def render(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is drawn."""

    def close(self) -> None:
        self.tensors.close()

    def _observed(self, obs: dict[str, torch.Tensor]) -> torch.Tensor:
        self._state = obs.get("critic")
        return obs["policy"]
