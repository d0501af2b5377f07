"""rsl_rl's `VecEnv`: tensors on the device that JAX computes on, handed over without a copy."""

# pyright: reportMissingImports=false

from typing import Any

from screwpush_jax.config import to_tree
from screwpush_jax.doors.batch import Batch
from screwpush_jax.doors.extras import missing

try:
    import torch
    from rsl_rl.env import VecEnv
    from tensordict import TensorDict
except ImportError as error:
    raise missing("rsl-rl", error) from None

from screwpush_jax.doors.tensors import TensorBatch, TensorStep, to_jax, to_torch


class RslRlVecEnv(VecEnv):
    """N environments; observation groups are the task's: `policy`, and `critic` if there is one.

    Args:
      batch: of `make_batch`; this door closes it.
      seed: of the first reset, which is made here.
      log: whether `extras["log"]` has the figures of ended episodes; the host waits for each step then.
    """

    def __init__(self, batch: Batch, seed: int = 0, log: bool = True):
        self.tensors = TensorBatch(batch)
        self.num_envs, self.num_actions = batch.num_envs, batch.task.action_size
        self.max_episode_length = batch.task.horizon
        self.device = self.tensors.device
        self.cfg = to_tree(batch.config)
        self._log = log
        self._obs = self._group(self.tensors.reset(seed))

    @property
    def episode_length_buf(self) -> torch.Tensor:
        """`[N]` int32: control steps of the running episodes."""
        return to_torch(self.tensors.batch.clock)

    @episode_length_buf.setter
    def episode_length_buf(self, steps: torch.Tensor) -> None:
        self.tensors.batch.set_clock(to_jax(steps.to(self.device, torch.int32).contiguous()))

    def get_observations(self) -> TensorDict:
        """`[N, O]` each, in which the next action is chosen."""
        return self._obs

    def step(
        self, actions: torch.Tensor
    ) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """`actions [N, A]`; observations `[N, O]`, rewards `[N]`, dones `[N]` int64, extras.

        What ended has been started anew, and `extras["time_outs"]` says where only the time was up.
        """
        step = self.tensors.step(actions)
        ended = step.terminated | step.truncated
        extras: dict[str, Any] = {"time_outs": step.truncated}
        if self._log:
            figures = self.tensors.figures(ended)
            if next(iter(figures.values())).numel():
                extras["log"] = {f"/env/{name}": figure for name, figure in figures.items()}
        self._obs = self._group(step)
        return self._obs, step.reward, ended.long(), extras

    def close(self) -> None:
        self.tensors.close()

    def _group(self, step: TensorStep) -> TensorDict:
        return TensorDict(dict(step.obs), batch_size=[self.num_envs], device=self.device)
