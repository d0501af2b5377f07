"""The order between JAX and torch on a CUDA device, through the door, with physics in the loop.

Races are provoked: torch reads late what it was given, lets go of it at once, computes its actions
slowly and spoils them as soon as a step was called. Each rule is broken once, to show that the loop can
tell.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from screwpush_jax.doors import tensors
from screwpush_jax.doors.batch import make_batch

pytestmark = pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs a CUDA device")

N, STEPS = 512, 400
POISON = -99.0
BUSY_CYCLES = 5_000_000
"""Milliseconds: longer than a step of the simulator."""


@pytest.fixture(scope="module")
def batch():
    made = make_batch("separate", num_envs=N, sim="mujoco_warp", env={"bank_size": N})
    yield made
    made.close()


def test_both_ways_share_the_memory(batch):
    step = batch.reset(0)
    for array in (step.obs["policy"], step.reward, step.terminated):
        assert tensors.to_torch(array).data_ptr() == array.unsafe_buffer_pointer()
    action = torch.zeros(N, batch.task.action_size, device="cuda")
    assert tensors.to_jax(action).unsafe_buffer_pointer() == action.data_ptr()


def test_an_ordered_door_loses_nothing(batch, monkeypatch):
    assert lost(batch, monkeypatch) == {"early": 0, "late": 0, "actions": 0}


def test_observations_taken_without_waiting_are_spoiled(batch, monkeypatch):
    class Bare:
        """JAX's memory by its address: nothing waits."""

        def __init__(self, array):
            self.__cuda_array_interface__ = {
                "shape": array.shape,
                "typestr": array.dtype.str,
                "data": (array.unsafe_buffer_pointer(), False),
                "version": 2,
            }
            self.array = array

    monkeypatch.setattr(tensors, "to_torch", lambda a: torch.as_tensor(Bare(a), device="cuda"))
    assert lost(batch, monkeypatch)["early"] > 0


def test_actions_taken_without_waiting_are_spoiled(batch, monkeypatch):
    class Unordered:
        """A tensor that tells no stream to wait for it."""

        def __init__(self, tensor):
            self.tensor = tensor

        def __dlpack__(self, *, stream=None, **_):
            return self.tensor.__dlpack__(stream=-1)

        def __dlpack_device__(self):
            return self.tensor.__dlpack_device__()

    to_jax = tensors.to_jax
    monkeypatch.setattr(tensors, "to_jax", lambda tensor: to_jax(Unordered(tensor)))
    assert lost(batch, monkeypatch)["actions"] > 0


def lost(batch, monkeypatch) -> dict[str, int]:
    """Numbers that differ between what one side wrote and what the other read."""
    copy = jax.jit(lambda array: array + 0.0)
    written, taken = [], []
    reset, step = batch.reset, batch.step

    def spied_reset(seed):
        made = reset(seed)
        written.append(copy(made.obs["policy"]))
        return made

    def spied_step(action):
        taken.append(copy(action))
        made = step(action)
        written.append(copy(made.obs["policy"]))
        return made

    early, late, sent = [], [], []
    # a stream of its own: CUDA's default stream waits for Warp's, whoever tells it to
    with monkeypatch.context() as patch, torch.cuda.stream(torch.cuda.Stream()):
        patch.setattr(batch, "reset", spied_reset)
        patch.setattr(batch, "step", spied_step)
        door = tensors.TensorBatch(batch)
        obs = door.reset(1).obs["policy"]
        for turn in range(STEPS):
            early.append(obs.clone())
            torch.cuda._sleep(BUSY_CYCLES)
            late.append(obs.clone())
            obs = None  # its memory is JAX's again before it was read
            action = torch.empty(N, batch.task.action_size, device="cuda").fill_(POISON)
            torch.cuda._sleep(BUSY_CYCLES)
            action.copy_(torch.full_like(action, 0.5 * np.sin(0.1 * turn)))
            sent.append(0.5 * np.sin(0.1 * turn))
            obs = door.step(action).obs["policy"]
            action.fill_(POISON)
        early.append(obs.clone())
        late.append(obs.clone())
    torch.cuda.synchronize()
    jax.block_until_ready((written, taken))
    return {
        "early": _different(early, written),
        "late": _different(late, written),
        "actions": sum(
            int(jnp.sum(jnp.abs(array - value) > 1e-6))
            for array, value in zip(taken, sent, strict=True)
        ),
    }


def _different(read, written) -> int:
    return sum(
        int(np.sum(tensor.cpu().numpy() != np.asarray(array)))
        for tensor, array in zip(read, written, strict=True)
    )
