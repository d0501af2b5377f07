"""From actions to joint targets: what moves, what does not, and every limit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screwpush_jax.tasks import parts
from screwpush_jax.tasks.screws import action as action_module
from screwpush_jax.tasks.screws.config import AXES
from screwpush_jax.tasks.screws.kinematics import TipPose, forward_kinematics, inverse_kinematics
from screwpush_jax.tasks.separate.config import SeparateConfig

WALKERS = 16
UPRIGHT = ("x", "y", "z", "yaw")
CENTER, HALF = np.array([-0.75, 0.0]), 0.35


@pytest.fixture(scope="module")
def walker(make_task, state_at, memory_of, arm):
    """`(actions [T, n, A], axes) -> (joint targets, commanded poses, actions, previous ones)`.

    From home, `[T + 1, n, ..]` each; what the task's own `derive` and `act` say.
    """
    state = state_at(np.zeros((WALKERS, 3, 3)))

    @functools.cache
    def compiled(axes):
        task = make_task(active_axes=axes)

        def step(memory, action):
            control, after = task.act(memory, task.derive(memory, state), action)
            return after, task.derive(after, state).command, control

        return task, jax.jit(step), task.derive

    def run(actions, axes=AXES):
        task, step, derive = compiled(axes)
        home = jnp.tile(jnp.array([arm.home_rad]), (WALKERS, 1))
        memory = memory_of(task, home)
        track = [(memory, derive(memory, state).command, home)]
        for action in np.float32(actions):
            wide = np.broadcast_to(action, (WALKERS, len(axes)))
            track.append(step(track[-1][0], jnp.asarray(wide)))
        found = [(control, pose, m.action, m.prev_action) for m, pose, control in track]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *found)

    return run


@pytest.fixture(scope="module")
def random_walk(walker):
    """300 steps of actions that keep a direction for a while, so that they reach every limit."""
    rng = np.random.default_rng(0)
    held = np.repeat(rng.uniform(-3, 3, (20, WALKERS, 6)), 15, axis=0)
    return walker(held)


@pytest.fixture(scope="module")
def upright_walk(walker):
    """The same with the axes that leave the rod vertical."""
    rng = np.random.default_rng(0)
    return walker(np.repeat(rng.uniform(-3, 3, (20, WALKERS, 4)), 15, axis=0), UPRIGHT)


def one_hot(axis: str, sign: float) -> np.ndarray:
    return sign * np.eye(6)[AXES.index(axis)]


def tilts(rotation: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(-rotation[..., 2, 2], -1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("axis", AXES[:3])
def test_a_translation_moves_the_tip_along_one_world_axis(walker, axis, sign):
    _, pose, *_ = walker([one_hot("z", 1.0), one_hot(axis, sign)])
    moved = pose.pos_w[2] - pose.pos_w[1]
    want = 0.02 * one_hot(axis, sign)[:3]
    np.testing.assert_allclose(moved, np.tile(want, (WALKERS, 1)), atol=1e-5)
    np.testing.assert_allclose(pose.rotation_w[2], pose.rotation_w[1], atol=1e-4)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("axis", AXES[3:])
def test_a_rotation_turns_the_tool_about_one_world_axis_through_the_tip(walker, axis, sign):
    _, pose, *_ = walker([one_hot(axis, sign)] * 3)
    vector = 0.05 * sign * np.eye(3)[AXES.index(axis) - 3]
    for before, after in zip(pose.rotation_w[:-1], pose.rotation_w[1:], strict=True):
        want = Rotation.from_rotvec(vector).as_matrix() @ before
        np.testing.assert_allclose(after, want, atol=2e-5)
    np.testing.assert_allclose(pose.pos_w, np.tile(pose.pos_w[0, 0], (4, WALKERS, 1)), atol=1e-5)


@pytest.mark.slow
def test_zero_action_leaves_the_command_where_it_is(walker):
    for axes in (AXES, UPRIGHT):
        targets, pose, *_ = walker(np.zeros((300, len(axes))), axes)
        drift = np.linalg.norm(pose.pos_w - pose.pos_w[0], axis=-1)
        assert drift.max() < 1e-4
        np.testing.assert_allclose(targets, np.broadcast_to(targets[0], targets.shape), atol=1e-3)


@pytest.mark.slow
def test_axes_that_are_not_active_keep_their_command(walker):
    rng = np.random.default_rng(1)
    actions = np.repeat(rng.uniform(-2, 2, (20, WALKERS, 2)), 15, axis=0)
    _, pose, *_ = walker(actions, ("y", "x"))
    assert np.ptp(pose.pos_w[..., :2], axis=0).min() > 0.1
    np.testing.assert_allclose(pose.pos_w[..., 2], pose.pos_w[0, 0, 2], atol=1e-3)
    assert tilts(pose.rotation_w).max() < 5e-3
    turned = np.arctan2(pose.rotation_w[..., 1, 0], pose.rotation_w[..., 0, 0])
    np.testing.assert_allclose(np.abs(turned), np.pi, atol=5e-3)


def test_the_order_of_the_active_axes_is_the_actions(walker):
    _, pose, *_ = walker([[1.0, 0.0]], ("y", "x"))
    np.testing.assert_allclose(pose.pos_w[1, 0] - pose.pos_w[0, 0], [0, 0.02, 0], atol=1e-5)


@pytest.mark.parametrize("walk", ["upright_walk", "random_walk"])
def test_the_command_stays_in_the_workspace(request, walk):
    _, pose, *_ = request.getfixturevalue(walk)
    over = np.abs(pose.pos_w[..., :2] - CENTER) - HALF
    assert over.max() > -0.02, "the walk never came to the border"
    assert over.max() < 0.002
    assert pose.pos_w[..., 2].min() > 0.012 - 0.002
    assert pose.pos_w[..., 2].max() < 0.12 + 0.002


@pytest.mark.parametrize("walk", ["upright_walk", "random_walk"])
def test_the_tilt_stays_within_its_limit(request, walk):
    tilt = tilts(request.getfixturevalue(walk)[1].rotation_w)
    assert tilt.max() < (0.005 if walk == "upright_walk" else 0.36)


def test_the_tilt_reaches_its_limit(walker):
    pose = walker([one_hot("pitch", 1.0)] * 12)[1]
    np.testing.assert_allclose(
        tilts(pose.rotation_w[[1, 6, -1]]).T, [[0.05, 0.3, 0.35]] * WALKERS, atol=3e-4
    )


def test_joints_keep_their_ranges_and_their_speed(random_walk, arm):
    targets = random_walk[0]
    assert (np.abs(targets) <= np.float32(arm.range_rad) + 1e-5).all()
    assert np.abs(np.diff(targets, axis=0)).max() <= 3.0 * 0.05 + 1e-5


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf, 1e30, -1e30, "mixed"])
def test_every_limit_holds_for_any_action(walker, arm, wild):
    rng = np.random.default_rng(3)
    values = rng.choice([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.3], (60, WALKERS, 6))
    actions = values if wild == "mixed" else np.full((60, 6), wild)
    targets, pose, action, _ = walker(actions)
    assert np.isfinite(targets).all()
    assert (np.abs(targets) <= np.float32(arm.range_rad) + 1e-5).all()
    assert np.abs(np.diff(targets, axis=0)).max() <= 3.0 * 0.05 + 1e-5
    assert np.isfinite(pose.pos_w).all()
    assert (np.abs(action) <= 1.0).all()


def test_what_is_not_a_number_asks_for_nothing(walker):
    targets, *_, action, _ = walker(np.full((5, 6), np.nan))
    np.testing.assert_array_equal(action, np.zeros_like(action))
    np.testing.assert_allclose(targets[-1], targets[0], atol=1e-4)


def test_actions_beyond_one_count_as_one(walker):
    one, ten = walker(np.full((3, 6), 1.0)), walker(np.full((3, 6), 10.0))
    np.testing.assert_array_equal(one[0], ten[0])


def test_the_memory_holds_the_last_two_clipped_actions(walker):
    actions = np.array([0.1, 5.0, -0.3])[:, None] * np.ones((1, 6))
    *_, action, prev = walker(actions)
    np.testing.assert_allclose(action[1:, 0, 0], [0.1, 1.0, -0.3], rtol=1e-6)
    np.testing.assert_allclose(prev[1:, 0, 0], [0.0, 0.1, 1.0], rtol=1e-6)


# --- each limit at both sides -------------------------------------------------------------------

DOWN = np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]], np.float32)
FACES = [(0, -1.1), (0, -0.4), (1, -0.35), (1, 0.35), (2, 0.012), (2, 0.12)]
"""Axis and place of each face of the workspace."""


def inside(face, depth_m):
    """A tip `depth_m` within a face, in the middle of it."""
    axis, place = face
    pos = np.array([-0.75, 0.0, 0.06])
    pos[axis] = place + depth_m * (1 if place < pos[axis] else -1)
    return pos


@pytest.fixture(scope="module")
def one_move(arm):
    """`(tip [3], action [6]) -> tip [3]` of the commanded pose after one step, rod down."""

    @jax.jit
    def move(tip, action):
        home = jnp.array(arm.home_rad, jnp.float32)
        joints = inverse_kinematics(arm, TipPose(tip, jnp.asarray(DOWN)), home)
        command = forward_kinematics(arm, joints)
        moved = action_module.move_command(SeparateConfig(), arm, 0.05, command, joints, action)
        return forward_kinematics(arm, moved).pos_w

    return lambda tip, action: np.asarray(move(jnp.float32(tip), jnp.float32(action)))


@pytest.mark.slow
@pytest.mark.parametrize("face", FACES)
def test_a_step_over_each_face_of_the_workspace_ends_on_it(one_move, face):
    axis, place = face
    sign = 1.0 if place > inside(face, 0.005)[axis] else -1.0
    over, short = (one_move(inside(face, d), one_hot("xyz"[axis], sign)) for d in (0.005, 0.0201))
    assert over[axis] == pytest.approx(place, abs=1e-5)
    assert short[axis] == pytest.approx(place - sign * 1e-4, abs=1e-5)


@pytest.mark.parametrize("face", FACES)
def test_a_path_may_cut_each_face_by_a_millimetre_and_no_more(face):
    config = SeparateConfig()
    for depth_m, allowed in ((-0.99e-3, True), (-1.01e-3, False)):
        pose = TipPose(jnp.float32(inside(face, depth_m)), jnp.asarray(DOWN))
        assert bool(action_module._in_workspace(config, pose)) == allowed


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_path_may_tilt_five_milliradians_over_the_limit_and_no_more(axis, sign):
    config = SeparateConfig()
    for tilt, allowed in ((0.3549, True), (0.3551, False)):
        turned = Rotation.from_euler(axis, sign * tilt).as_matrix() @ DOWN
        pose = TipPose(jnp.float32([-0.75, 0.0, 0.06]), jnp.float32(turned))
        assert bool(action_module._in_workspace(config, pose)) == allowed


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("joint", range(6))
def test_each_joint_stops_at_its_range_and_at_its_speed(arm, joint, sign):
    limit = sign * arm.range_rad[joint]
    one = np.eye(6, dtype=np.float32)[joint]

    def limited(start, wanted, max_step_rad=0.15):
        args = (jnp.asarray(start * one), jnp.asarray(wanted * one))
        moved = action_module.limit_joints(arm, max_step_rad, *args)
        np.testing.assert_array_equal(np.delete(moved, joint), np.zeros(5))
        return float(moved[joint])

    assert limited(0.98 * limit, 0.999 * limit) == pytest.approx(0.999 * limit, rel=1e-5)
    assert limited(0.98 * limit, 1.001 * limit) == pytest.approx(limit, rel=1e-5)
    assert limited(0.0, sign * 0.1499) == pytest.approx(sign * 0.1499, rel=1e-4)
    assert limited(0.0, sign * 0.1501) == pytest.approx(sign * 0.15, rel=1e-4)


@pytest.mark.parametrize("axis", range(6))
def test_each_axis_of_an_action_counts_within_one(axis):
    for value, want in ((0.999, 0.999), (1.001, 1.0), (-0.999, -0.999), (-1.001, -1.0)):
        action = value * np.eye(6, dtype=np.float32)[axis]
        want = want * np.eye(6, dtype=np.float32)[axis]
        np.testing.assert_array_equal(parts.clip_action(jnp.asarray(action)), want)
