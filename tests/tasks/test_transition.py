"""What happens between two steps of the real engine, against a slow recount in numpy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.algorithms.common.acting import predict_value
from screwpush_jax.algorithms.common.networks import make_network
from screwpush_jax.algorithms.common.types import Moments, Policy
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.compiled import compile_transition
from screwpush_jax.env import Env
from screwpush_jax.transition import init_carry

pytestmark = pytest.mark.slow

N, T, HORIZON = 8, 5, 7


@dataclasses.dataclass
class Loop:
    """The host loop, one step at a time; `carry` is given away at each call."""

    task: object
    sim: object
    starts: object
    policy: Policy
    algorithm: PPO
    function: object
    derive: object
    value: object
    carry: object = None

    def restart(self, seed: int = 0) -> None:
        carry = init_carry(self.task, self.algorithm, self.starts, N, jax.random.key(seed))
        # on its device for good, as every carry after it: else there are two compilations
        self.carry = jax.device_put(carry, jax.devices()[0])

    def step(self, spoil=None):
        """One transition and one step. What it read, what it returned and what was written."""
        views = {name: jnp.array(view) for name, view in self.sim.views().items()}
        before = jax.tree.map(np.array, self.carry.replace(key=jnp.zeros(())))
        targets, mask, reset, self.carry = self.function(
            self.starts, self.policy, self.carry, self.sim.views()
        )
        after = jax.tree.map(np.array, self.carry.replace(key=jnp.zeros(())))
        self.sim.write(mask, reset)
        if spoil is not None:
            broken = jax.tree.map(lambda view: view * jnp.nan, reset)
            self.sim.write(jnp.arange(N) == spoil, broken)
        self.sim.step(targets)
        return before, views, np.array(targets), np.array(mask), reset, after


@pytest.fixture(scope="module")
def loop(make_task, sim, starts):
    easy = {"separation_m": 0.05, "hold_steps": 2, "area_half_m": 0.09}  # ends of every kind
    task = make_task(horizon=HORIZON, sort_screws=False, **easy)
    config = PPOConfig(num_steps=T, hidden_sizes=(8,), init_log_std=0.0)
    algorithm = PPO(config, task.obs_sizes, task.action_size)
    rng = np.random.default_rng(0)
    size = task.obs_sizes["policy"]
    mean = jnp.asarray(rng.normal(size=size), jnp.float32)
    policy = Policy(
        algorithm.init(jax.random.key(1)).policy.params,
        {"policy": Moments(mean, jnp.ones(size), jnp.float32(1))},
        Moments(jnp.float32(0.5), jnp.float32(4.0), jnp.float32(1)),
    )
    function = compile_transition(Env(task, sim.unpack, sim.pack), algorithm)
    derive = jax.jit(lambda memory, views: task.derive(memory, sim.unpack(views)))

    @jax.jit
    def value(memory, derived, time_left):
        obs = task.observe(memory, derived, time_left, jax.random.key(0))
        return predict_value(make_network(config, task.action_size), policy, obs)

    made = Loop(task, sim, starts, policy, algorithm, function, derive, value)
    made.restart()
    return made


def judged_slot(before) -> int:
    return max(int(before.t), 0)


def slot(after, t: int):
    return jax.tree.map(lambda leaf: leaf[t], after.rollout)


def test_every_environment_is_started_at_first_at_a_random_time(loop):
    loop.restart()
    *_, mask, _, after = loop.step()
    assert mask.all()
    assert after.t == 0
    assert not after.env.needs_reset.any()
    assert after.tally.episodes == 0
    assert len(set(after.env.step.tolist())) > 2
    assert after.env.step.max() < HORIZON


def test_the_record_is_the_decision_and_what_came_of_it(loop):
    loop.restart()
    loop.step()
    for t in range(T + 2):
        before, *_, after = loop.step()
        step = slot(after, t % T)
        assert judged_slot(before) == t % T
        pending, decision = before.pending, before.pending.decision
        np.testing.assert_array_equal(step.obs["policy"], pending.obs["policy"])
        np.testing.assert_array_equal(step.action, decision.action)
        for name in ("log_prob", "value"):
            np.testing.assert_array_equal(step.records[name], decision.records[name])
        assert after.t == (t + 1) % T


def test_truncation_bootstraps_from_the_true_final_observation(loop):
    """The state before the reset, seen with the last clock at which the policy acts."""
    loop.restart()
    loop.step()
    seen = 0
    for _ in range(2 * HORIZON):
        before, views, *_, after = loop.step()
        step = slot(after, judged_slot(before))
        derived = loop.derive(before.env.memory, views)
        clock = np.minimum(before.env.step + 1, HORIZON - 1)
        left = jnp.asarray(1 - clock / HORIZON, jnp.float32)
        want = np.array(loop.value(before.env.memory, derived, left))
        np.testing.assert_allclose(step.records["next_value"], want, atol=1e-4)
        np.testing.assert_array_equal(
            step.truncated, (before.env.step + 1 >= HORIZON) & ~step.terminated
        )
        ended = step.truncated
        seen += ended.sum()
        going = ~(step.truncated | step.terminated)
        np.testing.assert_allclose(
            step.records["next_value"][going],
            after.pending.decision.records["value"][going],
            atol=1e-4,
        )
        assert (
            np.abs(step.records["next_value"] - after.pending.decision.records["value"])[ended]
            > 1e-4
        ).all()
    assert seen >= N / 2


def test_what_ends_is_started_from_a_start_state_and_seen_so(loop):
    """The written state is a jumble and a start pose of the starts; the next observation is its."""
    loop.restart()
    loop.step()
    fields = {field.name: slice(field.start, field.stop) for field in loop.task.obs_layout}
    jumbles = np.asarray(loop.starts.state.bodies["screws"].pos_w).reshape(40, -1)
    poses = np.asarray(loop.starts.joint_starts_rad)
    count = 0
    for _ in range(HORIZON + 3):
        before, _, _, mask, reset, after = loop.step()
        step = slot(after, judged_slot(before))
        np.testing.assert_array_equal(mask, step.terminated | step.truncated)
        written = loop.sim.unpack(reset)
        for row in np.flatnonzero(mask):
            count += 1
            obs = after.pending.obs["policy"][row]
            shown = obs[fields["screw_pos_c"]].reshape(3, 3) + np.float32([-0.75, 0, 0])
            for pos in (shown, np.asarray(written.bodies["screws"].pos_w[row])):
                assert np.abs(jumbles - pos.ravel()).max(axis=1).min() < 1e-6
            for joints in (obs[fields["joint_pos"]], np.asarray(written.robot.joint_pos[row])):
                assert np.abs(poses - joints).max(axis=1).min() < 1e-6
            assert not obs[fields["joint_vel"]].any()
            assert not obs[fields["prev_action"]].any()
            assert not obs[fields["tip_command_offset"]].round(5).any()
            assert obs[fields["remaining_time"]] == 1.0
            assert after.env.step[row] == 0
    assert count >= N


def test_the_simulator_continues_from_what_was_observed(loop):
    """One step later the screws of restarted environments lie where the start states had them."""
    loop.restart()
    _, _, _, mask, reset, _ = loop.step()
    assert mask.all()
    shown = loop.sim.unpack(loop.sim.views()).bodies["screws"].pos_w
    np.testing.assert_allclose(shown, loop.sim.unpack(reset).bodies["screws"].pos_w, atol=2e-3)


def test_a_broken_environment_is_replaced_counted_and_paid_nothing(loop):
    loop.restart()
    loop.step()
    loop.step(spoil=3)
    before, views, targets, mask, reset, after = loop.step()
    assert np.isnan(views["qpos"][3]).any(), "the engine must show it"
    step = slot(after, judged_slot(before))
    assert step.terminated[3]
    assert step.reward[3] == 0.0
    assert mask[3]
    assert after.tally.finished["env/invalid"] == 1.0
    finite = [np.isfinite(leaf).all() for leaf in jax.tree.leaves((after, targets, reset))]
    assert all(finite)
    *_, later = loop.step()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(later))
    assert all(np.isfinite(view).all() for view in loop.sim.views().values())


def test_a_broken_simulator_at_the_very_start_harms_nothing(loop):
    """A fresh carry reads nothing of what the simulator shows."""
    everything = {name: view * jnp.nan for name, view in loop.sim.views().items()}
    loop.sim.write(jnp.ones(N, bool), everything)
    loop.sim.step(jnp.zeros((N, 6)))
    loop.restart()
    *_, after = loop.step()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))
    assert after.tally.finished["env/invalid"] == 0.0


def test_the_same_key_gives_the_same_run(loop):
    def run():
        loop.restart(seed=9)
        return [loop.step()[-1] for _ in range(6)][-1]

    jax.tree.map(np.testing.assert_array_equal, run(), run())
