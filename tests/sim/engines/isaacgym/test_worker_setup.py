"""The message from which the worker builds a scene: who meets whom, drives, files."""

import dataclasses
import itertools
import re

import pytest

from screwpush_sim.assets import humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.engines.isaacgym.client import IsaacGym
from screwpush_sim.engines.isaacgym.worker_setup import make_assets, make_worker_setup
from screwpush_sim.errors import SceneNotSupportedError
from screwpush_sim.options import IsaacGymConfig
from screwpush_sim.scene import PositionDrive, TorqueDrive

ARM, HUMANOID = make_scene(SceneConfig(num_screws=8)), humanoid.make_scene()


def filters(scene) -> dict[str, int]:
    """Bits by the names of links, and of bodies by group and number."""
    message = make_worker_setup(scene, 2, IsaacGymConfig())
    bodies = {
        f"{group.name}{number}": bits
        for group, of_group in zip(scene.groups, message["group_filters"], strict=True)
        for number, bits in enumerate(of_group)
    }
    return message["link_filters"] | bodies


def kept_apart(bits: dict[str, int]) -> set[frozenset[str]]:
    """By Isaac Gym's rule: two shapes that share a bit do not meet."""
    return {frozenset((a, b)) for a, b in itertools.combinations(bits, 2) if bits[a] & bits[b]}


def test_the_wrist_meets_the_ground_alone_and_all_else_meets():
    bits = filters(ARM)
    assert kept_apart(bits) == {frozenset(("link5", other)) for other in bits if other != "link5"}
    assert len(bits) == 10


def test_of_the_humanoid_only_links_that_meet_at_a_joint_are_kept_apart():
    pairs = {("torso", "waist")}
    for side in ("left", "right"):
        pairs |= {("pelvis", f"{side}_thigh"), (f"{side}_shin", f"{side}_foot")}
        pairs |= {("torso", f"{side}_upper_arm")}
    assert kept_apart(filters(HUMANOID)) == {frozenset(pair) for pair in pairs}


def test_more_bodies_than_a_filter_has_bits_are_refused():
    (group,) = ARM.groups
    crowded = dataclasses.replace(group, start_pos_w=((0.0, 0.0, 1.0),) * 31)
    scene = dataclasses.replace(ARM, groups=(crowded,))
    with pytest.raises(SceneNotSupportedError, match="by 30 bits.*takes 32"):
        make_worker_setup(scene, 1, IsaacGymConfig())


def test_drives_of_two_kinds_are_refused_before_a_worker_is_started():
    links = list(ARM.robot.links)
    joint = dataclasses.replace(links[1].joint, drive=TorqueDrive(10.0))
    links[1] = dataclasses.replace(links[1], joint=joint)
    scene = dataclasses.replace(ARM, robot=dataclasses.replace(ARM.robot, links=tuple(links)))
    with pytest.raises(SceneNotSupportedError, match="2 kinds; valid: one, position or torque"):
        IsaacGym(scene, 1, IsaacGymConfig(python="/no/such/python"))


def test_a_drive_takes_its_numbers_from_the_scene_and_the_scales_from_the_options():
    config = IsaacGymConfig(stiffness_scale=2.0, damping_scale=0.5)
    for joint, message in zip(
        ARM.robot.joints, make_worker_setup(ARM, 1, config)["drives"], strict=True
    ):
        assert isinstance(joint.drive, PositionDrive)
        assert message["stiffness"] == 2 * joint.drive.stiffness
        assert message["damping"] == joint.drive.damping / 2
        assert message["effort"] == joint.drive.effort_limit_nm
    for joint, message in zip(
        HUMANOID.robot.joints, make_worker_setup(HUMANOID, 1, config)["drives"], strict=True
    ):
        assert (message["stiffness"], message["damping"]) == (0.0, joint.damping)
        assert message["effort"] == joint.drive.gear_nm


@pytest.mark.parametrize(("scene", "count"), [(ARM, 3), (HUMANOID, 1)])
def test_every_file_that_is_named_is_there(scene, count):
    files, message = make_assets(scene), make_worker_setup(scene, 1, IsaacGymConfig())
    assert len(files) == count
    assert {message["robot_urdf"], *message["group_urdfs"]} <= files.keys()
    meshes = {
        name for text in files.values() for name in re.findall(r'mesh filename="(.*?)"', text)
    }
    assert meshes == {name for name in files if name.endswith(".obj")}
