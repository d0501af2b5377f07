"""Where each tensor lies in the one block of memory that learner and worker share.

The state comes first, so that the worker fills it with a single kernel. `root` and `dof` are Isaac
Gym's own layouts: rows of position (m, in the environment's frame), quaternion xyzw, linear
velocity of the centre of mass (m/s) and angular velocity (rad/s), both along world axes; and pairs
of joint position (rad) and velocity (rad/s). Actor 0 of each environment is the robot. `contact` holds
net forces (N, world axes) on the links that the scene declares, and is there only if it declares any.

Actors are numbered environment by environment. `robots` and `moved` list those that take new joints and
a new place with the next step (a robot whose base is fixed is not among the latter), in any order of the
environments; the request says how many environments they are.

The worker writes `root`, `dof` and `contact`, the learner everything else, each only while it is its turn
(`sim/bridge.py`). `count` and `listed` are the learner's own notes.
"""

from typing import Any, Dict, NamedTuple, Tuple

ALIGNMENT = 256
"""Bytes. JAX aliases memory at multiples of 64 on a CPU; CUDA allocations come at 256."""
ROOT_SIZE, DOF_SIZE = 13, 2
SHOWN = "root", "dof", "contact"
"""The fields that the learner views, as far as they are there."""


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


class BlockLayout(NamedTuple):
    """The block of one simulator: its fields by name, and its size in bytes."""

    fields: Dict[str, Field]
    size: int
    first_moved: (
        int  # the first actor of an environment whose place is written: 0, or 1 if 0 is fixed
    )


def make_block_layout(
    num_envs: int,
    num_bodies: int,
    num_joints: int,
    free_base: bool = False,
    num_contacts: int = 0,
) -> BlockLayout:
    """The block for N environments of one robot with J joints and B bodies."""
    root, dof = (num_envs, 1 + num_bodies, ROOT_SIZE), (num_envs, num_joints, DOF_SIZE)
    contact = (("contact", (num_envs, num_contacts, 3), "float32"),) if num_contacts else ()
    num_moved = num_bodies + free_base
    wanted = (
        ("root", root, "float32"),
        ("dof", dof, "float32"),
        *contact,
        ("control", (num_envs, num_joints), "float32"),  # finite, and what the drives take
        ("new_root", root, "float32"),
        ("new_dof", dof, "float32"),
        ("robots", (num_envs,), "int32"),
        ("moved", (num_envs * max(num_moved, 1),), "int32"),
        ("count", (1,), "int32"),  # environments in these lists
        ("listed", (num_envs,), "int32"),  # the step, by its number, for which it was listed last
    )
    fields, end = {}, 0
    for name, shape, dtype in wanted:
        fields[name] = Field(end, shape, dtype)
        end = -(-(end + fields[name].num_bytes) // ALIGNMENT) * ALIGNMENT
    return BlockLayout(fields, end, 0 if free_base else 1)


def block_layout_of(scene: Dict[str, Any], num_envs: int) -> BlockLayout:
    """The block for N environments of a scene, given as its JSON."""
    robot = scene["robot"]
    return make_block_layout(
        num_envs,
        sum(len(group["start_pos_w"]) for group in scene["groups"]),
        sum(link["joint"] is not None for link in robot["links"]),
        robot["base"] == "free",
        len(scene["contact_links"]),
    )
