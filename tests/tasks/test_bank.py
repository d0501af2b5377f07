"""The start states: jumbles by an independent check, arm poses that touch nothing."""

import logging
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from screwpush_jax.tasks.screws import jumble
from screwpush_jax.tasks.screws import starts as starts_module
from screwpush_jax.tasks.task import StartsError
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.builders import mjcf
from screwpush_sim.options import MujocoConfig
from screwpush_sim.registry import make_simulator

pytestmark = pytest.mark.slow

D, CENTER = 0.15, np.array([-0.75, 0.0])


@pytest.fixture(scope="module")
def screws(starts):
    return jax.tree.map(np.asarray, starts.state)


def test_there_are_as_many_as_were_asked_for(starts):
    assert {leaf.shape[0] for leaf in jax.tree.leaves(starts)} == {40}


def test_every_screw_of_a_jumble_rests(screws):
    assert np.linalg.norm(screws.bodies["screws"].linvel_w, axis=-1).max() < 0.01


def test_every_screw_lies_in_the_inner_area_on_the_table(screws):
    assert np.linalg.norm(screws.bodies["screws"].pos_w[..., :2] - CENTER, axis=-1).max() < 0.12
    assert screws.bodies["screws"].pos_w[..., 2].max() < 0.025
    assert screws.bodies["screws"].pos_w[..., 2].min() > 0.005


def test_every_jumble_is_tight_and_none_is_solved(screws):
    distances = np.array([pdist(pos) for pos in screws.bodies["screws"].pos_w])
    assert distances.max() < 0.8 * D
    assert distances.min(axis=1).max() < 0.6 * D


def test_jumbles_differ(screws):
    assert len(np.unique(screws.bodies["screws"].pos_w.round(5).reshape(40, -1), axis=0)) == 40
    assert np.std(screws.bodies["screws"].pos_w[..., 0]) > 0.02


def test_the_same_seed_gives_the_same_starts_and_another_others(make_task, sim, starts, jit):
    again, other = (make_task().starts(sim, 40, seed, jit) for seed in (0, 4))
    jax.tree.map(np.testing.assert_array_equal, starts, again)
    assert not np.allclose(
        starts.state.bodies["screws"].pos_w, other.state.bodies["screws"].pos_w, atol=1e-3
    )
    assert not np.allclose(starts.joint_starts_rad, other.joint_starts_rad, atol=1e-3)


@pytest.fixture(scope="module")
def mujoco_scene():
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(make_scene(SceneConfig())))
    return model, mujoco.MjData(model)


def test_start_poses_hold_the_rod_upright_in_the_stated_box(starts, mujoco_scene):
    model, data = mujoco_scene
    tips = []
    for joints in np.asarray(starts.joint_starts_rad):
        data.qpos[:6] = joints
        mujoco.mj_kinematics(model, data)
        tips.append(data.site("tip").xpos.copy())
        np.testing.assert_allclose(data.site("tip").xmat.reshape(3, 3)[:, 2], [0, 0, -1], atol=1e-5)
    tips = np.array(tips)
    assert np.abs(tips[:, :2] - CENTER).max() < 0.15 + 1e-5
    assert tips[:, 2].min() > 0.06 - 1e-5
    assert tips[:, 2].max() < 0.10 + 1e-5
    assert (np.ptp(tips, axis=0) > [0.2, 0.2, 0.03]).all(), "they are spread"
    np.testing.assert_allclose(starts.tips.pos_w, tips, atol=3e-6)


def test_no_start_touches_anything(starts, screws, mujoco_scene):
    """Every arm pose above every jumble."""
    model, data = mujoco_scene
    arm_geoms = {model.geom("tool_rod").id, model.geom("link5_wrist").id}
    for row in range(40):
        for start in np.asarray(starts.joint_starts_rad)[::4]:
            pose = np.concatenate(
                [screws.bodies["screws"].pos_w[row], screws.bodies["screws"].quat_w[row]], axis=-1
            )
            data.qpos[:] = np.concatenate([start, pose.ravel()])
            mujoco.mj_forward(model, data)
            touching = set(data.contact.geom[: data.ncon].ravel().tolist())
            assert not touching & arm_geoms


def drift_in_one_second(starts, sim) -> np.ndarray:
    """How far (m) each of the first eight jumbles moves when it is left alone."""
    some = jax.tree.map(lambda leaf: leaf[:8], starts.state)
    sim.write(jnp.ones(8, bool), sim.pack(some))
    for _ in range(round(1 / sim.spec.control_dt_s)):
        sim.step(some.robot.joint_pos)
    moved = np.asarray(sim.unpack(sim.views()).bodies["screws"].pos_w - some.bodies["screws"].pos_w)
    return np.linalg.norm(moved, axis=-1).max(axis=1)


def test_a_jumble_stays_put(starts, sim):
    shifted = [jax.tree.map(lambda leaf, n=n: leaf[8 * n :], starts) for n in range(5)]
    assert max(drift_in_one_second(part, sim).max() for part in shifted) < 1e-3


def test_episodes_begin_as_the_start_states_say(make_task, starts):
    task = make_task()
    rows = jnp.array([[3, 0], [5, 39]])
    derived, memory = task.reset(starts, rows, jax.random.key(0))
    np.testing.assert_array_equal(
        derived.state.bodies["screws"].pos_w, starts.state.bodies["screws"].pos_w[rows[0]]
    )
    np.testing.assert_array_equal(derived.state.robot.joint_pos, starts.joint_starts_rad[rows[1]])
    np.testing.assert_array_equal(memory.joint_targets, derived.state.robot.joint_pos)
    assert not np.any(derived.state.robot.joint_vel)
    again = task.derive(memory, derived.state)
    np.testing.assert_allclose(derived.tip.pos_w, again.tip.pos_w, atol=1e-6)
    np.testing.assert_allclose(derived.command.pos_w, again.command.pos_w, atol=1e-6)


def test_shapes_alone_are_known_without_any_start(make_task, starts):
    shapes = make_task().abstract_starts(40)
    jax.tree.map(lambda a, b: np.testing.assert_equal((a.shape, a.dtype), (b.shape, b.dtype)),
                 shapes, starts)  # fmt: skip


# --- which jumbles are accepted -----------------------------------------------------------------


def settled(pos, linvel=0.0):
    """One settled scene, host arrays, with what the rules read."""
    pos = np.float32([pos])
    speed = np.broadcast_to(np.float32(linvel), pos.shape)
    return SimpleNamespace(bodies={"screws": SimpleNamespace(pos_w=pos, linvel_w=speed)})


def triangle(*sides: float) -> np.ndarray:
    """Three points on the table, about CENTER, whose pairs 01, 02, 12 are `sides` apart."""
    a, b, c = sides
    x = (a**2 + b**2 - c**2) / (2 * a)
    points = np.array([[0, 0], [a, 0], [x, np.sqrt(b**2 - x**2)]])
    return np.concatenate([points - points.mean(0) + CENTER, np.full((3, 1), 0.007)], axis=1)


JUST_BELOW, JUST_ABOVE = 1 - 1e-3, 1 + 1e-3


def keeps_all_rules(task, pos, linvel=0.0) -> bool:
    """Whether the task would begin from these screws."""
    return all(kept[0] for kept in task.start_rules(settled(pos, linvel)).values())


@pytest.fixture(scope="module")
def accepts(make_task):
    return lambda pos, linvel=0.0: keeps_all_rules(make_task(), pos, linvel)


@pytest.mark.parametrize("pair", [0, 1, 2])
@pytest.mark.parametrize(("factor", "accepted"), [(JUST_BELOW, True), (JUST_ABOVE, False)])
def test_every_pair_is_closer_than_eight_tenths_of_d(accepts, pair, factor, accepted):
    sides = [0.08, 0.08, 0.08]
    sides[pair] = 0.8 * D * factor
    assert accepts(triangle(*sides)) == accepted


@pytest.mark.parametrize("pair", [0, 1, 2])
@pytest.mark.parametrize(("factor", "accepted"), [(JUST_BELOW, True), (JUST_ABOVE, False)])
def test_one_pair_is_closer_than_six_tenths_of_d(accepts, pair, factor, accepted):
    sides = [0.1, 0.1, 0.1]
    sides[pair] = 0.6 * D * factor
    assert accepts(triangle(*sides)) == accepted


@pytest.mark.parametrize("screw", [0, 1, 2])
@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1), (0.6, -0.8)])
@pytest.mark.parametrize(("factor", "accepted"), [(JUST_BELOW, True), (JUST_ABOVE, False)])
def test_every_screw_lies_within_the_radius(accepts, screw, direction, factor, accepted):
    pos = np.tile([*CENTER, 0.007], (3, 1))
    pos[:, :2] += 0.05 * np.array(direction)
    pos[screw, :2] = CENTER + 0.12 * factor * np.array(direction)
    assert accepts(pos) == accepted


@pytest.mark.parametrize("screw", [0, 1, 2])
@pytest.mark.parametrize(
    ("height", "accepted"),
    [(0.025 * JUST_BELOW, True), (0.025 * JUST_ABOVE, False), (1e-5, True), (-1e-5, False)],
)
def test_every_screw_lies_low_on_the_table(accepts, screw, height, accepted):
    pos = triangle(0.05, 0.05, 0.05)
    pos[screw, 2] = height
    assert accepts(pos) == accepted


@pytest.mark.parametrize("screw", [0, 1, 2])
@pytest.mark.parametrize("direction", [(1, 0, 0), (0, -1, 0), (0, 0, -1), (0.48, 0.6, 0.64)])
@pytest.mark.parametrize(("factor", "accepted"), [(JUST_BELOW, True), (JUST_ABOVE, False)])
def test_every_screw_rests(accepts, screw, direction, factor, accepted):
    linvel = np.zeros((3, 3))
    linvel[screw] = 3e-4 * factor * np.array(direction)
    assert accepts(triangle(0.05, 0.05, 0.05), linvel) == accepted


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_scene_that_blew_up_is_no_jumble(accepts, value):
    for screw in range(3):
        pos, linvel = triangle(0.05, 0.05, 0.05), np.zeros((3, 3))
        pos[screw, 1] = linvel[screw, 2] = value
        assert not accepts(pos)
        assert not accepts(triangle(0.05, 0.05, 0.05), linvel)


@pytest.mark.parametrize("screws", [2, 3, 4, 8])
@pytest.mark.parametrize("rule", ["radius", "pairs", "speed", "closest"])
def test_more_than_three_have_as_much_room_each(make_task, screws, rule):
    """All but one in a heap; the last one at the bound: sqrt(S / 3) times the three screws'."""
    wider, faster = max(1, screws / 3) ** 0.5, max(1, screws / 3)
    changes: dict = {"jumble_radius_m": 0.12 if rule == "radius" else 9.0}
    for factor, accepted in ((JUST_BELOW, True), (JUST_ABOVE, False)):
        pos, linvel = np.tile([*CENTER, 0.007], (screws, 1)), np.zeros((screws, 3))
        if screws == 2 and rule != "speed":
            pos[1, 0] += 1e-3
        if rule == "radius" and screws > 2:
            pos[:, 0] += 0.05
            pos[-1, 0] = CENTER[0] + wider * 0.12 * factor
        elif rule == "pairs" and screws > 2:
            pos[-1, 1] = wider * 0.8 * D * factor
        elif rule == "speed":
            linvel[-1, 0] = faster * 3e-4 * factor
        elif rule == "closest":
            pos[:, 1] = 0.6 * D * factor * np.arange(screws)
            changes["jumble_all_pairs"] = 99.0
        else:
            return  # of two, the closest pair is every pair
        task = make_task(num_screws=screws, **changes)
        assert keeps_all_rules(task, pos, linvel) == accepted, factor


# --- what is dropped ----------------------------------------------------------------------------


def test_three_screws_are_dropped_as_ever(make_task):
    """Equal seeds give equal drops from one version to the next: a bank can be made again."""
    config, parked = make_task().config, np.zeros(6)
    dropped = jumble.drop(config, parked, 2, 3, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    point = CENTER + rng.uniform(-0.07, 0.07, (2, 1, 2))
    plan = point + rng.uniform(-0.05, 0.05, (2, 3, 2))
    layers = 0.015 + 0.025 * rng.permuted(np.tile(np.arange(3), (2, 1)), axis=1)
    want = np.concatenate([plan, layers[..., None]], axis=-1)
    np.testing.assert_allclose(dropped.bodies["screws"].pos_w, want, rtol=1e-6)


@pytest.mark.parametrize("screws", [2, 3, 5, 8])
def test_drops_stay_within_the_room_of_so_many_screws(make_task, screws):
    room = 0.12 * max(1, screws / 3) ** 0.5
    dropped = jumble.drop(make_task().config, np.zeros(6), 500, screws, np.random.default_rng(1))
    offset = np.abs(np.asarray(dropped.bodies["screws"].pos_w)[..., :2] - CENTER)
    assert 0.95 * room < offset.max() < room
    heights = np.sort(np.asarray(dropped.bodies["screws"].pos_w)[..., 2], axis=1)
    np.testing.assert_allclose(heights, [0.015 + 0.025 * np.arange(screws)] * 500, rtol=1e-6)


@pytest.fixture(scope="module")
def crowd():
    """`screws -> simulator` of 32 scenes."""
    open_sims = []

    def make(screws):
        scene = make_scene(SceneConfig(num_screws=screws), physics="train")
        open_sims.append(make_simulator("mujoco", scene, 32, MujocoConfig(num_threads=2)))
        return open_sims[-1]

    yield make
    for sim in open_sims:
        sim.close()


@pytest.mark.parametrize("screws", [2, 4, 5, 6, 7, 8])
def test_any_number_of_screws_from_two_to_eight_fills_a_bank(make_task, crowd, jit, screws):
    """Tight, low, at rest, none solved, by scipy; and it takes few drops."""
    sim, rounds = crowd(screws), 0

    class Counting:
        def __getattr__(self, name):
            return getattr(sim, name)

        def write(self, *args):
            nonlocal rounds
            rounds += 1
            sim.write(*args)

    found = make_task(num_screws=screws).starts(Counting(), 8, 0, jit)
    pos = np.asarray(found.state.bodies["screws"].pos_w)
    assert pos.shape == (8, screws, 3)
    wider = max(1, screws / 3) ** 0.5
    distances = np.array([pdist(screw) for screw in pos])
    assert distances.min(1).max() < 0.6 * D
    assert distances.max() < wider * 0.8 * D
    assert np.linalg.norm(pos[..., :2] - CENTER, axis=-1).max() < wider * 0.12
    assert 0.005 < pos[..., 2].min() < pos[..., 2].max() < 0.025
    assert np.linalg.norm(found.state.bodies["screws"].linvel_w, axis=-1).max() < 0.001
    assert len(np.unique(distances.round(5), axis=0)) == 8, "each is a drop of its own"
    assert rounds <= 12, "one drop in 50 is accepted, at least"


def test_a_large_bank_of_many_screws_holds_turned_jumbles_that_rest_as_well(
    make_task, crowd, jit, monkeypatch
):
    monkeypatch.setattr(starts_module, "_LEAST_DROPPED", 3)
    sim = crowd(6)
    found = make_task(num_screws=6).starts(sim, 32, 3, jit)
    state = jax.tree.map(np.asarray, found.state)
    shapes = np.array([np.sort(pdist(pos)) for pos in state.bodies["screws"].pos_w])
    nearest = np.abs(shapes[:, None] - shapes[None, :3]).max(-1)
    assert nearest.min(1).max() < 5e-4, "the first three and their like"
    assert len(set(nearest.argmin(1).tolist())) == 3
    places = np.unique(state.bodies["screws"].pos_w.reshape(32, -1).round(4), axis=0)
    assert len(places) == 32, "but each lies otherwise"
    sim.write(jnp.ones(32, bool), sim.pack(found.state))
    for _ in range(round(1 / sim.spec.control_dt_s)):
        sim.step(found.state.robot.joint_pos)
    moved = (
        np.asarray(sim.unpack(sim.views()).bodies["screws"].pos_w) - state.bodies["screws"].pos_w
    )
    assert np.linalg.norm(moved, axis=-1).max() < 2e-3


def test_a_turned_jumble_is_turned_as_a_whole(make_task, random_state):
    """Positions, orientations and velocities by scipy's rotation about the vertical."""
    state = jax.tree.map(np.asarray, random_state(5, 4, 3))
    rows = np.array([2, 0, 2, 3, 1])
    found = jumble.turned(make_task().config, state, rows, np.random.default_rng(6))
    angles = np.random.default_rng(6).uniform(-np.pi, np.pi, (5, 1))[:, 0]
    for row, source, angle in zip(range(5), rows, angles, strict=True):
        turn, center = Rotation.from_euler("z", angle), np.array([*CENTER, 0.0])
        want = turn.apply(state.bodies["screws"].pos_w[source] - center) + center
        np.testing.assert_allclose(found.bodies["screws"].pos_w[row], want, atol=1e-6)
        for name in ("linvel_w", "angvel_w"):
            want = turn.apply(getattr(state.bodies["screws"], name)[source])
            np.testing.assert_allclose(getattr(found.bodies["screws"], name)[row], want, atol=1e-6)
        before, after = (
            Rotation.from_quat(quat[:, [1, 2, 3, 0]])
            for quat in (state.bodies["screws"].quat_w[source], found.bodies["screws"].quat_w[row])
        )
        assert (turn * before).approx_equal(after, atol=1e-5).all()
        np.testing.assert_array_equal(found.robot.joint_pos[row], state.robot.joint_pos[source])


# --- telling how far, and giving up -------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "tried", "hopeless"),
    [
        (0, 300, False),
        (0, 301, True),
        (3, 1024, False),  # 0.3 %, but it may be chance
        (3, 4096, True),
        (12, 2500, False),
        (12, 2600, True),
        (25, 4096, False),  # 0.6 %
        (25, 4400, True),
        (12, 1024, False),
        (419, 1024, False),
        (1000, 100_000, False),
        (890, 100_000, True),
    ],
)
def test_hopeless_is_a_rate_below_one_percent_beyond_doubt(found, tried, hopeless):
    assert starts_module.is_hopeless(found, tried) == hopeless


def test_a_hopeless_configuration_is_an_error_after_few_drops_that_names_the_rule(
    make_task, sim, jit
):
    task = make_task(jumble_closest_pair=1e-4, settle_s=0.05, jumble_speed_m_s=9.0)
    with pytest.raises(
        StartsError,
        match=r"only 0 of 304 drops \(0.00%\).*env\.jumble_closest_pair 100%.*env\.drop_spread_m",
    ):
        task.starts(sim, 4096, 0, jit)


def test_how_far_it_is_goes_to_the_log(make_task, sim, jit, monkeypatch, caplog):
    monkeypatch.setattr(starts_module, "_SAY_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO):
        make_task(settle_s=0.5).starts(sim, 16, 0, jit)
    lines = [record.getMessage() for record in caplog.records]
    assert lines
    assert all(line.startswith("start states: ") and " of 16 from " in line for line in lines)
    tried = [int(line.split(" from ")[1].split()[0]) for line in lines]
    assert tried == [8 * (n + 1) for n in range(len(lines))]


def test_a_bank_that_is_filled_quickly_says_nothing(make_task, sim, jit, caplog):
    with caplog.at_level(logging.INFO):
        make_task().starts(sim, 4, 0, jit)
    assert not caplog.records
