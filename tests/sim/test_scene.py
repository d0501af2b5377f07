"""The scene is data: it goes through JSON and comes back, and what is no scene is refused by name."""

import dataclasses
import json

import pytest

from screwpush_sim import scene_json
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.scene import Box, Joint, Link, Physics, RobotModel, Scene, Sphere, TorqueDrive
from screwpush_sim.visual import DiscMark

ARM = make_scene(SceneConfig(num_screws=2))
OTHER = Scene(
    RobotModel(
        "cart",
        (
            Link("base", "", (0.0, 0.0, 1.0), density=500.0, shapes=(Box("body", (0, 0, 0), (1, 1, 1)),)),
            Link("arm", "base", joint=Joint("turn", (-1.0, 2.0), TorqueDrive(30.0), (0.0, 1.0, 0.0)),
                 density=500.0, shapes=(Sphere("ball", (0, 0, 0), 0.1, "ground", 0.5),)),
        ),
        home_rad=(0.5,),
        base="free",
    ),
    Physics(0.01, 2, 1.0, "elliptic", (0.0, 0.0, -1.6), 50, 0.004, (0.95, 0.99)),
    contact_links=("arm",),
    marks=(DiscMark("mark", (1.0, 0.0, 0.0), 0.05),),
)  # fmt: skip


@pytest.mark.parametrize("scene", [ARM, OTHER], ids=["arm", "other"])
def test_a_scene_comes_back_from_json_as_it_was(scene):
    back = scene_json.loads(scene_json.dumps(scene))
    assert back == scene
    assert hash(back) == hash(scene)


def change(where: str, value) -> str:
    """The JSON of `OTHER` with the item at the dotted place `where` replaced."""
    data = json.loads(scene_json.dumps(OTHER))
    *path, last = where.split(".")
    item = data
    for key in path:
        item = item[int(key)] if isinstance(item, list) else item[key]
    item[int(last) if isinstance(item, list) else last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        ("physics.dt_s", "0.01", r"scene\.physics\.dt_s '0\.01'; valid: a float"),
        ("physics.decimation", 2.5, r"scene\.physics\.decimation 2\.5; valid: a int"),
        ("physics.decimation", True, "valid: a int"),
        ("physics.cone", "round", r"cone 'round'; valid: 'pyramidal', 'elliptic'"),
        ("physics.gravity_m_s2", [0.0, 1.0], "valid: a list of 3"),
        ("physics.contact_impedance", [0.9], "valid: a list of 2"),
        ("physics.wind", 1.0, r"scene\.physics is no Physics; valid fields: dt_s, "),
        ("robot.links.0.shapes.0.kind", "cone", r"kind 'cone'; valid: capsule, sphere, box, hull"),
        ("robot.links.1.joint", [], r"links\[1\]\.joint is no Joint"),
        ("robot.links.1.joint.drive", 3, r"drive\.kind None; valid: position, torque"),
        ("robot.base", None, "base None; valid: 'fixed', 'free'"),
    ],
)
def test_what_is_no_scene_is_refused_with_the_place_and_what_is_valid(where, value, said):
    with pytest.raises(ValueError, match=said):
        scene_json.loads(change(where, value))


def test_a_field_that_is_missing_is_named():
    data = json.loads(scene_json.dumps(OTHER))
    del data["physics"]["friction"]
    with pytest.raises(ValueError, match=r"scene\.physics: .*'friction'"):
        scene_json.loads(json.dumps(data))


def test_controls_lie_within_what_the_drives_take():
    assert OTHER.robot.control_range == ((-30.0,), (30.0,))
    low, high = ARM.robot.control_range
    assert high[1] == 2.35
    assert low[1] == -2.35
    assert len(low) == len(ARM.robot.joints) == 6


def test_a_control_step_is_as_many_physics_steps_as_said():
    assert OTHER.physics.control_dt_s == pytest.approx(0.02)
    assert dataclasses.replace(OTHER.physics, decimation=3).control_dt_s == pytest.approx(0.03)
