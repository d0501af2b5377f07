"""Shared by the tests of the tasks: an engine, a task, its start states, and states drawn at random."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax import env
from screwpush_jax.tasks.goal.config import GoalConfig
from screwpush_jax.tasks.goal.task import GoalTask
from screwpush_jax.tasks.screws.kinematics import TipPose
from screwpush_jax.tasks.screws.types import Memory
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_jax.tasks.separate.task import SeparateTask
from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.options import MujocoConfig
from screwpush_sim.registry import make_simulator
from screwpush_sim.state import Bodies, RobotState, SimState, zero_state


@pytest.fixture(scope="session")
def arm():
    return elfin15.arm_spec()


@pytest.fixture(scope="session")
def make_task():
    """Builds the task `separate` from changes to its configuration; knows no engine."""

    def make(num_screws=3, **changes) -> SeparateTask:
        scene = SceneConfig(num_screws=num_screws)
        return SeparateTask(SeparateConfig(scene=scene, **changes))

    return make


@pytest.fixture(scope="session")
def make_goal():
    """Builds the task `goal` from changes to its configuration; knows no engine."""

    def make(num_screws=3, **changes) -> GoalTask:
        scene = SceneConfig(num_screws=num_screws)
        return GoalTask(GoalConfig(scene=scene, **changes))

    return make


@pytest.fixture(scope="session")
def sim():
    """Eight scenes of the real engine, in an arbitrary state."""
    simulator = make_simulator(
        "mujoco", make_scene(SceneConfig(), physics="train"), 8, MujocoConfig(num_threads=2)
    )
    yield simulator
    simulator.close()


@pytest.fixture(scope="session")
def jit():
    """`jax.jit` that remembers: equal functions of equal fixed arguments are compiled once."""
    known = {}

    def remembering(function):
        key = (getattr(function, "func", function), getattr(function, "args", ()))
        return known.setdefault(key, jax.jit(function))

    return remembering


@pytest.fixture(scope="session")
def starts(sim, make_task, jit):
    """Forty jumbles and start poses of `separate`, seed 0."""
    return make_task().starts(sim, 40, 0, jit)


@pytest.fixture(scope="session")
def state_at():
    """`(screw_pos_w [N, S, 3], ..) -> SimState` of still, level screws under an arm at home."""

    def make(pos_w, linvel_w=0.0) -> SimState:
        pos = jnp.asarray(pos_w, jnp.float32)
        joints = jnp.tile(jnp.array([elfin15.HOME_RAD]), (len(pos), 1))
        quat = np.zeros((*pos.shape[:2], 4), np.float32)
        quat[..., 0] = 1.0
        linvel = jnp.asarray(np.broadcast_to(np.float32(linvel_w), pos.shape))
        screws = Bodies(pos, jnp.asarray(quat), linvel, jnp.zeros_like(pos))
        return SimState(RobotState(joints, jnp.zeros_like(joints)), {"screws": screws}, {})

    return make


@pytest.fixture(scope="session")
def random_state(state_at):
    """`(seed, count) -> SimState`: every number drawn, screws near the centre."""

    def draw(seed: int, count: int, screws: int = 3) -> SimState:
        rng = np.random.default_rng(seed)
        pos = rng.uniform([-0.9, -0.15, 0.0], [-0.6, 0.15, 0.03], (count, screws, 3))
        quat = rng.normal(size=(count, screws, 4))
        quat /= np.linalg.norm(quat, axis=-1, keepdims=True)
        drawn = state_at(pos, rng.normal(scale=0.02, size=pos.shape)).with_robot(
            joint_pos=elfin15.HOME_RAD + rng.normal(scale=0.1, size=(count, 6)),
            joint_vel=rng.normal(size=(count, 6)),
        )
        drawn = drawn.with_bodies("screws", quat_w=quat, angvel_w=rng.normal(size=pos.shape))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), drawn)

    return draw


@functools.cache
def _derive_and_observe(task):
    """Compiled once for each task."""

    def both(memory, state, step):
        derived = task.derive(memory, state)
        return derived, env.observe(task, memory, derived, step, jax.random.key(0))["policy"]

    return jax.jit(both)


@pytest.fixture
def observed(random_state, memory_of):
    """`task -> (state, derived, memory, obs, obs by field)` of 6 random states amid an episode."""

    def of(task, change=None, screws=3):
        state = random_state(7, 6, screws)
        state = change(state) if change else state
        rng = np.random.default_rng(8)
        targets = state.robot.joint_pos + jnp.asarray(
            rng.normal(scale=0.01, size=(6, 6)), jnp.float32
        )
        memory = dataclasses.replace(
            memory_of(task, targets),
            action=jnp.asarray(rng.uniform(-1, 1, (6, task.action_size)), jnp.float32),
            prev_action=jnp.full((6, task.action_size), 9.0),
        )
        clock = 30 * jnp.arange(6, dtype=jnp.int32)
        derived, obs = jax.tree.map(np.asarray, _derive_and_observe(task)(memory, state, clock))
        fields = {f.name: obs[:, f.start : f.stop] for f in task.obs_layout}
        return jax.tree.map(np.asarray, state), derived, memory, obs, fields

    return of


@pytest.fixture(scope="session")
def memory_of():
    """`(task, joint_targets [N, J]) -> Memory` of episodes that have just begun."""

    def make(task, joint_targets) -> Memory:
        count = len(joint_targets)
        still = jnp.zeros((count, task.action_size))
        one = jax.tree.map(lambda leaf: leaf[0], zero_state(task.scene(), 1))
        names = jax.eval_shape(task.potentials, one, jnp.zeros(3))
        potential = {name: jnp.zeros(count) for name in names}
        targets = jnp.asarray(joint_targets, jnp.float32)
        return Memory(targets, still, still, jnp.zeros(count, jnp.int32), potential)

    return make


@pytest.fixture(scope="session")
def tip_at():
    """A tip pose with the rod straight down."""

    def make(pos_w) -> TipPose:
        down = jnp.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]])
        return TipPose(jnp.asarray(pos_w, jnp.float32), down)

    return make


@pytest.fixture(scope="session")
def step():
    """`(task, memory, state, invalid) -> (result, memory)`, compiled once for each task."""

    @functools.cache
    def compiled(task):
        return jax.jit(lambda m, state, invalid: task.step(m, task.derive(m, state), invalid))

    return lambda task, *args: compiled(task)(*args)
