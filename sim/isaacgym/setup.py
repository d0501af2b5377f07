"""What a worker is told before it builds the scenes."""

import dataclasses

import jax.numpy as jnp

from sim.assets import elfin15, urdf
from sim.isaacgym.worker import messages
from sim.isaacgym.worker.messages import Message
from sim.options import IsaacGymConfig
from sim.protocol import SimState
from sim.scene import SceneConfig


def make_setup(scene: SceneConfig, num_envs: int, config: IsaacGymConfig) -> Message:
    """Scene and options; every length in metres, angle in radians, time in seconds."""
    return {
        "protocol": messages.PROTOCOL,
        "num_envs": num_envs,
        "arm_urdf": "arm.urdf",
        "screw_urdf": "screw.urdf",
        "base_pos_w": elfin15.BASE_POS_W,
        "screw_spots_w": _spots(scene),
        "physics_dt_s": scene.physics_dt_s,
        "decimation": scene.decimation,
        "friction": scene.friction,
        "drives": _drives(config),
        "num_joints": elfin15.NUM_JOINTS,
        # on the host the physics needs the processors itself
        "spin_s": config.spin_s if config.pipeline == "gpu" else 0.0,
        "gym": dataclasses.asdict(config),
    }


def make_assets(scene: SceneConfig) -> dict[str, str]:
    """The files that the worker loads, by name."""
    return {
        "arm.urdf": urdf.build_arm_urdf(),
        "screw.urdf": urdf.build_screw_urdf(scene.screw),
        urdf.HEAD_MESH: urdf.head_obj(scene.screw),
    }


def start_state(scene: SceneConfig, num_envs: int) -> SimState:
    """The arm at home, the screws side by side and level."""
    spots = jnp.array(_spots(scene), jnp.float32)
    screws = jnp.broadcast_to(spots, (num_envs, *spots.shape))
    home = jnp.tile(jnp.array(elfin15.HOME_RAD, jnp.float32), (num_envs, 1))
    still, level = jnp.zeros_like(screws), jnp.array([1.0, 0.0, 0.0, 0.0], jnp.float32)
    quat = jnp.broadcast_to(level, (*screws.shape[:-1], 4))
    return SimState(home, jnp.zeros_like(home), screws, quat, still, still)


def _spots(scene: SceneConfig) -> list[tuple[float, float, float]]:
    """Where the screws of each scene stand at first, world frame, metres."""
    middle = (scene.num_screws - 1) / 2
    return [(-0.75, 0.12 * (index - middle), 0.01) for index in range(scene.num_screws)]


def _drives(config: IsaacGymConfig) -> list[dict[str, float]]:
    """Fields of Isaac Gym's DOF properties, one dict for each joint."""
    return [
        {
            "stiffness": link.stiffness * config.stiffness_scale,
            "damping": link.damping * config.damping_scale,
            "effort": link.torque_limit_nm,
            "velocity": urdf.MAX_JOINT_SPEED_RAD_S,
            "armature": link.armature_kgm2,
        }
        for link in elfin15.LINKS
    ]
