"""A scene as one MJCF text for MuJoCo alone, with states to begin from as its keyframes."""

from xml.etree import ElementTree as ET

import numpy as np

from screwpush_sim.builders import mjcf
from screwpush_sim.engines.mujoco_layout import make_layout
from screwpush_sim.scene import Scene, first_control
from screwpush_sim.state import SimState


def build_scene_file(scene: Scene, starts: SimState) -> str:
    """MJCF text; keyframe `start<k>` is scene k of `starts [K, ...]`, its drives at rest."""
    root = ET.fromstring(mjcf.build_mjcf(scene))
    option = root.find("option")
    if option is not None and scene.physics.solver_iterations:
        option.set("iterations", str(scene.physics.solver_iterations))
    keyframes = ET.SubElement(root, "keyframe")
    rows = {name: np.asarray(value) for name, value in make_layout(scene).pack(starts).items()}
    held = np.array([joint.drive.kind == "position" for joint in scene.robot.joints])
    for k, joint_pos in enumerate(np.asarray(starts.robot.joint_pos)):
        control = np.where(held, joint_pos, first_control(scene.robot))
        values = {"qpos": rows["qpos"][k], "qvel": rows["qvel"][k], "ctrl": control}
        text = {name: " ".join(f"{x:.9g}" for x in row) for name, row in values.items()}
        ET.SubElement(keyframes, "key", {"name": f"start{k}", **text})
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")
