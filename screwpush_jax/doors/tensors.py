"""A batch whose arrays are torch tensors over the same memory.

The ordering rule of `screwpush_sim.bridge` between JAX and torch, on a GPU:

1. Torch's current stream waits for JAX's when a tensor is made of an array (DLPack's
   `__dlpack__(stream)`), so whatever torch queues from then on reads what JAX wrote.
2. JAX waits for torch's current stream when it takes an action. All that a step computes comes after
   that call of `act`, so JAX overwrites no memory that torch let go of before the step and may still
   read. What a step handed over also stays referenced here until the next action was taken.
3. The action stays referenced until the observation that follows from it was handed over: from
   there on torch's stream is behind JAX's reading of it, and torch may use its memory again.

Hence the door is to be called on the stream that reads its tensors and computes its actions, and who
reads on another one lets that one wait for it. JAX's other computations in this process know nothing
of this: a tensor whose reading is still queued is not to be dropped before they are started.
On the host both have finished when they hand over.
"""

# pyright: reportMissingImports=false

from typing import NamedTuple

import jax
import numpy as np

from screwpush_jax.doors.batch import Batch, Step
from screwpush_jax.doors.extras import missing
from screwpush_jax.errors import UsageError
from screwpush_sim import bridge

try:
    import torch
except ImportError as error:
    raise missing("torch", error) from None


class TensorStep(NamedTuple):
    """`batch.Step` in tensors."""

    obs: dict[str, torch.Tensor]  # [N, O] each
    reward: torch.Tensor  # [N]
    terminated: torch.Tensor  # [N] bool
    truncated: torch.Tensor  # [N] bool


class TensorBatch:
    """A batch for torch; tensors are read-only by agreement, they are JAX's memory.

    Raises:
      UsageError: torch sees no GPU where JAX computes on one.
    """

    def __init__(self, batch: Batch):
        self.batch = batch
        place = bridge.device()
        on_gpu = place.platform == "gpu"
        if on_gpu and not torch.cuda.is_available():
            raise UsageError("JAX computes on a GPU and torch sees none; valid: device='cpu'")
        self.device = torch.device(f"cuda:{place.local_hardware_id}" if on_gpu else "cpu")
        self._lent: Step | None = None
        self._taken: jax.Array | None = None

    def reset(self, seed: int | np.integer) -> TensorStep:
        """As `Batch.reset`."""
        return self._hand_over(self.batch.reset(seed))

    def step(self, action: torch.Tensor) -> TensorStep:
        """As `Batch.step`, under the raw `action [N, A]`."""
        if action.device != self.device:
            raise ValueError(f"actions lie on {action.device}; valid: {self.device}")
        action = action.detach().to(torch.float32).contiguous()
        self._taken = to_jax(action)
        return self._hand_over(self.batch.step(self._taken))

    def figures(self, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Of the last step the figures `[M]` of the M environments in `mask [N]`, by name; waits for M."""
        assert self._lent is not None
        chosen = to_torch(self._lent.figures)[:, mask]
        return dict(zip(self.batch.figure_names, chosen, strict=True))

    def final_obs(self) -> dict[str, torch.Tensor]:
        """`[N, O]` each: what the last step led to, before any restart."""
        assert self._lent is not None
        return {name: to_torch(array) for name, array in self._lent.final_obs.items()}

    def close(self) -> None:
        self.batch.close()

    def _hand_over(self, step: Step) -> TensorStep:
        self._lent = step
        obs = {name: to_torch(array) for name, array in step.obs.items()}
        return TensorStep(obs, *map(to_torch, step[1:4]))


def to_torch(array: jax.Array) -> torch.Tensor:
    """`array`'s own memory, read by torch's current stream after what makes it."""
    return torch.from_dlpack(bridge.lend(array))


def to_jax(tensor: torch.Tensor) -> jax.Array:
    """`tensor`'s own memory, read by JAX after what torch's current stream has queued.

    On the host JAX takes no memory that is not aligned as it likes; a copy does then.
    """
    try:
        return bridge.to_jax(tensor)
    except ValueError:
        return bridge.to_jax(tensor.clone())
