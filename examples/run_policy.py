"""Drives the scene with an exported policy; needs numpy, onnxruntime and mujoco, and nothing of ours.

python -m screwpush_jax.export --checkpoint best --format onnx --output policy.onnx
python examples/run_policy.py policy.onnx
"""

import itertools
import json
import sys

import mujoco
import numpy as np
import onnxruntime


def read_state(model, data, about):
    """The state as the controller names it, world frame."""
    joints = [data.joint(joint["name"]) for joint in about["joints"]]
    state = {
        "robot.joint_pos": np.array([joint.qpos[0] for joint in joints]),
        "robot.joint_vel": np.array([joint.qvel[0] for joint in joints]),
    }
    for group, count in about["bodies"].items():
        bodies = [data.joint(f"{group}{number + 1}") for number in range(count)]
        spin = np.zeros((count, 3))  # MuJoCo has it in the body's own frame
        for turned, body in zip(spin, bodies, strict=True):
            mujoco.mju_rotVecQuat(turned, body.qvel[3:], body.qpos[3:])
        state |= {
            f"bodies.{group}.pos_w": np.array([body.qpos[:3] for body in bodies]),
            f"bodies.{group}.quat_w": np.array([body.qpos[3:] for body in bodies]),
            f"bodies.{group}.linvel_w": np.array([body.qvel[:3] for body in bodies]),
            f"bodies.{group}.angvel_w": spin,
        }
    return {name: np.float32(value) for name, value in state.items()}


def is_met(state, about):
    """The success condition of this instant: all at rest, and where they are to be."""
    settings, pos = about["settings"], state["bodies.screws.pos_w"]
    speed = np.linalg.norm(state["bodies.screws.linvel_w"], axis=1)
    rests = np.all(speed < settings["rest_speed_m_s"]) and np.all(
        pos[:, 2] < settings["max_height_m"]
    )
    if about["task"] == "goal":  # the first one, in the disc
        distance = np.linalg.norm(pos[0, :2] - settings["goal_pos_m"])
        return rests and distance <= settings["goal_radius_m"]
    gaps = [np.linalg.norm(a - b) for a, b in itertools.combinations(pos, 2)]
    return rests and min(gaps) >= settings["separation_m"]


def run_episode(session, model, about, start):
    """One episode from keyframe `start`: seconds until success, or None."""
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, start)
    inputs = {row["name"]: np.zeros(row["shape"], row["dtype"]) for row in about["inputs"]}
    names, held = [row["name"] for row in about["outputs"]], 0
    for step in range(about["horizon"]):
        state = read_state(model, data, about)
        held = held + 1 if is_met(state, about) else 0
        if held == about["settings"]["hold_steps"]:
            return step * about["control_dt_s"]
        inputs |= {name: state[name] for name in inputs if name in state}
        inputs["step"] = np.array(step, np.int32)
        outputs = dict(zip(names, session.run(names, inputs), strict=True))
        inputs |= {name: outputs[f"{name}.next"] for name in inputs if f"{name}.next" in outputs}
        data.ctrl[:] = outputs["control"]
        mujoco.mj_step(model, data, about["physics"]["decimation"])
    return None


def main(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    texts = session.get_modelmeta().custom_metadata_map
    about, model = (
        json.loads(texts["controller"]),
        mujoco.MjModel.from_xml_string(texts["scene_mjcf"]),
    )
    times = [run_episode(session, model, about, start) for start in range(model.nkey)]
    for start, seconds in enumerate(times):
        print(
            f"start {start:2}: "
            + ("no success" if seconds is None else f"success after {seconds:.1f} s")
        )
    print(f"{sum(t is not None for t in times)} of {len(times)} episodes succeeded")


if __name__ == "__main__":
    main(sys.argv[1])
