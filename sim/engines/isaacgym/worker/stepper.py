"""Isaac Gym's tensors and one control step on them.

Order of a step: new states and controls in, straight from the block, `simulate` as often as asked,
refresh, pack, wait for the device. Every tensor that Gym is given a pointer of is an attribute: it
has to live, unchanged, until the next `simulate`. All of torch's work stays on the default stream.
"""

import importlib
import time
from typing import Any, Optional

import torch
from isaacgym import gymapi

from .block_layout import DOF_SIZE, ROOT_SIZE
from .handshake import HandshakePage, Request
from .memory import Block
from .messages import Message
from .refusal import GymRefusedError, check
from .scene import Stage

# The stubs leave this module out; wrap_tensor and unwrap_tensor are all of it that is used.
_gymtorch: Any = importlib.import_module("isaacgym.gymtorch")


class Stepper:
    """Owns the simulation. Methods are the requests of `handshake`."""

    def __init__(self, stage: Stage, block: Block, setup: Message) -> None:
        self._gym, self._sim, self._viewer = stage.gym, stage.sim, stage.viewer
        scene = setup["scene"]
        self._block, self._decimation = block, scene["physics"]["decimation"]
        drives = [link["joint"]["drive"] for link in scene["robot"]["links"] if link["joint"]]
        self._by_torque = drives[0]["kind"] == "torque"
        self._on_gpu = setup["gym"]["pipeline"] == "gpu"
        num_envs, self._num_bodies = setup["num_envs"], block.fields["root"].shape[1] - 1
        self._num_moved = self._num_bodies + (scene["robot"]["base"] == "free")
        self._gym_root = self._gym.acquire_actor_root_state_tensor(self._sim)
        self._gym_dof = self._gym.acquire_dof_state_tensor(self._sim)
        self.root = self._wrap(self._gym_root).view(num_envs, 1 + self._num_bodies, ROOT_SIZE)
        self.dof = self._wrap(self._gym_dof).view(num_envs, len(drives), DOF_SIZE)
        self._contact: Optional[torch.Tensor] = None
        if scene["contact_links"]:
            self._gym_contact = self._gym.acquire_net_contact_force_tensor(self._sim)
            self._contact = self._wrap(self._gym_contact).view(num_envs, -1, 3)
            names = [
                link["name"] for link in scene["robot"]["links"]
            ]  # actor 0: its bodies come first
            rows = [names.index(link) for link in scene["contact_links"]]
            self._contact_rows = torch.tensor(rows, device=self.root.device)
        unwrap = _gymtorch.unwrap_tensor
        fields = block.fields
        self._control, self._new_root, self._new_dof = (
            unwrap(fields[name]) for name in ("control", "new_root", "new_dof")
        )
        self._torque_gain: Optional[torch.Tensor] = None
        if self._by_torque and "drive_gain" in setup["params"]:
            gain = torch.tensor(setup["params"]["drive_gain"], device=self.root.device)
            self._torque_gain = gain.view(num_envs, 1)
            self._torque = torch.zeros_like(fields["control"])
            self._control = unwrap(self._torque)
        self._kept_alive: Any = ()
        gap = block.packed.numel() - self.root.numel() - self.dof.numel()
        between = torch.zeros(gap, device=self.root.device)
        self._parts = self.root.view(-1), between, self.dof.view(-1)
        self._refresh()

    def show(self, request: Request) -> None:
        """Listed rows of the new state appear in the tensors now; the next step takes them."""
        fields = self._block.fields
        rows = (fields["robots"][: request.rows] // (1 + self._num_bodies)).long()
        self.root[rows] = fields["new_root"][rows]
        self.dof[rows] = fields["new_dof"][rows]
        self._hand_over(request.pack)

    def step(self, request: Request) -> None:
        """One control step, with the new states and controls that lie in the block."""
        self._write(request.rows)
        if self._torque_gain is not None:
            torch.mul(self._block.fields["control"], self._torque_gain, out=self._torque)
        if not self._by_torque:
            accepted = self._gym.set_dof_position_target_tensor(self._sim, self._control)
            check(accepted, "set_dof_position_target_tensor")
        for _ in range(self._decimation):
            if self._by_torque:  # it lasts for one simulate
                accepted = self._gym.set_dof_actuation_force_tensor(self._sim, self._control)
                check(accepted, "set_dof_actuation_force_tensor")
            self._gym.simulate(self._sim)
            if not self._on_gpu:  # there the results come to these tensors only through this call
                self._gym.fetch_results(self._sim, True)
        if self._on_gpu:
            self._gym.fetch_results(self._sim, True)
        self._refresh()
        if self._contact is not None:  # Gym's own tensor has the other links, too
            torch.index_select(
                self._contact, 1, self._contact_rows, out=self._block.fields["contact"]
            )
        self._draw()
        self._hand_over(request.pack)

    def close(self) -> None:
        if self._viewer is not None:
            self._gym.destroy_viewer(self._viewer)
        self._gym.destroy_sim(self._sim)

    def _write(self, rows: int) -> None:
        """At most one indexed call a tensor between two `simulate`: another would replace it.

        The learner counted and listed the actors, so that nothing waits for the device here.
        """
        if rows == 0:
            return
        unwrap, fields = _gymtorch.unwrap_tensor, self._block.fields
        actors = fields["moved"][: rows * self._num_moved]
        robots = fields["robots"][:rows]  # only actors with joints belong here
        root_write = self._new_root, unwrap(actors), actors.numel()
        dof_write = self._new_dof, unwrap(robots), rows
        self._kept_alive = actors, robots, root_write, dof_write
        if self._num_moved:
            check(
                self._gym.set_actor_root_state_tensor_indexed(self._sim, *root_write),
                "set_actor_root_state_tensor_indexed",
            )
        check(
            self._gym.set_dof_state_tensor_indexed(self._sim, *dof_write),
            "set_dof_state_tensor_indexed",
        )

    def _refresh(self) -> None:
        check(
            self._gym.refresh_actor_root_state_tensor(self._sim), "refresh_actor_root_state_tensor"
        )
        check(self._gym.refresh_dof_state_tensor(self._sim), "refresh_dof_state_tensor")
        if self._contact is not None:
            accepted = self._gym.refresh_net_contact_force_tensor(self._sim)
            check(accepted, "refresh_net_contact_force_tensor")

    def _hand_over(self, pack: bool) -> None:
        """Packs the state into the block with one kernel, and waits until all is done."""
        if pack:
            torch.cat(self._parts, out=self._block.packed)
        if self._on_gpu:
            torch.cuda.synchronize()

    def _draw(self) -> None:
        if self._viewer is None:
            return
        if self._gym.query_viewer_has_closed(self._viewer):
            self._gym.destroy_viewer(self._viewer)
            self._viewer = None
            return
        self._gym.step_graphics(self._sim)
        self._gym.draw_viewer(self._viewer, self._sim, True)
        self._gym.sync_frame_time(self._sim)

    def _wrap(self, tensor: gymapi.Tensor) -> torch.Tensor:
        wrapped: torch.Tensor = _gymtorch.wrap_tensor(tensor)
        if wrapped.is_cuda != self._on_gpu:  # Gym falls back to the CPU without a word
            raise GymRefusedError(
                "Isaac Gym's tensors are on {}, the pipeline asked for is {}".format(
                    wrapped.device, "gpu" if self._on_gpu else "cpu"
                )
            )
        return wrapped


def serve(page: HandshakePage, stepper: Stepper) -> None:
    """Answers the request that waits, and says how long a step took."""
    request = page.request()
    begin = time.perf_counter()
    {"step": stepper.step, "show": stepper.show}[request.what](request)
    page.answer(time.perf_counter() - begin if request.what == "step" else 0.0)
