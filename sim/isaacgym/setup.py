"""What a worker is told before it builds the scenes."""

import dataclasses

from sim.builders import urdf
from sim.isaacgym.worker import messages
from sim.isaacgym.worker.messages import Message
from sim.options import IsaacGymConfig
from sim.scene import PositionDrive, Scene


def make_setup(scene: Scene, num_envs: int, config: IsaacGymConfig) -> Message:
    """Scene and options; every length in metres, angle in radians, time in seconds."""
    return {
        "protocol": messages.PROTOCOL,
        "num_envs": num_envs,
        "arm_urdf": "arm.urdf",
        "screw_urdf": "screw.urdf",
        "base_pos_w": scene.robot.links[0].offset_m,
        "screw_spots_w": scene.groups[0].start_pos_w,
        "physics_dt_s": scene.physics.dt_s,
        "decimation": scene.physics.decimation,
        "friction": scene.physics.friction,
        "drives": _drives(scene, config),
        "num_joints": len(scene.robot.joints),
        # on the host the physics needs the processors itself
        "spin_s": config.spin_s if config.pipeline == "gpu" else 0.0,
        "gym": dataclasses.asdict(config),
    }


def make_assets(scene: Scene) -> dict[str, str]:
    """The files that the worker loads, by name."""
    return {
        "arm.urdf": urdf.build_robot_urdf(scene.robot),
        "screw.urdf": urdf.build_body_urdf(scene.groups[0]),
        **urdf.hull_files(scene.groups[0]),
    }


def _drives(scene: Scene, config: IsaacGymConfig) -> list[dict[str, float]]:
    """Fields of Isaac Gym's DOF properties, one dict for each joint."""
    drives = []
    for joint in scene.robot.joints:
        drive = joint.drive
        assert isinstance(drive, PositionDrive)
        drives.append(
            {
                "stiffness": drive.stiffness * config.stiffness_scale,
                "damping": drive.damping * config.damping_scale,
                "effort": drive.effort_limit_nm,
                "velocity": urdf.MAX_JOINT_SPEED_RAD_S[drive.kind],
                "armature": joint.armature_kgm2,
            }
        )
    return drives
