"""USD text of scenes, read back by a small parser of its own and held against MuJoCo's compiled model."""

import ast
import dataclasses
import re

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screwpush_sim.assets import humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.builders import mjcf, usd
from screwpush_sim.builders.usd_prim import identifier
from screwpush_sim.errors import SceneNotSupportedError
from screwpush_sim.options import PhysxConfig
from screwpush_sim.scene import Box, Hull, Link, PositionDrive, Scene, Sphere

ARM = make_scene(SceneConfig(), physics="train")
SCENES = {"arm with screws": ARM, "humanoid": humanoid.make_scene()}
ENV = "/World/envs/env0/"


@dataclasses.dataclass
class Prim:
    kind: str
    apis: list[str]
    values: dict


def read(text: str) -> dict[str, Prim]:
    """Prims by path: one statement a line, a block for each prim."""
    prims, path = {}, []
    for line in map(str.strip, text.split(")\n", 1)[1].splitlines()):
        if head := re.fullmatch(r'def (\w+) "(\w+)"(?: \(prepend apiSchemas = (\[.*\])\))?', line):
            kind, name, apis = head.groups()
            path.append(name)
            assert "/" + "/".join(path) not in prims, "a path stands twice"
            prims["/" + "/".join(path)] = Prim(kind, ast.literal_eval(apis or "[]"), {})
        elif line == "}":
            path.pop()
        elif line not in ("", "{"):
            name, _, value = line.partition(" = ")
            value = re.sub(r"<(.*?)>", r'"\1"', value)
            prims["/" + "/".join(path)].values[name.split()[-1]] = ast.literal_eval(value)
    assert not path
    return prims


@pytest.fixture(scope="module", params=SCENES)
def both(request) -> tuple[Scene, dict[str, Prim], mujoco.MjModel, mujoco.MjData]:
    scene = SCENES[request.param]
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene))
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    return scene, read(usd.build_usda(scene, PhysxConfig())), model, data


def rotation(quat_wxyz) -> Rotation:
    return Rotation.from_quat(np.asarray(quat_wxyz)[[1, 2, 3, 0]])


def pose(prim: Prim) -> tuple[np.ndarray, Rotation]:
    return np.array(prim.values["xformOp:translate"]), rotation(prim.values["xformOp:orient"])


def bodies(scene: Scene, model) -> dict[str, str]:
    """Paths of the prims of MuJoCo's bodies."""
    links = {link.name for link in scene.robot.links}
    names = [model.body(i).name for i in range(1, model.nbody)]
    return {name: f"{ENV}robot/{name}" if name in links else f"{ENV}{name}" for name in names}


def test_bodies_stand_where_mujoco_puts_them(both):
    scene, prims, model, data = both
    for name, path in bodies(scene, model).items():
        pos, turn = pose(prims[path])
        np.testing.assert_allclose(pos, data.body(name).xpos, atol=1e-8)
        assert (turn * rotation(data.body(name).xquat).inv()).magnitude() < 1e-7


def test_masses_centres_and_inertias_are_mujocos(both):
    scene, prims, model, _ = both
    for name, path in bodies(scene, model).items():
        body, values = model.body(name), prims[path].values
        assert "PhysicsMassAPI" in prims[path].apis
        if not body.mass[0]:  # what is bolted down has none
            continue
        assert values["physics:mass"] == pytest.approx(body.mass[0], rel=1e-6)
        np.testing.assert_allclose(values["physics:centerOfMass"], body.ipos, atol=1e-8)
        axes = rotation(values["physics:principalAxes"]).as_matrix()
        wanted = rotation(body.iquat).as_matrix()
        np.testing.assert_allclose(
            axes @ np.diag(values["physics:diagonalInertia"]) @ axes.T,
            wanted @ np.diag(body.inertia) @ wanted.T,
            atol=1e-7 * max(body.inertia),
        )


def test_hinges_turn_about_mujocos_axes_within_its_limits(both):
    scene, prims, model, data = both
    links = [link for link in scene.robot.links if link.joint is not None]
    for link in links:
        prim = prims[f"{ENV}robot/__joints/{link.joint.name}"]
        joint, values = model.joint(link.joint.name), prim.values
        ends = []
        for side, name in enumerate((link.parent, link.name)):
            body, frame = pose(prims[f"{ENV}robot/{name}"]), values[f"physics:localPos{side}"]
            assert values[f"physics:body{side}"] == f"{ENV}robot/{name}"
            turn = body[1] * rotation(values[f"physics:localRot{side}"])
            ends.append((body[0] + body[1].apply(frame), turn))
        np.testing.assert_allclose(ends[0][0], ends[1][0], atol=1e-8)
        assert (ends[0][1] * ends[1][1].inv()).magnitude() < 1e-7, "not at zero"
        assert values["physics:axis"] == "X"
        axis = data.joint(link.joint.name).xaxis
        np.testing.assert_allclose(ends[1][1].apply([1, 0, 0]), axis, atol=1e-7)
        limits = [values["physics:lowerLimit"], values["physics:upperLimit"]]
        np.testing.assert_allclose(np.radians(limits), joint.range, rtol=1e-6)
        armature = values["physxJointAxis:angular:armature"]
        assert armature == pytest.approx(joint.armature[0])


def test_drives_are_per_degree_and_torques_are_damped_by_theirs(both):
    scene, prims, _, _ = both
    for joint in scene.robot.joints:
        values, drive = prims[f"{ENV}robot/__joints/{joint.name}"].values, joint.drive
        per_rad = {
            name: values[f"drive:angular:physics:{name}"] * 180 / np.pi
            for name in ("stiffness", "damping")
        }
        if isinstance(drive, PositionDrive):
            assert per_rad == pytest.approx(
                {"stiffness": drive.stiffness, "damping": drive.damping}
            )
            assert values["drive:angular:physics:maxForce"] == drive.effort_limit_nm
        else:
            assert per_rad == pytest.approx({"stiffness": 0.0, "damping": joint.damping})
            assert "drive:angular:physics:maxForce" not in values


def test_capsules_reach_from_end_to_end(both):
    scene, prims, _, _ = both
    owners = {link.name: (f"{ENV}robot/{link.name}", link) for link in scene.robot.links}
    owners |= {group.name: (f"{ENV}{group.name}1", group) for group in scene.groups}
    found = 0
    for path, owner in owners.values():
        for shape in owner.shapes:
            if shape.kind != "capsule":
                continue
            prim, found = prims[f"{path}/{shape.name}"], found + 1
            center, turn = pose(prim)
            half = turn.apply([prim.values["height"] / 2, 0, 0])
            assert (prim.kind, prim.values["axis"]) == ("Capsule", "X")
            assert prim.values["radius"] == pytest.approx(shape.radius_m)
            np.testing.assert_allclose(
                [center - half, center + half], [shape.start_m, shape.end_m], atol=1e-8
            )
    assert found >= 2


def test_a_hull_keeps_its_corners_and_faces():
    scene = SCENES["arm with screws"]
    head = scene.groups[0].shapes[1]
    values = read(usd.build_usda(scene, PhysxConfig()))[f"{ENV}screws2/head"].values
    np.testing.assert_allclose(values["points"], head.vertices_m, atol=1e-9)
    assert values["faceVertexCounts"] == [len(face) for face in head.faces]
    assert values["faceVertexIndices"] == [corner for face in head.faces for corner in face]
    assert values["physics:approximation"] == "convexHull"


def test_what_meets_the_ground_alone_is_kept_from_all_else():
    prims = read(usd.build_usda(SCENES["arm with screws"], PhysxConfig()))
    groups = {
        path: (
            prim.values["collection:colliders:includes"],
            prim.values.get("physics:filteredGroups"),
        )
        for path, prim in prims.items()
        if prim.kind == "PhysicsCollisionGroup"
    }
    all_of, ground = groups["/World/collision_groups/all"], groups["/World/collision_groups/ground"]
    assert ground[0] == f"{ENV}robot/link5/wrist"
    assert set(ground[1]) == set(groups)
    assert all_of[1] is None
    colliders = {path for path, prim in prims.items() if "PhysicsCollisionAPI" in prim.apis}
    assert set(all_of[0]) == colliders - {ground[0], "/World/ground"}
    assert f"{ENV}robot/tool/rod" in all_of[0]


def test_links_that_a_joint_brings_together_do_not_meet():
    """Those that MuJoCo is told of; a link and its parent never meet in PhysX."""
    scene = SCENES["humanoid"]
    prims = read(usd.build_usda(scene, PhysxConfig()))
    kept_apart = set()
    for path, prim in prims.items():
        if "PhysicsFilteredPairsAPI" in prim.apis:
            assert "PhysicsCollisionAPI" in prim.apis, "one at a link may stand for the whole robot"
            targets = prim.values["physics:filteredPairs"]
            for target in [targets] if isinstance(targets, str) else targets:
                kept_apart.add(frozenset(one.split("/")[-2] for one in (path, target)))
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene))
    excluded = {
        frozenset(model.body(i).name for i in (signature >> 16, signature & 0xFFFF))
        for signature in model.exclude_signature
    }
    assert kept_apart == excluded
    assert frozenset(("left_foot", "left_shin")) in kept_apart


def test_friction_is_each_shapes_own_and_the_larger_counts():
    prims = read(usd.build_usda(SCENES["arm with screws"], PhysxConfig()))
    friction = {
        path: prims[prim.values["material:binding:physics"]].values["physics:dynamicFriction"]
        for path, prim in prims.items()
        if "PhysicsCollisionAPI" in prim.apis
    }
    assert friction.pop(f"{ENV}robot/link5/wrist") == 1.0
    assert set(friction.values()) == {0.6}
    materials = [prim for prim in prims.values() if prim.kind == "Material"]
    assert {m.values["physxMaterial:frictionCombineMode"] for m in materials} == {"max"}


def test_the_options_reach_the_text():
    config = PhysxConfig(
        solver="pgs", position_iterations=5, velocity_iterations=2, contact_offset_m=0.003,
        rest_offset_m=0.001, max_depenetration_m_s=0.5, contacts_per_scene=1000,
        robot_contacts_last=False,
    )  # fmt: skip
    prims = read(usd.build_usda(SCENES["arm with screws"], config, num_envs=4096))
    scene = prims["/World/physics"].values
    assert scene["physxScene:solverType"] == "PGS"
    assert scene["physxScene:solveArticulationContactLast"] == 0
    assert scene["physxScene:gpuMaxRigidContactCount"] == 4096 * 1000
    for path in (f"{ENV}robot/tool", f"{ENV}screws3"):
        body = prims[path].values
        assert body["physxRigidBody:solverPositionIterationCount"] == 5
        assert body["physxRigidBody:solverVelocityIterationCount"] == 2
        assert body["physxRigidBody:maxDepenetrationVelocity"] == 0.5
        assert body["physxRigidBody:maxAngularVelocity"] > np.degrees(1000)
    assert prims[f"{ENV}robot"].values["physxArticulation:solverPositionIterationCount"] == 5
    for path in ("/World/ground", f"{ENV}screws3/shank"):
        assert prims[path].values["physxCollision:contactOffset"] == 0.003
        assert prims[path].values["physxCollision:restOffset"] == 0.001


def test_the_scenes_bound_on_iterations_takes_the_place_of_the_option():
    scene = SCENES["arm with screws"]
    scene = dataclasses.replace(
        scene, physics=dataclasses.replace(scene.physics, solver_iterations=37)
    )
    text = usd.build_usda(scene, PhysxConfig(position_iterations=5))
    counts = [
        value
        for prim in read(text).values()
        for name, value in prim.values.items()
        if name.endswith("solverPositionIterationCount")
    ]
    assert set(counts) == {37}
    assert len(counts) > 3


def with_base_shapes(scene: Scene, *shapes) -> Scene:
    base, *others = scene.robot.links
    links = (dataclasses.replace(base, shapes=shapes), *others)
    return dataclasses.replace(scene, robot=dataclasses.replace(scene.robot, links=links))


def test_spheres_and_boxes_have_their_sizes_and_places():
    shapes = Sphere("ball", (0.1, 0.2, 0.3), 0.04), Box("box", (0.3, 0.2, 0.1), (0.01, 0.02, 0.03))
    prims = read(
        usd.build_usda(with_base_shapes(SCENES["arm with screws"], *shapes), PhysxConfig())
    )
    ball, box = (prims[f"{ENV}robot/base/{name}"].values for name in ("ball", "box"))
    assert (ball["xformOp:translate"], ball["radius"]) == ((0.1, 0.2, 0.3), 0.04)
    assert (box["xformOp:translate"], box["size"]) == ((0.3, 0.2, 0.1), 2.0)
    assert box["xformOp:scale"] == (0.01, 0.02, 0.03)
    assert box["xformOpOrder"] == ["xformOp:translate", "xformOp:scale"]


def test_a_hull_that_a_gpu_does_not_take_is_refused():
    corners = tuple((float(i), float(i * i), 0.0) for i in range(65))
    scene = with_base_shapes(SCENES["arm with screws"], Hull("many", corners, ()))
    with pytest.raises(SceneNotSupportedError, match="'many' has 65 vertices; valid: at most 64"):
        usd.build_usda(scene, PhysxConfig())


@pytest.mark.parametrize(
    "name", ["left-foot", "1st", "", "bein links", "große", "a.b", "_ok", "Fuß"]
)
def test_any_name_becomes_an_identifier_of_its_own(name):
    made = identifier(name)
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", made)
    others = ["left_foot", "left foot", "st", "links", "grosse", "a_b", "ok", "Fus"]
    assert made not in map(identifier, others)


def test_a_link_of_a_strange_name_is_found_by_its_path():
    scene = SCENES["arm with screws"]
    link = Link("tool tip-2", "tool")
    robot = dataclasses.replace(scene.robot, links=(*scene.robot.links, link))
    prims = read(usd.build_usda(dataclasses.replace(scene, robot=robot), PhysxConfig()))
    assert prims[usd.link_path("tool tip-2")].values["physics:mass"] < 0.01
