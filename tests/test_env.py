"""The one reading of the views, on a toy task and a toy engine, against one loop per environment."""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.env import Env, EnvKeys, act, advance, init_env
from screwpush_jax.restart import AUTO_RESET, ON_REQUEST, ONCE, for_training
from screwpush_jax.tasks.task import StepResult

N, B, HORIZON, GOAL, GROUP = 6, 9, 5, 2.0, 3


class Toy(NamedTuple):
    """A point on a line."""

    x: jax.Array  # [N]


class ToyDerived(NamedTuple):
    state: Toy
    far: jax.Array  # [N]


class ToyTask:
    """Reach `GOAL` from a place and with a push that are drawn apart; the push is in the memory."""

    metrics, score, rows_per_start = ("reached",), "reached", 2
    reward_keys, action_size, horizon = ("goal", "time"), 1, HORIZON

    def reset(self, starts, rows, key):
        place, push = starts["place"][rows[0]], starts["push"][rows[1]]
        return self.derive(push, Toy(place)), push + 0.0 * jax.random.uniform(key)

    def derive(self, memory, state):
        return ToyDerived(state, GOAL - state.x)

    def is_invalid(self, state):
        return jnp.isnan(state.x)

    def step(self, memory, derived, invalid):
        reached = (derived.far <= 0) & ~invalid
        terms = {"goal": reached.astype(jnp.float32), "time": jnp.where(invalid, 0.0, -memory)}
        reward = terms["goal"] + terms["time"]
        return StepResult(reward, terms, reached | invalid, {"reached": reached}), memory

    def observe(self, memory, derived, time_left, key):
        return {"policy": jnp.stack([derived.state.x, memory, time_left], axis=-1)}

    def act(self, memory, derived, action):
        return action * memory[:, None], memory

    def hold(self, memory, derived):
        return 0.01 * memory[:, None]


RULES = {
    "auto": AUTO_RESET,
    "once": ONCE,
    "request": ON_REQUEST,
    "groups": for_training(GROUP),
}


@dataclasses.dataclass
class One:
    """One environment, told by hand what happens to it."""

    step: int = 0
    push: float = 0.0
    sums: dict = dataclasses.field(default_factory=lambda: {"goal": 0.0, "time": 0.0})
    running: bool = False  # an episode is under way
    started: bool = False

    def start(self, x, push, step):
        self.__init__(step, push, running=True, started=True)
        return x


class Loop:
    """The toy engine: x moves by the control; `advance` and `act` compiled once for each rule."""

    def __init__(self, rule, task=None):
        env = Env(task or ToyTask(), lambda views: Toy(views["x"]), lambda s: {"x": s.x}, rule)
        rng = np.random.default_rng(1)
        draw = rng.uniform([-1.0, 0.2], [0.5, 0.9], (B, 2)).astype(np.float32)
        self.starts = {"place": jnp.asarray(draw[:, 0]), "push": jnp.asarray(draw[:, 1])}
        self.rule = rule
        self._advance = jax.jit(lambda *args: advance(env, self.starts, *args))
        self._act = jax.jit(lambda *args: act(env, *args))
        self.state = init_env(env.task, self.starts, N, env.task.reward_keys)
        self.x = np.full(N, np.nan, np.float32)  # nothing that the engine shows at first is read

    def turn(self, seed: int, action):
        keys = EnvKeys(*jax.random.split(jax.random.key(seed), 4))
        shown = self.x.copy()
        done, self.state, now = self._advance(self.state, {"x": jnp.asarray(self.x)}, keys)
        control, self.state = self._act(self.state, now, jnp.asarray(action))
        written = np.where(now.rewritten, np.asarray(now.views["x"]), self.x)
        self.x = (written + np.asarray(control)[:, 0]).astype(np.float32)
        drawn = self.rule.rows(keys.rows, B, (2, N // self.rule.group_size))
        rows = np.repeat(np.asarray(drawn), self.rule.group_size, axis=1)
        first = np.asarray(self.rule.first_step(keys.first_step, N, HORIZON))
        return shown, jax.tree.map(np.asarray, (done, now, control)), rows, first


@pytest.fixture(scope="module", params=RULES)
def rule(request):
    return request.param


@pytest.mark.slow
def test_every_rule_does_what_a_slow_count_does(rule):
    """Each number of 40 steps, some environments broken on the way."""
    loop, ones = Loop(RULES[rule]), [One() for _ in range(N)]
    rng, ways, again = np.random.default_rng(2), set(), 0
    for turn in range(40):
        if turn in (2, 13):
            loop.x[turn % N] = np.nan
        action = rng.uniform(0, 2.5, (N, 1)).astype(np.float32)
        shown, (done, now, control), rows, first = loop.turn(turn, action)
        place, push = loop.starts["place"][rows[0]], loop.starts["push"][rows[1]]
        over = []
        for n, one in enumerate(ones):
            live, x = one.running, float(shown[n])
            assert done.live[n] == live
            if live:
                one.step += 1
                invalid, reached = math.isnan(x), x >= GOAL
                terms = {"goal": float(reached), "time": 0.0 if invalid else -one.push}
                assert done.reward[n] == pytest.approx(sum(terms.values()))
                assert done.terminated[n] == (reached or invalid)
                assert done.truncated[n] == (one.step >= HORIZON and not (reached or invalid))
                one.sums = {name: one.sums[name] + value for name, value in terms.items()}
                one.running = not (reached or invalid or one.step >= HORIZON)
                ways |= {"reached"} if reached else {"invalid"} if invalid else set()
                ways |= set() if one.running or reached or invalid else {"truncated"}
                want = {f"reward/{name}": value for name, value in one.sums.items()} | {
                    "reached": reached,
                    "invalid": invalid,
                    "episode_len": one.step,
                    "return": sum(one.sums.values()),
                }
                got = {name: value[n] for name, value in done.figures.items()}
                assert got == pytest.approx(want, abs=1e-5)
                if not invalid:
                    last = [x, one.push, 1 - min(one.step, HORIZON - 1) / HORIZON]
                    np.testing.assert_allclose(done.final_obs["policy"][n], last, atol=1e-6)
            assert done.ended[n] == (live and not one.running)
            over.append(not one.running)
        mates = [over[n - n % GROUP : n - n % GROUP + GROUP] for n in range(N)]
        due = {"auto": over, "groups": [all(group) for group in mates]}.get(rule, [False] * N)
        for n, one in enumerate(ones):
            restarts = not one.started or due[n]
            blew_up = one.started and math.isnan(shown[n])
            assert now.restarted[n] == restarts
            assert now.rewritten[n] == (restarts or blew_up)
            if now.rewritten[n]:
                assert now.views["x"][n] == place[n]
            if blew_up and not restarts:
                one.push = float(push[n])
            if restarts:
                step = int(first[n]) if not one.started else 0
                one.start(float(place[n]), float(push[n]), step)
            if one.running:
                x = float(place[n]) if restarts else float(shown[n])
                seen = [x, one.push, 1 - one.step / HORIZON]
                np.testing.assert_allclose(now.obs["policy"][n], seen, atol=1e-6)
                assert control[n, 0] == pytest.approx(one.push * action[n, 0])
            else:
                again += blew_up
                assert control[n, 0] == pytest.approx(0.01 * one.push), (
                    "what is frozen stands still"
                )
    assert ways == {"reached", "invalid", "truncated"}
    assert again or rule == "auto", "none blew up while or when it was frozen"


@pytest.mark.slow
def test_first_episodes_begin_anywhere_and_later_ones_at_zero():
    loop = Loop(AUTO_RESET)
    loop.turn(0, np.zeros((N, 1)))
    assert len(set(np.asarray(loop.state.step).tolist())) > 2
    for turn in range(1, 12):
        _, (_, now, _), *_ = loop.turn(turn, np.zeros((N, 1)))
        assert (np.asarray(loop.state.step)[now.restarted] == 0).all()


@pytest.mark.slow
def test_a_group_shares_its_start_and_waits_for_its_last_one():
    loop, starts, waited = Loop(RULES["groups"]), 0, 0
    action = np.linspace(0.1, 1.5, N, dtype=np.float32)[:, None]
    for turn in range(30):
        _, (_, now, _), *_ = loop.turn(turn, action)
        frozen = np.asarray(loop.state.frozen)
        waited += frozen.sum()
        for first in range(0, N, GROUP):
            mates = slice(first, first + GROUP)
            assert len(set(now.restarted[mates].tolist())) == 1
            assert not frozen[mates].all()
            if now.restarted[first]:
                starts += 1
                assert len(np.unique(now.obs["policy"][mates], axis=0)) == 1
    assert starts >= 6
    assert waited > 6


@pytest.mark.slow
def test_a_group_shares_what_its_reset_draws():
    """Another group draws anew, also from the same rows."""

    class Drawing(ToyTask):
        def reset(self, starts, rows, key):
            push = starts["push"][rows[1]] + jax.random.uniform(key, rows[1].shape)
            return self.derive(push, Toy(starts["place"][rows[0]])), push

    loop = Loop(for_training(GROUP), Drawing())
    loop.starts = jax.tree.map(lambda x: jnp.full_like(x, x[0]), loop.starts)
    _, (_, now, _), *_ = loop.turn(0, np.zeros((N, 1)))
    pushes = now.obs["policy"][:, 1].reshape(-1, GROUP)
    assert (pushes == pushes[:, :1]).all()
    assert len(np.unique(pushes[:, 0])) == N // GROUP


def test_who_compares_nobody_restarts_at_once():
    assert for_training(1) is AUTO_RESET


@pytest.mark.slow
def test_an_environment_is_reset_when_it_is_asked_for():
    loop = Loop(ON_REQUEST)
    loop.turn(0, np.zeros((N, 1)))
    for turn in range(1, HORIZON + 3):
        _, (_, now, _), *_ = loop.turn(turn, np.zeros((N, 1)))
        assert not now.restarted.any()
    assert loop.state.frozen.all()
    loop.state = loop.state.replace(needs_reset=jnp.arange(N) == 2)
    _, (done, now, _), *_ = loop.turn(20, np.zeros((N, 1)))
    assert now.restarted.tolist() == [n == 2 for n in range(N)]
    assert not done.live.any()
    assert not loop.state.frozen[2]
    assert (loop.state.step[2], loop.state.return_[2]) == (0, 0.0)


def test_an_environment_without_a_start_of_its_own_is_an_error():
    with pytest.raises(ValueError, match="3 start states for 4 environments"):
        ONCE.rows(jax.random.key(0), 3, (1, 4))


@pytest.mark.slow
@pytest.mark.parametrize("x", [GOAL - 1.0, GOAL])
@pytest.mark.parametrize("step", [HORIZON - 2, HORIZON - 1])
def test_the_horizon_truncates_what_does_not_terminate(step, x):
    loop = Loop(ON_REQUEST)
    loop.turn(0, np.zeros((N, 1)))
    loop.state = loop.state.replace(step=jnp.full(N, step, jnp.int32))
    loop.x[:] = x
    _, (done, *_), *_ = loop.turn(1, np.zeros((N, 1)))
    assert (done.terminated == (x >= GOAL)).all()
    assert (done.truncated == (x < GOAL and step == HORIZON - 1)).all()
    assert (done.figures["episode_len"] == step + 1).all()
