"""Where each tensor lies in the one block of memory that learner and worker share.

The state comes first, so that the worker fills it with a single kernel. `root` and `dof` are Isaac
Gym's own layouts: rows of position (m, in the environment's frame), quaternion xyzw, linear
velocity of the centre of mass (m/s) and angular velocity (rad/s), both along world axes; and pairs
of joint position (rad) and velocity (rad/s). Actor 0 of each environment is the arm.

Actors are numbered environment by environment. `arms` and `screws` list those that take a new state
with the next step, in any order of the environments; the question says how many environments they are.

The worker writes `root` and `dof`, the learner everything else, each only while it is its turn
(`sim/bridge.py`). `count` and `listed` are the learner's own notes.
"""

from typing import Dict, NamedTuple, Tuple

ALIGNMENT = 256
"""Bytes. JAX aliases memory at multiples of 64 on a CPU; CUDA allocations come at 256."""
ROOT_SIZE, DOF_SIZE = 13, 2


class Field(NamedTuple):
    """One tensor: `dtype` is "float32" or "int32", `offset` counts bytes from the block's start."""

    offset: int
    shape: Tuple[int, ...]
    dtype: str

    @property
    def count(self) -> int:
        total = 1
        for size in self.shape:
            total *= size
        return total

    @property
    def num_bytes(self) -> int:
        return 4 * self.count


class Layout(NamedTuple):
    """The block of one simulator: its fields by name, and its size in bytes."""

    fields: Dict[str, Field]
    size: int


def make_layout(num_envs: int, num_screws: int, num_joints: int) -> Layout:
    """The block for N environments of one arm with J joints and S screws."""
    root, dof = (num_envs, 1 + num_screws, ROOT_SIZE), (num_envs, num_joints, DOF_SIZE)
    wanted = (
        ("root", root, "float32"),
        ("dof", dof, "float32"),
        ("targets", (num_envs, num_joints), "float32"),  # rad, finite and within the joints' ranges
        ("new_root", root, "float32"),
        ("new_dof", dof, "float32"),
        ("arms", (num_envs,), "int32"),
        ("screws", (num_envs * num_screws,), "int32"),
        ("count", (1,), "int32"),  # environments in these lists
        ("listed", (num_envs,), "int32"),  # the step, by its number, for which it was listed last
    )
    fields, end = {}, 0
    for name, shape, dtype in wanted:
        fields[name] = Field(end, shape, dtype)
        end = -(-(end + fields[name].num_bytes) // ALIGNMENT) * ALIGNMENT
    return Layout(fields, end)
