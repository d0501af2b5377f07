"""What an evaluation finds, and that the whole run compiles each function once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax import compiled, evaluation
from screwpush_jax.build import World, make_world
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.transition import init_carry
from screwpush_sim.errors import WorkerError

pytestmark = pytest.mark.slow

Config = config_type()


@pytest.fixture(scope="module")
def world():
    tree = {
        "num_envs": 8,
        "ppo": {"num_steps": 2, "num_minibatches": 1, "num_epochs": 1, "hidden_sizes": [8]},
        "env": {"horizon": 6},
    }
    config = from_tree(tree, Config, Config())
    world = make_world(config, 8, "train")
    yield config, world
    world.sim.close()


def test_transition_and_update_are_traced_once(world):
    config, world = world
    sim, env, algorithm = world.sim, world.env, world.algorithm
    task = env.task
    starts = task.starts(sim, 8, 0, compiled.jit)
    keys = jax.random.split(jax.random.key(0))
    learner = algorithm.init(keys[0])
    carry = init_carry(task, algorithm, starts, 8, keys[1])
    learner, carry, starts = compiled.place((learner, carry, starts))
    transition = compiled.compile_transition(env, algorithm)
    update = compiled.compile_update(algorithm, 10)
    for _ in range(3):
        for _ in range(2):
            targets, mask, views, carry = transition(
                starts, learner.policy, carry=carry, views=sim.views()
            )
            sim.write(mask, views)
            sim.step(targets)
        with jax.numpy_dtype_promotion("standard"):  # optax's own arithmetic
            learner, _ = update(learner, carry.rollout, carry.tally)
    assert transition._cache_size() == 1
    assert update._cache_size() == 1


@pytest.mark.heavy
def test_random_fails_and_the_script_mostly_succeeds(world):
    config, _ = world
    config = from_tree({"env": {"horizon": 300}, "num_envs": 48}, Config, config)
    examined = make_world(config, 48, "eval")
    like = examined.algorithm.init(jax.random.key(0))
    results = evaluation.examine(examined, like.policy, 5, baselines=True)
    examined.sim.close()
    assert results["random"].success_rate < 0.05
    assert results["scripted"].success_rate > 0.6
    assert results["learned"].success_rate < 0.05  # an untrained network does nothing
    starts = [one.outcomes.records.start("screw_pos_w") for one in results.values()]
    assert all(np.array_equal(starts[0], others) for others in starts[1:])
    kept = results["scripted"].outcomes.records
    ends = kept.last["screw_pos_w"].astype(float)
    apart = np.linalg.norm(ends[:, :, None] - ends[:, None], axis=-1)[:, *np.triu_indices(3, 1)]
    assert np.all(apart[kept.success] > 0.15 - 1e-6)  # what success means
    assert np.mean(apart[~kept.success].min(axis=-1) < 0.15) > 0.5


class BrokenOff:
    """An engine that tells only in its report that it failed."""

    def __init__(self, sim):
        self._sim = sim

    def __getattr__(self, name):
        return getattr(self._sim, name)

    def report(self):
        def read():
            raise WorkerError("error 700")

        return read


def test_figures_of_an_engine_that_failed_on_the_way_are_not_given(world):
    _, (sim, *rest) = world
    like = world[1].algorithm.init(jax.random.key(0))
    broken = World(BrokenOff(sim), *rest)
    with pytest.raises(WorkerError, match="error 700"):
        evaluation.examine(broken, like.policy, 5, baselines=False)


class Scenes:
    """Eight scenes that show what the test says, and the episodes of a policy in them."""

    def __init__(self, config, world):
        self.sim, env, algorithm = world.sim, world.env, world.algorithm
        self.task = env.task
        self.bank = self.task.starts(self.sim, 8, 0, compiled.jit)
        self.policy = algorithm.init(jax.random.key(0)).policy
        self.functions = compiled.compile_episodes(env, algorithm)
        rows = jnp.tile(jnp.arange(8), (self.task.rows_per_start, 1))
        derived, _ = self.task.reset(self.bank, rows, jax.random.key(0))
        self.starts = jax.tree.map(np.asarray, derived.state)

    def init(self):
        return self.functions.init(self.bank, jax.random.key(0))

    def begin(self):
        return self.step(self.init(), self.starts)[-1]

    def step(self, episodes, state):
        """What `episodes.step` makes of the host state: control, mask, state (on the host), episodes."""
        views = self.sim.pack(jax.tree.map(jnp.asarray, state))
        control, mask, views, episodes = self.functions.step(
            self.bank, self.policy, np.int32(0), episodes=episodes, views=views
        )
        written = self.sim.unpack(views)
        return (*jax.tree.map(np.array, (control, mask, written)), episodes)


@pytest.fixture(scope="module")
def scenes(world):
    return Scenes(*world)


def with_screw(state, row, **change):
    """`state` in which the last screw of scene `row` has other values."""
    arrays = {name: np.array(getattr(state.bodies["screws"], name)) for name in change}
    for name, value in change.items():
        arrays[name][row, -1] = value
    return state.with_bodies("screws", **arrays)


ENDINGS = {
    "invalid": {"linvel_w": np.nan},
    "out": {"pos_w": (-0.3, 0.0, 0.007)},
}

FIGURES = {
    "done": "ended",
    "success": "success_once",
    "out": "out_of_area",
    "invalid": "invalid",
    "length": "episode_len",
    "return_": "return",
}
"""Under which name episodes keep each."""


def figure(episodes, name) -> np.ndarray:
    """`[N]` of the ended episodes, and of the others what counts up to here."""
    ended, found = np.asarray(episodes.ended), episodes.figures | {"ended": episodes.ended}
    running = {"length": episodes.env.step, "return_": episodes.env.return_}
    kept = np.asarray(found[FIGURES[name]])
    return np.where(ended, kept, running[name]) if name in running else kept


def figures(episodes, row):
    return [figure(episodes, name)[row].item() for name in FIGURES]


def test_the_first_step_only_starts_the_episodes(scenes):
    """Whatever the simulator shows then: nothing, or the end of what was done in it before."""
    lost = with_screw(scenes.starts, 1, pos_w=ENDINGS["out"]["pos_w"])
    for row in (2, 3):
        lost = with_screw(lost, row, linvel_w=np.nan)
    episodes = scenes.init()
    control, mask, written, episodes = scenes.step(episodes, lost)
    assert mask.all()
    for row in range(8):
        assert figures(episodes, row) == [False, False, False, False, 0, 0.0]
    np.testing.assert_allclose(
        written.bodies["screws"].pos_w, scenes.starts.bodies["screws"].pos_w, atol=1e-6
    )
    assert np.abs(control - scenes.starts.robot.joint_pos).max() < 0.1
    assert not np.any(episodes.env.step)


def test_a_scene_that_blows_up_is_put_back_to_its_start_each_time(scenes):
    """While its episode runs and after it ended; the others go on untouched."""
    episodes, start = scenes.begin(), scenes.starts
    for broken in ([2], [2, 5], [], [5]):
        state = start
        for row, value in zip(broken, (np.nan, 1e20), strict=False):
            state = with_screw(state, row, linvel_w=value)
        control, mask, written, episodes = scenes.step(episodes, state)
        assert np.flatnonzero(mask).tolist() == broken
        for row in broken:
            np.testing.assert_allclose(
                written.bodies["screws"].pos_w[row], start.bodies["screws"].pos_w[row], atol=1e-6
            )
            np.testing.assert_allclose(control[row], start.robot.joint_pos[row], atol=1e-6)
        assert all(np.isfinite(x).all() for x in jax.tree.leaves((control, written)))
    assert np.flatnonzero(figure(episodes, "invalid")).tolist() == [2, 5]
    assert figure(episodes, "length").tolist() == [4, 4, 1, 4, 4, 2, 4, 4]
    assert np.isfinite(figure(episodes, "return_")).all()
    assert all(
        np.isfinite(x).all() for x in jax.tree.leaves((episodes.env.memory, episodes.env.control))
    )


def test_an_engine_is_sound_again_after_a_scene_blew_up(scenes):
    """The real engine, told by the mask: one step later the scene lies as at its start."""
    sim, episodes = scenes.sim, scenes.begin()
    rows = jnp.arange(8) == 3
    everywhere = sim.pack(jax.tree.map(jnp.asarray, scenes.starts))
    sim.write(jnp.ones(8, bool), everywhere)
    sim.write(rows, jax.tree.map(lambda view: view * jnp.nan, everywhere))
    for _ in range(3):
        views = {name: jnp.array(view) for name, view in sim.views().items()}
        control, mask, views, episodes = scenes.functions.step(
            scenes.bank, scenes.policy, np.int32(0), episodes=episodes, views=views
        )
        sim.write(mask, views)
        sim.step(control)
    shown = jax.tree.map(np.asarray, sim.unpack(sim.views()))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(shown))
    np.testing.assert_allclose(
        shown.bodies["screws"].pos_w[3], scenes.starts.bodies["screws"].pos_w[3], atol=2e-3
    )
    np.testing.assert_allclose(
        shown.robot.joint_pos[3], scenes.starts.robot.joint_pos[3], atol=2e-2
    )


@pytest.mark.parametrize("later", [*ENDINGS, "success"])
@pytest.mark.parametrize("first", [*ENDINGS, "success"])
def test_what_happens_after_the_end_of_an_episode_does_not_count(scenes, first, later):
    """Scene 0 ends one way, and then shows another."""
    episodes, start = scenes.begin(), scenes.starts
    apart = np.array(start.bodies["screws"].pos_w)
    apart[0] = [[-0.9, -0.1, 0.007], [-0.6, -0.1, 0.007], [-0.75, 0.1, 0.007]]
    states = {kind: with_screw(start, 0, **change) for kind, change in ENDINGS.items()}
    states["success"] = start.with_bodies("screws", pos_w=apart)

    def show(kind, episodes):
        for _ in range(5 if kind == "success" else 1):
            *_, episodes = scenes.step(episodes, states[kind])
        return episodes

    episodes = show(first, episodes)
    ended = figures(episodes, 0)
    assert ended[0], "done"
    assert dict(zip(FIGURES, ended, strict=True))[first]
    assert not np.any(episodes.ended[1:])
    episodes = show(later, episodes)
    assert figures(episodes, 0) == ended
    ends = int(ended[list(FIGURES).index("length")])
    assert ends == (5 if first == "success" else 1)


def test_an_episode_that_runs_counts_every_step_and_reward(scenes):
    """Scene 4 stands still for the whole horizon: six steps that cost time, then truncated."""
    episodes = scenes.begin()
    for count in range(1, 8):
        *_, episodes = scenes.step(episodes, scenes.starts)
        assert figure(episodes, "length")[4] == min(count, 6)
        assert bool(episodes.ended[4]) == (count >= 6)
    assert not any(figure(episodes, name).any() for name in ("success", "out", "invalid"))
    still = -0.02 * 6
    np.testing.assert_allclose(figure(episodes, "return_"), np.full(8, still), atol=0.05)
