"""The message from which a worker builds the scenes, and the files that it loads."""

import dataclasses

import numpy as np

from screwpush_sim.builders import urdf
from screwpush_sim.engines.isaacgym.worker import messages
from screwpush_sim.engines.isaacgym.worker.messages import Message
from screwpush_sim.errors import SceneNotSupportedError
from screwpush_sim.options import IsaacGymConfig
from screwpush_sim.scene import Joint, PositionDrive, Scene, touching_links
from screwpush_sim.variation import Params

_BITS = 30
"""Of a shape's filter: another project of this design keeps away from the two highest."""


def make_worker_setup(
    scene: Scene, num_envs: int, config: IsaacGymConfig, params: Params | None = None
) -> Message:
    """Scene and options; every length in metres, angle in radians, time in seconds.

    `params` are the factors by which the scenes differ.
    """
    links, groups = _filters(scene)
    return {
        "protocol": messages.PROTOCOL,
        "num_envs": num_envs,
        "scene": dataclasses.asdict(scene),
        "robot_urdf": "robot.urdf",
        "group_urdfs": [_group_file(group.name) for group in scene.groups],
        "drives": [_drive(joint, config) for joint in scene.robot.joints],
        "joint_damping": [joint.damping for joint in scene.robot.joints],
        "params": {name: np.asarray(value).tolist() for name, value in (params or {}).items()},
        "masses": {owner.name: _mass(owner) for owner in (*scene.robot.links, *scene.groups)},
        "link_filters": links,
        "group_filters": groups,
        # on the host the physics needs the processors itself
        "spin_s": config.spin_s if config.pipeline == "gpu" else 0.0,
        "gym": dataclasses.asdict(config),
    }


def make_assets(scene: Scene) -> dict[str, str]:
    """The files that the worker loads, by name."""
    files = {"robot.urdf": urdf.build_robot_urdf(scene.robot)}
    for group in scene.groups:
        files[_group_file(group.name)] = urdf.build_body_urdf(group)
    for owner in (*scene.robot.links, *scene.groups):
        files |= urdf.hull_files(owner)
    return files


def _group_file(name: str) -> str:
    return f"group_{name}.urdf"


def _mass(owner: urdf.Owner) -> dict[str, float | list[float]]:
    """As its file says: mass (kg), centre (m), principal moments (kg m2) in rising order."""
    mass, com, inertia = urdf.mass_properties(owner)
    return {
        "mass_kg": float(mass),
        "com_m": [float(value) for value in com],
        "moments_kgm2": [float(value) for value in np.linalg.eigvalsh(inertia)],
    }


def _drive(joint: Joint, config: IsaacGymConfig) -> dict[str, float]:
    """Fields of Isaac Gym's DOF properties."""
    drive = joint.drive
    shared = {
        "velocity": urdf.MAX_JOINT_SPEED_RAD_S[drive.kind],
        "armature": joint.armature_kgm2,
    }
    if isinstance(drive, PositionDrive):
        return shared | {
            "stiffness": drive.stiffness * config.stiffness_scale,
            "damping": drive.damping * config.damping_scale + joint.damping,
            "effort": drive.effort_limit_nm,
        }
    return shared | {"stiffness": 0.0, "damping": joint.damping, "effort": drive.gear_nm}


def _filters(scene: Scene) -> tuple[dict[str, int], list[list[int]]]:
    """Bits of each link's shapes by its name, and of each body by group: who shares one does not meet.

    A link whose shapes meet the ground alone shares a bit with every other link and body; two links
    that a joint brings together share one of their own; each body has one of its own.

    Raises:
      SceneNotSupportedError: it takes more bits than a filter has.
    """
    links = [link for link in scene.robot.links if link.shapes]
    aloof = [link.name for link in links if link.shapes[0].meets == "ground"]
    used = 0

    def next_bit() -> int:
        nonlocal used
        used += 1
        return 1 << (used - 1)

    groups = [[next_bit() for _ in group.start_pos_w] for group in scene.groups]
    bits = {link.name: 0 for link in links}
    if aloof:
        bits |= {link.name: next_bit() for link in links if link.name not in aloof}
        everything = (1 << used) - 1
        bits |= dict.fromkeys(aloof, everything)
    for link, above in touching_links(scene.robot):
        if link.parent != above.name:  # Isaac Gym itself keeps a link and its parent apart
            bit = next_bit()
            bits[link.name] |= bit
            bits[above.name] |= bit
    if used > _BITS:
        raise SceneNotSupportedError(
            f"isaacgym tells who meets whom by {_BITS} bits, the scene of {scene.robot.name!r} takes"
            f" {used}: fewer bodies, or fewer links with shapes"
        )
    return bits, groups
