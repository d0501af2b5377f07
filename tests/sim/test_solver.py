"""The contact solver's iterations, as shipped, are enough: more of them change nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim import registry
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.options import MujocoConfig, MujocoWarpConfig
from screwpush_sim.state import SimState

NUM_ENVS, SETTLE_STEPS, SLIDE_STEPS = 8, 40, 10
DONE = 100  # iterations after which nothing changes any more


def simulator(engine: str, options):
    pytest.importorskip(engine)
    return registry.make_simulator(engine, make_scene(SceneConfig()), NUM_ENVS, options)


def put(sim, state: SimState) -> None:
    sim.write(jnp.ones(NUM_ENVS, bool), sim.pack(state))


def after(sim, state: SimState, steps: int) -> SimState:
    """What `state` has become after `steps` control steps."""
    put(sim, state)
    for _ in range(steps):
        sim.step(state.robot.joint_pos)
    return jax.tree.map(jnp.array, sim.unpack(sim.views()))


@pytest.fixture(scope="module")
def heaps():
    """Scenes in which three bolts were dropped on one spot, and lie."""
    with_engine = simulator("mujoco", MujocoConfig(num_threads=2))
    rng = np.random.default_rng(1)
    start = jax.tree.map(jnp.array, with_engine.unpack(with_engine.views()))
    quat = rng.normal(size=(NUM_ENVS, 3, 4))
    pos = rng.uniform(-0.02, 0.02, (NUM_ENVS, 3, 3)) + np.array([-0.75, 0.0, 0.0])
    pos[..., 2] = [0.03, 0.07, 0.11]
    dropped = start.with_bodies(
        "screws",
        pos_w=jnp.array(pos, jnp.float32),
        quat_w=jnp.array(quat / np.linalg.norm(quat, axis=-1, keepdims=True), jnp.float32),
    )
    state = after(with_engine, dropped, SETTLE_STEPS)
    with_engine.close()
    return state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "options"),
    [("mujoco", MujocoConfig(num_threads=2)), ("mujoco_warp", MujocoWarpConfig())],
)
def test_bolts_that_slide_apart_end_where_a_solver_without_limit_ends_them(heaps, engine, options):
    angle = np.random.default_rng(2).uniform(-np.pi, np.pi, (NUM_ENVS, 3))
    away = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    sliding = heaps.with_bodies("screws", linvel_w=jnp.array(0.3 * away, jnp.float32))
    ends = []
    for iterations in (options.solver_iterations, DONE):
        changed = dataclasses.replace(options, solver_iterations=iterations)
        sim = simulator(engine, changed)
        ends.append(after(sim, sliding, SLIDE_STEPS).bodies["screws"].pos_w)
        sim.close()
    moved = np.linalg.norm(ends[1] - heaps.bodies["screws"].pos_w, axis=-1)
    error = np.linalg.norm(ends[0] - ends[1], axis=-1)
    assert np.median(moved) > 5e-3
    assert np.quantile(error, 0.9) < 2e-4
