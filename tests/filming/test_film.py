"""A film of a toy task against what a slow count says of each instant."""

import sys
import time
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_jax.compiled import compile_exposure
from screwpush_jax.config import VideoConfig, config_type
from screwpush_jax.env import Env, EnvKeys, act, advance, init_env
from screwpush_jax.errors import UsageError
from screwpush_jax.film import blank
from screwpush_jax.filming import films, job
from screwpush_jax.filming.camera import Camera
from screwpush_jax.filming.films import TrainingFilms
from screwpush_jax.filming.studio import Studio
from screwpush_jax.restart import AUTO_RESET, ONCE, for_training
from screwpush_jax.tasks.task import StepResult
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene

pytestmark = pytest.mark.slow
N, S, HORIZON, STEP = 5, 3, 6, 0.3
STARTS = jnp.array([0.0, 0.5, -2.0, 0.2, 0.9, 0.1, 0.3])


class Toy(NamedTuple):
    x: jax.Array  # [N]


class Derived(NamedTuple):
    state: Toy


class Walk:
    """A point that goes up by 0.3 a step; beyond 1 the episode ends. Memory counts the steps."""

    metrics, score, rows_per_start, baselines = ("beyond",), "beyond", 1, {}
    reward_keys, action_size, horizon, obs_sizes = ("goal", "time"), 1, HORIZON, {"policy": 1}

    def reset(self, starts, rows, key):
        return Derived(Toy(starts[rows[0]])), jnp.zeros(rows.shape[1])

    def derive(self, memory, state):
        return Derived(state)

    def is_invalid(self, state):
        return jnp.isnan(state.x)

    def step(self, memory, derived, invalid):
        beyond = (derived.state.x > 1) & ~invalid
        goal, time = jnp.where(beyond, 5.0, 0.0), jnp.where(invalid, 0.0, -1.0)
        terms = {"goal": goal, "time": time}
        return StepResult(goal + time, terms, beyond | invalid, {"beyond": beyond}), memory + 1

    def observe(self, memory, derived, time_left, key):
        return {"policy": derived.state.x[:, None]}

    def act(self, memory, derived, action):
        return action, memory

    def hold(self, memory, derived):
        return jnp.zeros((*derived.state.x.shape, 1))

    def caption(self, memory, derived):
        return {"twice_m": 2 * derived.state.x, "counted": memory}


def run(restart, witness, count, summed):
    """Shows `count` control steps to `witness(starts, state, views)`; of each what came of it."""
    env = Env(Walk(), lambda views: Toy(views["x"]), lambda state: {"x": state.x}, restart)
    state, x, seen = init_env(env.task, STARTS, N, summed), jnp.full(N, jnp.nan), []

    @jax.jit
    def step(state, x, key):
        keys = EnvKeys(*jax.random.split(key, 4))
        done, state, now = advance(env, STARTS, state, {"x": x}, keys)
        _, state = act(env, state, now, jnp.zeros((N, 1)))
        return done, state, now.views["x"]

    for number in range(count):
        witness(STARTS, state, {"x": x})
        shown, memory = np.array(x), np.array(state.memory)
        done, state, x = step(state, x, jax.random.key(number))
        seen.append((shown, memory, jax.tree.map(np.array, done)))
        x = x + STEP
    return seen


@pytest.mark.parametrize(
    ("restart", "summed"),
    [(AUTO_RESET, ("goal", "time")), (ONCE, ()), (for_training(N), ("goal", "time"))],
)
def test_each_frame_shows_what_the_environments_say(restart, summed):
    env = Env(Walk(), lambda views: Toy(views["x"]), lambda state: {"x": state.x}, restart)
    camera, prepared = Camera(env, S, 20), []

    def witness(starts, state, views):
        if not prepared:
            prepared.append(camera.prepare(starts, state, views))
            camera.begin()
        camera.see(starts, state, views)

    seen = run(restart, witness, 20, summed)
    film = jax.device_get(camera.take_out())
    assert camera.take_out() is None
    frames, sums = film.frames, {"goal": np.zeros(S), "time": np.zeros(S)}
    ends = 0
    for t, (x, memory, done) in enumerate(seen):
        live = done.live[:S]
        np.testing.assert_array_equal(frames.live[t], live)
        np.testing.assert_array_equal(frames.ended[t], done.ended[:S])
        np.testing.assert_array_equal(frames.state.x[t][live], x[:S][live])
        np.testing.assert_allclose(frames.caption["twice_m"][t][live], 2 * x[:S][live])
        np.testing.assert_array_equal(frames.caption["counted"][t][live], memory[:S][live])
        for name in ("episode_len", "return", "beyond"):
            np.testing.assert_array_equal(
                frames.figures[name][t][live], done.figures[name][:S][live]
            )
        goal = np.where(x[:S] > 1, 5.0, 0.0)
        for name, term in (("goal", goal), ("time", -np.ones(S))):
            sums[name] = np.where(live, sums[name] + term, 0.0)
            np.testing.assert_array_equal(
                frames.figures[f"reward/{name}"][t][live], sums[name][live]
            )
            sums[name][done.ended[:S]] = 0.0
        ends += done.ended[:S].sum()
    assert ends == (S if restart is ONCE else ends) > 2


def test_several_instants_in_one_frame_leave_the_last_or_the_end():
    env = Env(Walk(), lambda views: Toy(views["x"]), lambda state: {"x": state.x}, ONCE)
    state = init_env(env.task, STARTS, N).replace(needs_reset=jnp.zeros(N, bool))
    expose = compile_exposure(env, S)
    film = blank(env, STARTS, state, {"x": jnp.zeros(N)}, 2, S)
    for x in ([0.1, 1.5, 0.2], [0.3, 0.4, 0.5], [0.6, 0.7, jnp.nan]):
        views = {"x": jnp.array([*x, 0.0, 0.0])}
        film = expose(STARTS, film=film, state=state, views=views, frame=np.int32(1))
    frames = jax.device_get(film.frames)
    np.testing.assert_array_equal(frames.ended[1], [False, True, True])
    np.testing.assert_allclose(frames.state.x[1], [0.6, 1.5, np.nan])
    assert frames.figures["invalid"][1].tolist() == [False, False, True]
    assert not frames.live[0].any()


def training(every, worker, tmp_path, monkeypatch, count=4, iteration_steps=4):
    """Training's films of `count` iterations, drawn by this program; what is in the folder then."""
    env = Env(Walk(), lambda views: Toy(views["x"]), lambda state: {"x": state.x}, AUTO_RESET)
    sim = SimpleNamespace(spec=SimpleNamespace(scene=make_scene(SceneConfig()), control_dt_s=0.05))
    world = SimpleNamespace(env=env, task=env.task, sim=sim)
    config = config_type()(num_envs=N, video=VideoConfig(every=every, scenes=S))
    studio, seen = Studio(60.0, worker), []
    monkeypatch.setattr(films, "Studio", lambda limit_s: studio)
    made = TrainingFilms(config, world, tmp_path)

    def witness(starts, state, views):
        if not seen:
            made.prepare(starts, state, views)
        made.see(starts, state, views)
        seen.append(1)
        if len(seen) % iteration_steps == 0:
            made.iteration(len(seen) // iteration_steps)
            while not studio.idle:
                time.sleep(0.01)

    run(AUTO_RESET, witness, count * iteration_steps, ())
    made.close(at_once=False)
    return sorted(path.name for path in tmp_path.iterdir())


COPY = "import shutil, sys, pathlib; p = pathlib.Path({!r}); "
COPY += "shutil.copy(sys.argv[1], p / f'job{{len(list(p.iterdir()))}}')"


def test_training_is_filmed_every_so_many_iterations(tmp_path, monkeypatch):
    worker = (sys.executable, "-S", "-c", COPY.format(str(tmp_path)))
    assert training(2, worker, tmp_path, monkeypatch, count=9) == ["job0", "job1", "job2"]
    first, last = job.load(tmp_path / "job0"), job.load(tmp_path / "job2")
    steps = config_type()(num_envs=N).batch_size
    assert first.videos[0].path == tmp_path / "videos" / f"train-{2 * steps}.mp4"
    assert last.videos[0].path == tmp_path / "videos" / f"train-{6 * steps}.mp4"
    assert first.videos[0].tiled
    assert first.fps == pytest.approx(20.0)
    assert len(first.videos[0].clips) == S
    for clip in first.videos[0].clips:
        assert 1 < len(clip.captions) <= HORIZON
        assert all("return" in caption.lines[0] for caption in clip.captions)
    endings = [c.ending for v in first.videos for clip in v.clips for c in clip.captions]
    assert {"success"} <= set(endings) <= {"", "success", "time limit"}


def test_a_renderer_that_fails_costs_training_one_line(tmp_path, monkeypatch, capfd):
    worker = (sys.executable, "-S", "-c", "import sys; sys.exit('no OpenGL')")
    assert training(1, worker, tmp_path, monkeypatch, count=12) == []
    (line,) = capfd.readouterr().err.splitlines()
    assert "no more are" in line


def test_a_film_that_fails_costs_training_one_line(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(Walk, "caption", lambda *_: 1 / 0)
    assert training(1, ("no such program",), tmp_path, monkeypatch) == []
    (line,) = capfd.readouterr().err.splitlines()
    assert line == "no more videos of training: ZeroDivisionError: division by zero"


@pytest.mark.parametrize("asked", [{"every": 3}, {"episodes": 2}])
def test_without_the_extra_one_line_names_it(asked, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio.v2", None)
    films.check_installed(config_type()())
    with pytest.raises(UsageError, match=r"pip install 'screwpush-jax\[video\]'"):
        films.check_installed(config_type()(video=VideoConfig(**asked)))
