"""The contract: the ground carries what falls; screws touch the rod and each other, and behave as bolts do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.tasks.screws.kinematics import TipPose, inverse_kinematics
from screwpush_sim.assets import elfin15
from screwpush_sim.assets.bolt import Bolt

SHANK = Bolt().shank_radius_m


def segment_distance(pos_a, axis_a, pos_b, axis_b, half: float) -> float:
    """Smallest distance of two shank axes, by brute force over points of both."""
    s = np.linspace(-half, half, 201)
    a = pos_a + s[:, None] * axis_a
    b = pos_b + s[:, None] * axis_b
    return np.linalg.norm(a[:, None] - b[None], axis=-1).min()


def x_axis(quat_wxyz: np.ndarray) -> np.ndarray:
    w, x, y, z = np.moveaxis(quat_wxyz, -1, 0)
    return np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=-1)


LOWEST_M = {"arm with screws": 0.9 * SHANK, "humanoid": 0.06}
"""Of an origin at rest: a shank lies on its side, a torso, 8 cm thick about its axis, on whatever it fell."""
FALL_S = {"arm with screws": 1.5, "humanoid": 3.5}
"""A figure without torques stands for a second before it topples."""


@pytest.mark.slow
def test_what_falls_is_carried_by_the_ground_and_comes_to_rest(world, request):
    """From 10 cm, robot included where it is free; soft contact may give way for a moment."""
    sim, kind = world.shared(), request.node.callspec.params["world"]
    world.lab.put(sim, world.moved([0.0, 0.0, 0.1]))
    states = world.lab.run(sim, world.hold, round(FALL_S[kind] / sim.spec.control_dt_s))
    height = np.array([world.where(state)[..., 2] for state in states])
    assert height.min() > -0.005
    assert height[-1].min() > LOWEST_M[kind]
    assert (height[-1] < height[0]).all()
    assert np.linalg.norm(world.free(states[-1]).linvel_w, axis=-1).max() < 0.05


@pytest.fixture
def jumble(lab, make_state):
    """Screws that lie side by side and touch, head to tail."""
    pos = np.array([[-0.75, 0.0, 0.009], [-0.75, 0.0165, 0.009], [-0.75, -0.0165, 0.009]])
    half_yaw = np.array([[0.0, np.pi, np.pi], [0.0, np.pi, 0.0]]) / 2
    quat = np.stack([np.cos(half_yaw), 0 * half_yaw, 0 * half_yaw, np.sin(half_yaw)], axis=-1)
    return lab.settle(lab.shared(), make_state(np.stack([pos, pos]), quat), seconds=2.0)


@pytest.fixture(scope="module")
def bolts(lab, make_state):
    """64 scenes of two bolts far from each other, each at rest on some edge of its head."""
    rng = np.random.default_rng(1)
    yaw, roll = rng.uniform(-np.pi, np.pi, (2, 64, 2)) / 2
    quat = [
        np.cos(yaw) * np.cos(roll),
        np.cos(yaw) * np.sin(roll),
        np.sin(yaw) * np.sin(roll),
        np.sin(yaw) * np.cos(roll),
    ]
    pos = np.zeros((64, 2, 3))
    pos[..., 0], pos[..., 1], pos[..., 2] = -0.75, [-0.3, 0.3], 0.012
    return lab.settle(lab.shared(64, 2), make_state(pos, np.stack(quat, axis=-1)), seconds=2.0)


@pytest.mark.slow
@pytest.mark.parametrize("side", [1, -1])
def test_a_pushed_bolt_stops_within_five_centimetres(lab, bolts, side):
    """Nudged sideways at 0.3 m/s. The few that roll over a corner of the head take longer."""
    sim = lab.shared(64, 2)
    axis = x_axis(bolts.bodies["screws"].quat_w)
    level = np.stack([-axis[..., 1], axis[..., 0], 0 * axis[..., 0]], axis=-1)
    level /= np.linalg.norm(level, axis=-1, keepdims=True)
    lab.put(sim, bolts.with_bodies("screws", linvel_w=np.float32(0.3 * side * level)))
    states = lab.run(sim, bolts.robot.joint_pos, round(0.8 / sim.spec.control_dt_s))
    speed = np.array([np.linalg.norm(s.bodies["screws"].linvel_w, axis=-1) for s in states])
    moved = np.array(
        [
            np.linalg.norm(s.bodies["screws"].pos_w - bolts.bodies["screws"].pos_w, axis=-1)
            for s in states
        ]
    )
    assert np.mean(speed[round(0.4 / sim.spec.control_dt_s) - 1] < 0.05) > 0.85
    assert speed[-1].max() < 0.05
    assert moved.max() < 0.05
    assert moved[-1].min() > 0.005, "it was not pushed at all"


@pytest.mark.slow
def test_a_settled_jumble_stays_at_rest(lab, jumble):
    sim = lab.shared()
    lab.put(sim, jumble)
    states = lab.run(sim, jumble.robot.joint_pos, 20)
    speed = np.array([np.linalg.norm(s.bodies["screws"].linvel_w, axis=-1) for s in states])
    assert speed.max() < 0.01
    np.testing.assert_allclose(
        states[-1].bodies["screws"].pos_w, jumble.bodies["screws"].pos_w, atol=1e-3
    )


def test_settled_screws_lie_on_the_table_and_not_in_each_other(jumble):
    assert (jumble.bodies["screws"].pos_w[..., 2] > 0.9 * SHANK).all()
    assert (jumble.bodies["screws"].pos_w[..., 2] < 0.05).all()
    half = Bolt().length_m / 2 - SHANK
    for pos, axis in zip(
        jumble.bodies["screws"].pos_w, x_axis(jumble.bodies["screws"].quat_w), strict=True
    ):
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert segment_distance(pos[a], axis[a], pos[b], axis[b], half) > 1.7 * SHANK


@pytest.mark.slow
def test_a_dropped_screw_does_not_fall_through_the_table(lab, make_state, parked):
    sim = lab.shared()
    pos = np.array([[-0.75, -0.2, 0.1], [-0.75, 0.0, 0.1], [-0.75, 0.2, 0.1]])
    tilts = np.array([[1, 0, 0, 0], [0.7071, 0, 0.7071, 0], [0.7071, 0, -0.7071, 0]])
    lab.put(sim, make_state(np.stack([pos, pos]), np.stack([tilts, tilts])))
    height = np.array([s.bodies["screws"].pos_w[..., 2] for s in lab.run(sim, parked, 30)])
    assert height.min() > -0.005, "soft contact may give way for a moment"
    assert height[-1].min() > 0.9 * SHANK
    assert height[-1].max() < 0.06


@pytest.mark.slow
def test_one_screw_pushes_another(lab, make_state, parked):
    """Two parallel bolts, one thrown at the other: the second moves on, the first is held up."""
    sim = lab.shared()
    pos = np.array([[-0.75, -0.04, 0.0072], [-0.75, 0.0, 0.0072], [-0.75, 0.2, 0.0072]])
    lab.put(sim, make_state(np.stack([pos, pos]), linvel_w=[[0, 1.0, 0], [0, 0, 0], [0, 0, 0]]))
    states = lab.run(sim, parked, 20)
    moved = states[-1].bodies["screws"].pos_w - pos
    assert (moved[:, 1, 1] > 0.005).all()
    np.testing.assert_allclose(moved[:, 2], np.zeros((2, 3)), atol=1e-3)
    gap = np.array(
        [s.bodies["screws"].pos_w[:, 1] - s.bodies["screws"].pos_w[:, 0] for s in states]
    )
    assert np.linalg.norm(gap, axis=-1).min() > 1.7 * SHANK


@pytest.mark.slow
def test_the_rod_pushes_a_screw_out_of_its_way(lab, lying):
    sim = lab.shared()
    arm = elfin15.arm_spec()
    down = jnp.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]])
    home = jnp.array(arm.home_rad, jnp.float32)
    solve = jax.jit(lambda pos: inverse_kinematics(arm, TipPose(pos, down), home))
    flat = lying.with_bodies(
        "screws",
        pos_w=np.tile(
            np.float32([[-0.75, 0, 0.0072], [-0.5, 0.2, 0.01], [-0.5, -0.2, 0.01]]), (2, 1, 1)
        ),
        quat_w=np.tile(np.float32([1, 0, 0, 0]), (2, 3, 1)),
    )
    path = [np.float32([-0.75, y, 0.006]) for y in np.linspace(-0.05, 0.05, 21)]
    joints = [np.asarray(solve(pos)) for pos in path]
    lab.put(sim, flat.with_robot(joint_pos=np.tile(joints[0], (2, 1))))
    state = [lab.run(sim, q, 1)[-1] for q in [*joints, *[joints[-1]] * 10]][-1]
    # the shank, which may have turned or rolled a little ahead, lies beyond the round end of the rod
    center, half = path[-1] + np.float32([0, 0, elfin15.ROD_RADIUS_M]), Bolt().length_m / 2 - SHANK
    bolt = state.bodies["screws"]
    for pos, axis in zip(bolt.pos_w[:, 0], x_axis(bolt.quat_w)[:, 0], strict=True):
        points = pos + np.linspace(-half, half, 201)[:, None] * axis
        distance = np.linalg.norm(points - center, axis=-1)
        assert distance.min() > 0.9 * (elfin15.ROD_RADIUS_M + SHANK)
        assert distance.min() < 2.0 * (elfin15.ROD_RADIUS_M + SHANK)
        assert points[distance.argmin(), 1] > 0.05
        assert np.linalg.norm(pos - [-0.75, 0, 0.0072]) > 0.03
    np.testing.assert_allclose(
        state.bodies["screws"].pos_w[:, 1:, 1], flat.bodies["screws"].pos_w[:, 1:, 1], atol=5e-3
    )


@pytest.mark.slow
def test_a_screw_put_where_the_rod_was_is_left_alone(lab, make_state, parked):
    """A write moves the whole arm at once, what it touches included."""
    sim = lab.shared()
    arm = elfin15.arm_spec()
    down = jnp.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]])
    pose = TipPose(jnp.array([-0.75, 0.0, 0.006]), down)
    low = np.asarray(inverse_kinematics(arm, pose, jnp.array(arm.home_rad, jnp.float32)))
    side = np.array([[-0.75, -0.2, 0.0072], [-0.75, 0.0, 0.0072], [-0.75, 0.2, 0.0072]])
    under, apart = np.stack([side, side]), np.stack([side, side]) + [0, 0.1, 0]
    lab.put(sim, make_state(apart, joints=low))
    lab.run(sim, low, 3)
    lab.put(sim, make_state(under))
    state = lab.run(sim, parked, 2)[-1]
    np.testing.assert_allclose(state.bodies["screws"].pos_w, under, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("num_screws", [2, 8])
def test_other_numbers_of_screws_stand_as_well(lab, make_state, parked, num_screws):
    sim = lab.shared(num_envs=1, num_screws=num_screws)
    pos = np.zeros((1, num_screws, 3))
    pos[..., 0], pos[..., 2] = -0.75, 0.0072
    pos[..., 1] = 0.06 * (np.arange(num_screws) - num_screws / 2)
    lab.put(sim, make_state(pos))
    state = lab.run(sim, parked, 10)[-1]
    np.testing.assert_allclose(state.bodies["screws"].pos_w, pos, atol=2e-2)
    assert state.bodies["screws"].pos_w.shape == (1, num_screws, 3)
