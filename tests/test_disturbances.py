"""Late controls, wrong measurements and pushes, on a toy task, against a book kept step by step."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax import disturbances
from screwpush_jax.config import config_type
from screwpush_jax.disturbances import obs_sizes, of_task, undisturbed
from screwpush_jax.env import Env, EnvKeys, act, advance, init_env
from screwpush_jax.restart import AUTO_RESET, ONCE, Restart, random_rows, step_zero
from screwpush_jax.tasks.disturbance import BodyDisturbance, Disturbance, RobotDisturbance
from screwpush_jax.tasks.registry import TASKS
from screwpush_jax.tasks.task import StepResult
from screwpush_sim.state import Bodies, RobotState, SimState

N, B, J, HORIZON, HOLD = 64, 2, 3, 7, -5.0
AT_ZERO = Restart(random_rows, step_zero)


class Seen(NamedTuple):
    state: SimState


@dataclasses.dataclass(frozen=True)
class Options:
    disturbance: Any = Disturbance()


@dataclasses.dataclass(frozen=True)
class Watcher:
    """Sees every number of the state; its control is its action, and `HOLD` where it holds."""

    config: Options
    metrics, score, rows_per_start = ("done",), "done", 1
    reward_keys, action_size, horizon = ("time",), 1, HORIZON
    obs_sizes = {"policy": 2 * J + 6 + 10 * B}

    def reset(self, starts, rows, key):
        return Seen(state_like(rows.shape[1])), jnp.zeros(rows.shape[1])

    def derive(self, memory, state):
        return Seen(state)

    def is_invalid(self, state):
        return jnp.zeros(state.robot.joint_pos.shape[0], bool)

    def step(self, memory, derived, invalid):
        zero, no = jnp.zeros(len(invalid)), jnp.zeros(len(invalid), bool)
        return StepResult(zero, {"time": zero}, no, {"done": no}), memory

    def observe(self, memory, derived, time_left, key):
        robot, body = derived.state.robot, derived.state.bodies["things"]
        parts = [robot.joint_pos, robot.joint_vel, robot.base_linvel_w, robot.base_angvel_w]
        parts += [body.pos_w, body.linvel_w, body.angvel_w, body.quat_w[..., :1]]
        return {"policy": jnp.concatenate([part.reshape(len(memory), -1) for part in parts], -1)}

    def act(self, memory, derived, action):
        return action, memory

    def hold(self, memory, derived):
        return jnp.full((len(memory), 1), HOLD)


def state_like(count: int) -> SimState:
    rng = np.random.default_rng(3)

    def rows(*shape):
        return jnp.asarray(np.broadcast_to(rng.normal(size=shape), (count, *shape)), jnp.float32)

    quat = jnp.broadcast_to(jnp.array([0.5, 0.5, -0.5, 0.5]), (count, 4))
    robot = RobotState(rows(J), rows(J), rows(3), quat, rows(3), rows(3))
    turns = jnp.broadcast_to(quat[:, None], (count, B, 4))
    return SimState(robot, {"things": Bodies(rows(B, 3), turns, rows(B, 3), rows(B, 3))}, {})


class World:
    """The toy under a rule of restarts; physics leaves the state as it is."""

    def __init__(self, disturbance, restart=AT_ZERO, count=N, factors=None):
        self.env = Env(Watcher(Options(disturbance)), lambda x: x, lambda x: x, restart, factors)
        self.starts, self.key = jnp.zeros((count, 1)), jax.random.key(1)
        self.truth = state_like(count)
        self.state = init_env(self.env.task, self.starts, count)
        self._advance = jax.jit(lambda *args: advance(self.env, *args))
        self._act = jax.jit(lambda *args: act(self.env, *args))

    def step(self, action):
        self.key, *keys = jax.random.split(self.key, 5)
        done, self.state, now = self._advance(self.starts, self.state, self.truth, EnvKeys(*keys))
        control, self.state = self._act(self.state, now, action)
        return done, now, control


def test_controls_are_as_late_as_was_drawn_for_the_episode():
    """Against each environment's own list of what it sent since its episode began."""
    world = World(Disturbance(delay_steps=(0, 2)))
    sent, drawn, counts = [[] for _ in range(N)], None, set()
    for number in range(3 * HORIZON):
        action = np.arange(N, dtype=np.float32) + 100 * (number + 1)
        _, now, control = world.step(jnp.asarray(action[:, None]))
        np.testing.assert_array_equal(world.state.control, control)
        delay, control = np.asarray(world.state.disturbed.delay), np.asarray(control)[:, 0]
        restarted = np.asarray(now.restarted)
        for n in range(N):
            if restarted[n]:
                sent[n] = []
            else:
                assert delay[n] == drawn[n]
            sent[n].append(action[n])
            due = len(sent[n]) - 1 - delay[n]
            assert control[n] == (sent[n][due] if due >= 0 else HOLD)
        drawn = delay
        counts |= {int(np.sum(delay == d)) for d in (0, 1, 2)}
        assert set(delay) == {0, 1, 2}
    assert len(counts) > 3  # not one draw for all time


def test_one_delay_for_all_is_that_delay():
    world = World(Disturbance(delay_steps=(2, 2)))
    controls = [float(world.step(jnp.full((N, 1), float(i)))[2][5, 0]) for i in range(5)]
    assert controls == [HOLD, HOLD, 0.0, 1.0, 2.0]


def test_what_is_frozen_stands_still_however_late_its_controls_are():
    world = World(Disturbance(delay_steps=(2, 2)), ONCE)
    for _ in range(HORIZON + 1):
        _, _, control = world.step(jnp.ones((N, 1)))
    assert world.state.frozen.all()
    np.testing.assert_array_equal(control, HOLD)


BODY = slice(2 * J + 6, 2 * J + 6 + 3 * B)
VELOCITIES = slice(2 * J + 6 + 3 * B, 2 * J + 6 + 9 * B)


def errors(world, steps):
    """Of what is observed, `[steps, N, O]`, and which of it began an episode, `[steps, N]`."""
    seen, begun = [], []
    for _ in range(steps):
        done, now, _ = world.step(jnp.zeros((world.truth.robot.joint_pos.shape[0], 1)))
        seen.append(np.asarray(now.obs["policy"]))
        begun.append(np.asarray(now.restarted))
        goes_on = ~begun[-1]
        # an instant is measured once: its final observation is the one that is acted on
        np.testing.assert_array_equal(done.final_obs["policy"][goes_on], seen[-1][goes_on])
    plain = World(Disturbance(), count=seen[0].shape[0])
    truth = np.asarray(plain.step(jnp.zeros((seen[0].shape[0], 1)))[1].obs["policy"])
    return np.array(seen) - truth, np.array(begun)


def test_noise_is_new_at_each_step_and_bias_lasts_an_episode():
    world = World(BodyDisturbance(body_pos_noise_m=0.002, body_pos_bias_m=0.03), count=2048)
    wrong, begun = errors(world, HORIZON + 1)
    rest = np.delete(wrong, np.r_[BODY], axis=-1)
    np.testing.assert_array_equal(rest, 0.0)
    wrong = wrong[..., BODY]
    assert begun[0].all()
    assert begun[HORIZON].all()
    first = wrong[:HORIZON]
    noise = first - first.mean(axis=0)
    assert noise.std() * np.sqrt(HORIZON / (HORIZON - 1)) == pytest.approx(0.002, rel=0.03)
    assert first.mean(axis=0).std() == pytest.approx(np.hypot(0.03, 0.002 / HORIZON**0.5), rel=0.03)
    across = np.corrcoef(first.mean(axis=0).T)
    assert np.abs(across - np.eye(3 * B)).max() < 0.1  # each body and axis for itself
    again = np.corrcoef(first.mean(axis=0).ravel(), wrong[HORIZON].ravel())[0, 1]
    assert abs(again) < 0.1  # the next episode's is another
    steps = np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]
    assert steps == pytest.approx(-1 / (HORIZON - 1), abs=0.05)  # what taking off the mean leaves


def test_hidden_velocities_read_zero_and_nothing_else_does():
    world = World(BodyDisturbance(hide_body_velocities=1.0))
    _, now, _ = world.step(jnp.zeros((N, 1)))
    seen = np.asarray(now.obs["policy"])
    assert (seen[:, VELOCITIES] == 0).all()
    assert (np.delete(seen, np.r_[VELOCITIES], axis=-1) != 0).all()
    true = np.asarray(now.derived.state.bodies["things"].linvel_w)
    assert (true != 0).all()  # the task goes on from what is


def test_velocities_are_hidden_in_their_share_of_the_episodes_from_beginning_to_end():
    world, hidden = World(BodyDisturbance(hide_body_velocities=0.25), count=4096), []
    for _ in range(HORIZON + 1):
        _, now, _ = world.step(jnp.zeros((4096, 1)))
        zero = np.asarray(now.obs["policy"])[:, VELOCITIES] == 0
        hidden.append(zero.all(axis=-1))
        np.testing.assert_array_equal(hidden[-1], zero.any(axis=-1))
    for later in hidden[1:HORIZON]:
        np.testing.assert_array_equal(later, hidden[0])
    first, second = hidden[0], hidden[HORIZON]
    assert first.mean() == pytest.approx(0.25, abs=0.025)
    assert (first & second).mean() == pytest.approx(0.25**2, abs=0.015)


def test_each_sensor_of_a_robot_has_its_own_error():
    given = {"joint_pos_noise_rad": 0.01, "joint_vel_noise_rad_s": 1.5}
    given |= {"base_linvel_noise_m_s": 0.1, "base_angvel_noise_rad_s": 0.2}
    wrong, _ = errors(World(RobotDisturbance(**given), count=2048), 2)
    spread = [
        wrong[..., part].std() for part in (slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12))
    ]
    assert spread == pytest.approx(list(given.values()), rel=0.05)
    np.testing.assert_array_equal(wrong[..., 12:], 0.0)
    biased, _ = errors(World(RobotDisturbance(joint_pos_bias_rad=0.02), count=2048), 2)
    np.testing.assert_array_equal(biased[0], biased[1])
    assert biased[..., :3].std() == pytest.approx(0.02, rel=0.05)


def test_a_wrong_orientation_is_one_and_is_off_by_the_angle():
    world = World(RobotDisturbance(base_tilt_noise_rad=0.05), count=2048)
    world.step(jnp.zeros((2048, 1)))
    task, truth = world.env.task, world.truth
    read = disturbances.measured(task, world.state.disturbed, truth, jax.random.key(4))
    quat, true = (np.asarray(one.robot.base_quat_w, float) for one in (read, truth))
    np.testing.assert_allclose(np.sum(quat**2, axis=-1), 1.0, atol=1e-5)
    w, axis = true[:, :1], -true[:, 1:]
    # read * conjugate of true is the turn about the world's axes
    vector = quat[:, :1] * axis + w * quat[:, 1:] + np.cross(quat[:, 1:], axis)
    assert (2 * vector).std(axis=0) == pytest.approx([0.05] * 3, rel=0.06)


def test_pushes_change_level_velocity_as_often_and_as_much_as_asked():
    world = World(RobotDisturbance(push_m_s=0.8, push_every_steps=5), ONCE, count=4096)
    kicks, shares = [], []
    for number in range(HORIZON):
        _, now, _ = world.step(jnp.zeros((4096, 1)))
        change = np.asarray(now.views.robot.base_linvel_w - world.truth.robot.base_linvel_w)
        met = (change != 0).any(axis=-1)
        np.testing.assert_array_equal(met | np.asarray(now.restarted), now.rewritten)
        if number == 0:
            assert not met.any()  # an episode begins where it begins
        else:
            shares.append(met.mean())
            kicks.append(change[met])
        for name in ("joint_pos", "joint_vel", "base_pos_w", "base_quat_w", "base_angvel_w"):
            same = getattr(now.views.robot, name), getattr(world.truth.robot, name)
            np.testing.assert_array_equal(*same)
    assert np.mean(shares) == pytest.approx(1 / 5, rel=0.05)
    kicks = np.concatenate(kicks)
    np.testing.assert_allclose(kicks[:, 2], 0.0, atol=1e-6)
    assert np.abs(kicks).max() == pytest.approx(0.8, rel=0.01)
    assert kicks[:, :2].std(axis=0) == pytest.approx([0.8 / 3**0.5] * 2, rel=0.03)
    world.step(jnp.zeros((4096, 1)))
    _, now, _ = world.step(jnp.zeros((4096, 1)))
    assert not now.rewritten.any()  # nobody pushes what is over


def test_the_critic_sees_what_is_and_the_delay():
    told = BodyDisturbance(delay_steps=(0, 2), body_pos_noise_m=0.1, asymmetric_critic=True)
    factors = jnp.arange(2.0 * N).reshape(N, 2)
    world = World(told, factors=factors)
    done, now, _ = world.step(jnp.zeros((N, 1)))
    plain = np.asarray(World(Disturbance()).step(jnp.zeros((N, 1)))[1].obs["policy"])
    delay = np.asarray(world.state.disturbed.delay)
    for obs in (now.obs, done.final_obs):
        assert {name: x.shape[1] for name, x in obs.items()} == obs_sizes(world.env.task, 2)
        np.testing.assert_array_equal(obs["critic"][:, :-3], plain)
        np.testing.assert_array_equal(obs["critic"][:, -2:], factors)
        assert (np.abs(obs["policy"] - plain).max(axis=-1) > 0.01).all()
    np.testing.assert_array_equal(now.obs["critic"][:, -3], delay)
    assert set(delay) == {0, 1, 2}
    # of the same size without a delay: such a policy can be judged without one
    still = Watcher(Options(BodyDisturbance(asymmetric_critic=True)))
    assert obs_sizes(still) == obs_sizes(world.env.task)


@pytest.mark.parametrize("restart", [AUTO_RESET, ONCE])
def test_without_disturbances_nothing_is_kept_and_nothing_is_drawn(restart):
    """The same bits as of a task that knows no such thing, in a state of the same leaves."""
    world, plain = World(Disturbance(), restart), World(None, restart)
    for _ in range(3):
        one, other = (w.step(jnp.ones((N, 1))) for w in (world, plain))
        jax.tree.map(np.testing.assert_array_equal, (one, world.state), (other, plain.state))
    assert world.state.disturbed is None
    names = {jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(world.state)}
    assert not [name for name in names if "disturbed" in name]


@pytest.mark.parametrize("name", TASKS)
def test_no_task_is_disturbed_by_default(name):
    options = config_type(name)().env
    assert of_task(TASKS[name](options)) is None
    assert undisturbed(options) == options


def test_without_disturbances_the_critic_stays_as_it_was():
    told = BodyDisturbance((1, 2), True, 0.1, 0.1, 0.5)
    assert undisturbed(Options(told)).disturbance == BodyDisturbance(asymmetric_critic=True)
