"""Groups of environments that are stepped in turn: what each does, what is learned of all, what is saved."""

import contextlib
import dataclasses
import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from screwpush_jax import checkpoint_folder, compiled, dist, initial_state, stages
from screwpush_jax.algorithms.algorithm import Decision
from screwpush_jax.algorithms.common.types import AXIS
from screwpush_jax.checkpoint import CheckpointStore, RunState
from screwpush_jax.config import config_type, from_tree, to_tree
from screwpush_jax.errors import UsageError
from screwpush_jax.score import Score
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.training import train
from screwpush_sim import registry as engines

NUM_ENVS, T = 8, 3
TREE = {
    **{"task": "mark", "sim": "rail", "num_envs": NUM_ENVS, "pipeline_stages": 2},
    "ppo": {"num_steps": T, "num_epochs": 2, "num_minibatches": 2, "hidden_sizes": [4]},
    "env": {"horizon": 5},
}


@pytest.fixture(scope="module")
def toys(registered_toys):
    """The module of a toy task and engine, both registered."""
    with registered_toys() as module:
        yield module


class Tiny:
    """An algorithm that compiles in no time: an action is a weighted observation, with noise; weights go where
    rewards and what was noted down at each step send them."""

    num_steps, group_size, obs_sizes, action_size = T, 1, {"policy": 2}, 1

    def init(self, key):
        weights = jax.random.normal(key, (2,))
        return Learned({"weights": weights}, jnp.int32(0))

    def init_memory(self, num_envs):
        return ()

    def act(self, policy, memory, obs, key):
        noise = jax.random.normal(key, obs["policy"].shape[:1])
        action = (obs["policy"] @ policy["weights"] + noise)[:, None]
        return Decision(action, {"noise": noise}, memory)

    def after(self, policy, memory, obs, progress):
        return {"seen": obs["policy"] @ policy["weights"]}

    def update(self, num_iterations, learner, rollout):
        notes = rollout.records["noise"] * rollout.reward + rollout.records["seen"]
        step = jax.lax.pmean(jnp.mean(notes[..., None] * rollout.obs["policy"], axis=(0, 1)), AXIS)
        weights = learner.policy["weights"] + 0.1 * step
        metrics = {"reward": jax.lax.pmean(jnp.mean(rollout.reward), AXIS)}
        return Learned({"weights": weights}, learner.iteration + 1), metrics


@struct.dataclass
class Learned:
    policy: dict
    iteration: jax.Array


@pytest.fixture(scope="module")
def begin(toys):
    """`begin(stages) -> (config, world, state)` of a fresh run."""

    def fresh(num_stages):
        kind = config_type("mark")
        config = from_tree({**TREE, "pipeline_stages": num_stages}, kind, kind())
        world = make_worlds(config)
        starts = world.task.starts(world.sim, world.task.num_starts, 0)
        return config, world, initial_state.fresh(config, world, starts, None, None)

    return fresh


def make_worlds(config):
    made, algorithm = stages.make_worlds(config), Tiny()
    others = tuple(other._replace(algorithm=algorithm) for other in made.others)
    return made._replace(algorithm=algorithm, others=others)


class Watch:
    """Follows a training of so many iterations, which may end inside a rollout."""

    def __init__(self, iterations: int, steps: int = 10**9):
        self.iterations, self.steps, self.metrics, self.reports = iterations, steps, [], []
        self.saved: list[RunState] = []
        self.stopper = SimpleNamespace(nothing_to_save=contextlib.nullcontext)
        self.films = SimpleNamespace(prepare=lambda *_: None, see=self._see)
        self.filmed = 0

    def _see(self, starts, state, views):
        self.filmed += len(state.step)

    def start_clock(self):
        pass

    def should_continue(self):
        return len(self.metrics) < self.iterations and self.steps > 0

    @property
    def stops_here(self):
        self.steps -= 1
        return self.steps < 0

    def iteration(self, metrics, report, learner):
        self.metrics.append({name: float(value) for name, value in metrics.items()})
        self.reports.append(report())

    def checkpoint_due(self):
        return False

    def save(self, state):
        self.saved.append(state)


def run(config, world, state, iterations, steps=10**9):
    watch = Watch(iterations, steps)
    return train(config, world, jax.tree.map(jnp.copy, state), watch), watch


def numbers(tree):
    """Every leaf by its path."""
    found = jax.tree_util.tree_leaves_with_path(tree)

    def plain(x):
        return jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x

    return {jax.tree_util.keystr(path): np.asarray(plain(leaf)) for path, leaf in found}


def assert_same(found, expected):
    found, expected = numbers(found), numbers(expected)
    assert found.keys() == expected.keys()
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


def by_hand(config, world, state, iterations):
    """The same training: each stage's whole rollout after the other's, and what they did laid together."""
    worlds, learner = (world, *world.others), state.learner
    carries = [state.carry, *(other.carry for other in state.others)]
    transition = compiled.compile_transition(
        world.env, world.algorithm
    )  # their scenes do not differ
    update = compiled.compile_update(world.algorithm, config.num_iterations)
    controls, metrics = [None, None], []
    for _ in range(iterations):
        for number, one in enumerate(worlds):
            for _ in range(T if controls[number] is not None else T + 1):
                if controls[number] is not None:
                    one.sim.step(controls[number])
                controls[number], mask, views, carries[number] = transition(
                    state.starts, learner.policy, carry=carries[number], views=one.sim.views()
                )
                one.sim.write(mask, views)
        parts = [jax.tree.map(np.asarray, (one.rollout, one.tally)) for one in carries]
        rollout = jax.tree.map(lambda *x: np.concatenate(x, axis=1), *(one for one, _ in parts))
        tally = jax.tree.map(lambda *x: np.add(*x), *(one for _, one in parts))
        learner, found = update(*compiled.place((learner, rollout, tally)))
        metrics.append({name: float(value) for name, value in found.items()})
    return learner, carries, metrics


@pytest.mark.slow
def test_stages_in_turn_do_what_each_does_alone_and_one_update_learns_of_all(begin):
    config, world, state = begin(2)
    ended, watch = run(config, world, state, 3)
    for one, snapshot in ((world, state.snapshot), (world.others[0], state.others[0].snapshot)):
        one.sim.restore(snapshot)
    learner, carries, metrics = by_hand(config, world, state, 3)
    assert_same(ended.learner, learner)
    assert_same((ended.carry, ended.others[0].carry), tuple(carries))
    assert_same(ended.others[0].snapshot, world.others[0].sim.snapshot())
    assert watch.metrics == metrics
    assert sum(row["episodes"] for row in metrics) > 1
    assert watch.filmed == 3 * T * NUM_ENVS / 2  # those of the first stage
    assert [row["perf/steps"] for row in watch.reports] == [T] * 3
    whole = (
        numbers(ended.carry)[".rollout.action"],
        numbers(ended.others[0].carry)[".rollout.action"],
    )
    assert (whole[0] != whole[1]).all()  # each stage with randomness of its own


@pytest.mark.slow
def test_a_run_that_stopped_inside_a_rollout_goes_on_bit_for_bit(begin, tmp_path):
    expected, _ = run(*begin(2), iterations=3)
    config, world, state = begin(2)
    stopped, _ = run(config, world, state, iterations=3, steps=T + 2)
    assert int(stopped.carry.t) == int(stopped.others[0].carry.t) == 2
    found = saved(stopped, config, tmp_path)
    again = initial_state.restored(config, make_worlds(config), found)
    assert_same(again, stopped)
    world = make_worlds(config)
    ended, watch = run(config, world, initial_state.restored(config, world, found), iterations=2)
    assert len(watch.metrics) == 2
    assert_same(ended, expected)


@pytest.mark.slow
def test_with_another_number_of_stages_what_was_learned_goes_on_and_environments_begin_anew(
    begin, tmp_path, capsys
):
    config, _, state = begin(2)
    carry = dataclasses.replace(state.carry, t=jnp.int32(0))
    learned = dataclasses.replace(state.learner, iteration=jnp.int32(5))
    ended = dataclasses.replace(state, learner=learned, carry=carry)
    found = saved(ended, config, tmp_path)
    assert not initial_state.begins_anew(config, found)
    other, world, _ = begin(1)
    assert initial_state.begins_anew(other, found)
    back = initial_state.fresh(other, world, ended.starts, found, None)
    said = capsys.readouterr().out
    assert "start anew, as they were stepped in 2 pipeline stages and now are in 1" in said
    assert_same(back.learner, ended.learner)
    assert (int(back.carry.t), back.others, len(back.carry.env.step)) == (-1, (), NUM_ENVS)


def saved(state, config, folder):
    """The state's checkpoint."""
    store = CheckpointStore(folder, keep=1)
    t = int(state.carry.t)
    meta = {
        **{"counters": {}, "engine": "rail", "task": "mark", "t": t},
        **{"obs_layout": [list(field) for field in tasks.find("mark").obs_layout]},
        "config": to_tree(config),
    }
    store.save(1, state, meta, Score.of_proportion(0.5, 10, "training"))
    store.close()
    return checkpoint_folder.find_in(folder, best=False)


def test_a_run_of_one_stage_saves_no_word_of_stages(begin):
    _, _, state = begin(1)
    assert {name.split(".")[1].split("[")[0] for name in numbers(state)} == {
        *("learner", "carry", "starts"),
        "snapshot",
    }


def test_no_two_stages_of_any_process_have_the_same_randomness(monkeypatch):
    keys, seeds, key = [], [], jax.random.key(3)
    monkeypatch.setattr(dist, "count", lambda: 3)
    for process, stage in itertools.product(range(3), range(2)):
        monkeypatch.setattr(dist, "index", lambda process=process: process)
        keys.append(tuple(jax.random.key_data(dist.own_key(key, stage)).tolist()))
        seeds.append(dist.own_seed(7, 8, stage=stage))
    assert len(set(keys)) == len(set(seeds)) == 6
    assert keys[0] == tuple(jax.random.key_data(key).tolist())
    assert (seeds[0], 8 in seeds) == (7, False)


def test_an_engine_with_one_simulator_in_a_process_has_one_stage(toys, monkeypatch):
    single = dataclasses.replace(toys.ENGINE, one_per_process=True)
    monkeypatch.setitem(engines.ENGINES, "rail", single)
    kind = config_type("mark")
    config = from_tree(TREE, kind, kind())
    with pytest.raises(UsageError) as caught:
        stages.check(config)
    valid = "mujoco_warp, mujoco, physx, isaacgym"
    assert str(caught.value).startswith(
        "--pipeline-stages 2: the engine rail has one simulator in a"
    )
    assert str(caught.value).endswith(f"valid: 1, or one of the engines {valid}")
    stages.check(dataclasses.replace(config, pipeline_stages=1))


def test_sizes_of_bodies_have_to_fit_into_a_stage():
    kind = config_type()
    tree = {"env": {"variation": {"body_size": [0.8, 1.2], "body_sizes": 4}}, "num_envs": 8}
    config = from_tree({"sim": "mujoco", "pipeline_stages": 2, **tree}, kind, kind())
    stages.check(config)
    with pytest.raises(UsageError, match="body-sizes 4; valid: at most 2"):
        stages.check(dataclasses.replace(config, pipeline_stages=4))


@pytest.mark.parametrize(
    ("processes", "in_turn", "whose"),
    [
        (1, 1, ""),
        (2, 1, " in each of 2 processes"),
        (1, 2, " in each of 2 pipeline stages"),
        (3, 2, " in each of 2 pipeline stages of 3 processes"),
    ],
)
def test_too_many_sizes_say_whose_scenes_are_too_few(processes, in_turn, whose):
    """A run that goes on in more parts cannot have fewer sizes: only the number of parts helps."""
    kind = config_type()
    tree = {"env": {"variation": {"body_size": [0.8, 1.2], "body_sizes": 5}}, "num_envs": 4}
    parts = {"num_gpus": processes, "pipeline_stages": in_turn}
    with pytest.raises(UsageError) as caught:
        stages.check(from_tree({"sim": "mujoco", **parts, **tree}, kind, kind()))
    assert str(caught.value).endswith(f"as many as there are scenes{whose} and start states")


def test_a_stage_that_cannot_be_built_leaves_no_other_behind(toys, monkeypatch):
    built, closed, make = [], [], toys.RailEngine

    class OnlyOne:
        def __init__(self, *args):
            if built:
                raise MemoryError("no room")
            built.append(self)
            self._engine = make(*args)

        def __getattr__(self, name):
            return getattr(self._engine, name)

        def close(self):
            closed.append(self)

    monkeypatch.setattr(toys, "RailEngine", OnlyOne)
    kind = config_type("mark")
    with pytest.raises(MemoryError):
        stages.make_worlds(from_tree(TREE, kind, kind()))
    assert closed == built
