"""PhysX itself, on the device that JAX computes on: what it was told, and what only it can do wrong."""

import dataclasses
import logging

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from screwpush_sim import registry
from screwpush_sim.assets import elfin15, humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.builders import mjcf, solids
from screwpush_sim.errors import (
    DeviceMismatchError,
    EngineNotInstalledError,
    SceneNotSupportedError,
    SimOverflowError,
    SnapshotMismatchError,
)
from screwpush_sim.options import PhysxConfig
from screwpush_sim.scene import BodyGroup, Link, PositionDrive
from screwpush_sim.state import home_state

pytest.importorskip("ovphysx")

from screwpush_sim.engines.physx import library
from screwpush_sim.engines.physx.engine import Physx, spiral
from screwpush_sim.engines.physx.overflows import remedy
from screwpush_sim.engines.physx.session import Session

pytestmark = pytest.mark.slow

ARM = make_scene(SceneConfig(), physics="train")
ON_HOST = jax.default_backend() == "cpu"


@pytest.fixture(scope="module")
def sim():
    made = Physx(ARM, 3, PhysxConfig(num_threads=2))
    yield made
    made.close()


@pytest.fixture(scope="module", params=["arm", "humanoid"])
def session(request):
    """Three scenes as PhysX has them, and what they were made of."""
    scene = ARM if request.param == "arm" else humanoid.make_scene()
    places = [(float(x), float(y)) for x, y in spiral(3) * 4.0]
    made = Session(scene, places, PhysxConfig(), None if ON_HOST else 0)
    yield made, scene
    made.close()


def values(binding) -> np.ndarray:
    found = np.zeros(binding.shape, binding.dtype_name)
    binding.read(found)
    return found


def put(sim, state) -> None:
    mask = jnp.ones(sim.spec.num_envs, bool)
    sim.write(mask, sim.pack(jax.tree.map(jnp.asarray, state)))


def read(sim):
    return jax.tree.map(np.array, sim.unpack(sim.views()))


def run(sim, control, steps: int):
    for _ in range(steps):
        sim.step(jnp.asarray(control, jnp.float32))
    return read(sim)


def home(sim, joints=(0.0, 0.3, -1.3, 0.0, -0.5, 0.0)):
    """The bolts where the scene puts them, the arm out of their way; and the controls that hold it."""
    state = jax.tree.map(np.array, home_state(sim.spec.scene, sim.spec.num_envs))
    joint_pos = np.tile(np.float32(joints), (sim.spec.num_envs, 1))
    return state.with_robot(joint_pos=joint_pos), joint_pos


def expected_mass(owner: Link | BodyGroup) -> tuple[float, np.ndarray, np.ndarray]:
    if owner.inertia is not None:
        return (
            owner.inertia.mass_kg,
            np.array(owner.inertia.com_m),
            np.diag(owner.inertia.moments_kgm2),
        )
    return solids.of_density(owner.shapes, owner.density)


def test_each_clone_has_the_links_masses_centres_and_inertias(session):
    made, scene = session
    mass, com, inertia = (
        made.bind_robots(f"ARTICULATION_BODY_{kind}") for kind in ("MASS", "COM_POSE", "INERTIA")
    )
    masses, coms, inertias = values(mass), values(com), values(inertia)
    for link in scene.robot.links:
        if link.inertia is None and not link.density:
            continue
        row = list(mass.body_names).index(link.name)
        wanted_mass, wanted_com, wanted_inertia = expected_mass(link)
        np.testing.assert_allclose(masses[:, row], [wanted_mass] * 3, rtol=1e-5)
        np.testing.assert_allclose(coms[:, row, :3], [wanted_com] * 3, atol=1e-6)
        found = inertias[:, row].reshape(3, 3, 3)
        size = np.abs(wanted_inertia).max()
        np.testing.assert_allclose(found, [wanted_inertia] * 3, atol=1e-5 * size)


def test_each_clone_has_the_bodies_masses_centres_and_inertias(session):
    made, scene = session
    if not scene.groups:
        return
    (group,) = scene.groups
    mass, com, inertia = expected_mass(group)
    count = 3 * group.count
    assert values(made.bind_bodies("RIGID_BODY_MASS")) == pytest.approx([mass] * count)
    np.testing.assert_allclose(
        values(made.bind_bodies("RIGID_BODY_COM_POSE"))[:, :3], [com] * count, atol=1e-7
    )
    found = values(made.bind_bodies("RIGID_BODY_INERTIA")).reshape(-1, 3, 3)
    np.testing.assert_allclose(found, [inertia] * count, atol=1e-5 * inertia.max())


def test_each_clone_has_the_joints_drives_limits_and_armature(session):
    made, scene = session
    stiffness = made.bind_robots("ARTICULATION_DOF_STIFFNESS")
    order = [list(stiffness.dof_names).index(joint.name) for joint in scene.robot.joints]
    joints = scene.robot.joints
    position = [joint.drive if isinstance(joint.drive, PositionDrive) else None for joint in joints]
    wanted = {
        "STIFFNESS": [drive.stiffness if drive else 0.0 for drive in position],
        "DAMPING": [d.damping if d else j.damping for d, j in zip(position, joints, strict=True)],
        "LIMIT": [joint.range_rad for joint in joints],
        "ARMATURE": [joint.armature_kgm2 for joint in joints],
    }
    if all(position):
        wanted["MAX_FORCE"] = [drive.effort_limit_nm for drive in position]
    for kind, rows in wanted.items():
        found = values(made.bind_robots(f"ARTICULATION_DOF_{kind}"))[:, order]
        np.testing.assert_allclose(found, [rows] * 3, rtol=1e-5)
    assert values(made.bind_robots("ARTICULATION_DOF_MAX_VELOCITY")).min() > 1e6


def test_each_clone_has_the_frictions_and_the_offset(session):
    made, scene = session
    usual = scene.physics.friction
    kinds = [("ARTICULATION", made.bind_robots)] + [("RIGID_BODY", made.bind_bodies)] * bool(
        scene.groups
    )
    for kind, bind in kinds:
        material = values(bind(f"{kind}_SHAPE_FRICTION_AND_RESTITUTION"))
        own = {usual} if kind == "RIGID_BODY" or not scene.groups else {usual, 1.0}
        assert set(np.unique(material[..., :2])) == {np.float32(friction) for friction in own}
        assert not material[..., 2].any()
        offset = values(bind(f"{kind}_CONTACT_OFFSET"))
        np.testing.assert_allclose(offset, PhysxConfig().contact_offset_m)


def test_gravity_is_for_those_whom_nothing_compensates(session):
    made, scene = session
    off = values(made.bind_robots("ARTICULATION_BODY_DISABLE_GRAVITY"))
    assert (off == scene.robot.gravity_compensated).all()


@pytest.fixture(scope="module")
def wrist_of():
    """Where MuJoCo's kinematics put the centre of the wrist's ball, of joints `[J]`."""
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(ARM))
    data = mujoco.MjData(model)

    def place(joints) -> np.ndarray:
        data.qpos[:6] = joints
        mujoco.mj_kinematics(model, data)
        return data.body("link5").xpos.copy()

    return place


def test_the_wrist_meets_the_table_in_each_clone(sim, wrist_of):
    """The arm is told to put it into the table."""
    state, _ = home(sim)
    away = state.with_bodies("screws", pos_w=state.bodies["screws"].pos_w + np.float32([2, 0, 0]))
    deep = np.float32([0.0, 1.4, -1.3, 0.0, 2.0, 0.0])  # the rod points up
    assert wrist_of(deep)[2] < 0.0
    put(sim, away)
    pressed = run(sim, np.tile(deep, (3, 1)), 30)
    heights = [wrist_of(joints)[2] for joints in pressed.robot.joint_pos]
    np.testing.assert_allclose(heights, elfin15.WRIST_SPHERE_RADIUS_M, atol=2e-3)


def test_a_bolt_falls_through_the_wrist_in_each_clone(sim, wrist_of):
    state, hold = home(sim)
    pos = state.bodies["screws"].pos_w.copy()
    pos[:, 1] = wrist_of(hold[0]) + [0.0, 0.01, 0.02]
    put(sim, state.with_bodies("screws", pos_w=pos))
    moved = run(sim, hold, 2).bodies["screws"].pos_w[:, 1] - pos[:, 1]
    np.testing.assert_allclose(moved[:, :2], 0, atol=1e-4)
    np.testing.assert_allclose(moved[:, 2], -9.81 * 0.1**2 / 2, rtol=0.15)


def test_a_state_that_is_no_number_stays_broken_until_it_is_written_anew(sim):
    state, hold = home(sim)
    bad = jax.tree.map(np.copy, state)
    bad.bodies["screws"].pos_w[1, 0, 2] = np.nan
    put(sim, bad)
    for _ in range(2):
        shown = run(sim, hold, 1)
        leaves = [leaf.reshape(3, -1) for leaf in jax.tree.leaves(shown)]
        finite = np.all([np.isfinite(leaf).all(axis=1) for leaf in leaves], axis=0)
        np.testing.assert_array_equal(finite, [True, False, True])
    put(sim, state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(run(sim, hold, 1)))


def test_a_snapshot_holds_what_was_written_since_the_last_step(sim):
    state, hold = home(sim)
    put(sim, state)
    run(sim, hold, 1)
    higher = state.with_bodies(
        "screws", pos_w=state.bodies["screws"].pos_w + np.float32([0, 0, 0.3])
    )
    put(sim, higher)
    snapshot = sim.snapshot()
    run(sim, hold, 5)
    sim.restore(snapshot)
    np.testing.assert_allclose(
        read(sim).bodies["screws"].pos_w, higher.bodies["screws"].pos_w, atol=1e-6
    )
    fallen = (
        run(sim, hold, 1).bodies["screws"].pos_w[..., 2] - higher.bodies["screws"].pos_w[..., 2]
    )
    np.testing.assert_allclose(fallen, -9.81 * 0.05**2 / 2, rtol=0.25)


def test_a_snapshot_without_its_control_is_refused(sim):
    snapshot = sim.snapshot()
    del snapshot["control"]
    with pytest.raises(SnapshotMismatchError, match="physx"):
        sim.restore(snapshot)


def test_scenes_stand_in_rings_around_the_first():
    for count in (1, 2, 9, 10, 64, 1000):
        points = spiral(count)
        assert points.shape == (count, 2)
        assert len({tuple(point) for point in points}) == count
        np.testing.assert_array_equal(points[0], [0, 0])
        assert np.abs(points).max() <= np.ceil(np.sqrt(count)) // 2


SAID = "PhysX error: Patch buffer overflow detected, please increase its size to at least 131072 in the scene desc!"


def test_a_buffer_that_was_too_small_is_told_when_the_report_is_read(sim):
    """By the message of PhysX's log, its only word of it."""
    state, hold = home(sim)
    put(sim, state)
    sim.report()()
    run(sim, hold, 2)
    logging.getLogger("screwpush_sim.physx").error(SAID)
    report = sim.report()
    with pytest.raises(
        SimOverflowError, match="1 times in 10 physics steps.*--physx.patches-per-scene to 54614 or"
    ):
        report()
    assert sim.report()()["perf/overflow"] == 0.0


def test_a_share_of_the_steps_may_overflow():
    made = Physx(ARM, 2, PhysxConfig(max_overflow_share=0.1))
    state, hold = home(made)
    put(made, state)
    for said, allowed in ((1, True), (2, False)):
        run(made, hold, 2)
        for _ in range(said):
            logging.getLogger("screwpush_sim.physx").error(SAID)
        report = made.report()
        if allowed:
            assert report()["perf/overflow"] == said
        else:
            with pytest.raises(SimOverflowError, match="more than the 1 allowed"):
                report()
    made.close()


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "The application needs to increase PxGpuDynamicsMemoryConfig::totalAggregatePairsCapacity to"
            " 4000 , otherwise, the simulation will miss interactions",
            "raise --physx.pairs-per-scene to 5 or more",
        ),
        (
            "PxGpuDynamicsMemoryConfig::collisionStackSize buffer overflow detected, please increase its"
            " size to at least 104857600 in the scene desc! Contacts have been dropped.",
            "raise --physx.collision-stack-mb to 125 or more",
        ),
        ("Force buffer overflow detected", "raise --physx.contacts-per-scene"),
        ("Friction patch buffer overflow detected", "raise --physx.patches-per-scene"),
    ],
)
def test_each_message_has_its_remedy(said, advice):
    assert remedy(said, 1000) == advice


def test_an_allocation_that_grows_is_no_overflow(sim):
    sim.report()()
    logging.getLogger("screwpush_sim.physx").warning(
        "PxgPinnedHostLinearMemoryAllocator: overflowing initial allocation size, increase capacity to at"
        " least 123"
    )
    assert sim.report()()["perf/overflow"] == 0.0


def test_a_report_has_the_steps_times(sim):
    state, hold = home(sim)
    put(sim, state)
    sim.report()()
    run(sim, hold, 3)
    report = sim.report()()
    assert report["perf/steps"] == 3
    assert 0 < report["perf/sim_ms"] < report["perf/elapsed_ms"] + report["perf/sim_ms"]


def test_a_missing_system_library_is_named_with_its_package():
    with pytest.raises(EngineNotInstalledError) as caught:
        library.check_system_libraries({"libc.so.6": "libc6", "libnone.so.9": "libnone9"})
    assert str(caught.value).endswith("apt-get install libnone9")
    assert "libnone.so.9" in str(caught.value)
    assert "libc.so.6" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(registry, "_is_installed", lambda package: False)
    with pytest.raises(EngineNotInstalledError, match=r"screwpush-jax\[physx\].*licence"):
        registry.check_installed("physx")


@pytest.mark.skipif(not ON_HOST, reason="of a process that has no GPU")
def test_a_pipeline_that_is_not_jaxs_device_is_refused():
    with pytest.raises(DeviceMismatchError, match="pipeline gpu, but JAX computes on cpu"):
        Physx(ARM, 1, PhysxConfig(pipeline="gpu"))


@pytest.mark.skipif(not ON_HOST, reason="of a process that stepped on the CPU")
def test_a_gpu_is_refused_after_the_cpu_in_one_process(sim):
    with pytest.raises(DeviceMismatchError, match="a new process"):
        library.load(gpu=True)


def test_two_simulators_live_side_by_side(sim):
    """And the end of one leaves the other alone."""
    state, hold = home(sim)
    put(sim, state)
    other = Physx(humanoid.make_scene(), 2, PhysxConfig())
    before = run(sim, hold, 5)
    other.step(jnp.zeros((2, 21)))
    other.close()
    after = run(sim, hold, 5)
    np.testing.assert_allclose(
        after.bodies["screws"].pos_w, before.bodies["screws"].pos_w, atol=1e-3
    )


@pytest.mark.parametrize("kind", ["auto", "capsule", "hull"] if ON_HOST else ["auto", "hull"])
def test_capsules_that_cross_at_a_few_degrees_do_not_overlap(kind):
    """PhysX's GPU takes them for parallel: there, as capsules, they stay 2 to 4 mm in each other.

    A hull cuts off up to 0.5 mm where the round ends begin.
    """
    angles_rad = np.radians([0.0, 1.0, 2.0, 4.0, 7.0, 10.0, 15.0, 30.0])
    shank, head = ARM.groups[0].shapes
    ends = np.array([shank.start_m, shank.end_m])
    middle, side = ends.mean(axis=0), np.sign(np.mean(head.vertices_m, axis=0)[0] - ends.mean(0)[0])
    state = jax.tree.map(np.array, home_state(ARM, len(angles_rad)))
    pos, quat = state.bodies["screws"].pos_w, state.bodies["screws"].quat_w
    for row, angle in enumerate(angles_rad):  # beside each other, heads outwards
        for index, (turn, x, y) in enumerate([(0.0, 0.015, 0.0), (np.pi + angle, -0.015, 0.0085)]):
            quat[row, index] = np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2)
            place = np.array([-0.75 + side * x, y, 0.03])
            pos[row, index] = place - turned(quat[row, index], middle[None])[0]
    made = Physx(ARM, len(angles_rad), PhysxConfig(body_capsules=kind))
    try:
        control = jnp.asarray(state.robot.joint_pos)
        made.write(jnp.ones(len(angles_rad), bool), made.pack(jax.tree.map(jnp.asarray, state)))
        for _ in range(10):
            made.step(control)
        after = jax.tree.map(np.array, made.unpack(made.views())).bodies["screws"]
    finally:
        made.close()
    before_m = [gap(pos[row], quat[row], ends) - 2 * shank.radius_m for row in range(len(pos))]
    assert max(before_m) < -0.002
    for row, angle in enumerate(angles_rad):
        gap_m = gap(after.pos_w[row], after.quat_w[row], ends) - 2 * shank.radius_m
        assert gap_m > -0.0006, f"{np.degrees(angle):.0f} degrees: {1e3 * gap_m:.2f} mm"


def gap(pos: np.ndarray, quat: np.ndarray, ends: np.ndarray) -> float:
    """Distance of the first two bodies' segments from each other, by looking everywhere."""
    along = np.linspace(0, 1, 400)[:, None]
    one, other = (pos[k] + turned(quat[k], ends[0] + along * (ends[1] - ends[0])) for k in range(2))
    return float(np.linalg.norm(one[:, None] - other[None], axis=-1).min())


def turned(quat: np.ndarray, points: np.ndarray) -> np.ndarray:
    """`points [P, 3]` turned by a quaternion (wxyz)."""
    axis = 2 * np.cross(quat[1:], points)
    return points + quat[0] * axis + np.cross(quat[1:], axis)


def test_friction_is_not_varied_where_a_shape_has_less_than_the_ground():
    """Of two shapes the larger friction counts, and scenes that differ share one ground."""
    (group,) = ARM.groups
    shapes = (dataclasses.replace(group.shapes[0], friction=0.1), *group.shapes[1:])
    scene = dataclasses.replace(ARM, groups=(dataclasses.replace(group, shapes=shapes),))
    factors = np.ones(2, np.float32)
    with pytest.raises(SceneNotSupportedError, match=r"friction.*screws's .* 0\.1, .*0\.6"):
        Physx(scene, 2, PhysxConfig(), {"friction": factors})
