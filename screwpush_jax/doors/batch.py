"""N environments of a task, stepped by whoever decides: what all doors stand on.

    action -> act -> physics -> advance -> obs, reward, ...

The pure functions and their order are those of training (`screwpush_jax.env`), the rule of
restarts, too, unless a door asks for another. Arrays are JAX's, on the device that it computes on;
nothing here waits for that device, but for a report of physics once in a while.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax import compiled
from screwpush_jax.build import draw_params, find_starts, make_world, obs_sizes
from screwpush_jax.config import Config
from screwpush_jax.doors.settings import check_physics, place, resolve
from screwpush_jax.env import Env, EnvKeys, EnvState, Now, act, advance, figure_names, init_env
from screwpush_jax.restart import AUTO_RESET, ON_REQUEST, ONCE
from screwpush_jax.tasks.task import Starts, Task
from screwpush_sim.physics import Name
from screwpush_sim.protocol import Views

Autoreset = Literal["same_step", "next_step", "never", "once"]
"""same_step: as training; what ends starts anew at once, and first episodes begin at any clock.
next_step: what has ended starts anew in the next step, whose action does not count.
never: what has ended stands still until `reset`.
once: so, and environment n starts from the nth of N start states, which settle in this physics."""
_RULES = {
    "same_step": AUTO_RESET,
    "next_step": ON_REQUEST,
    "never": ON_REQUEST,
    "once": ONCE,
}
_REPORT_EVERY = 100
"""Steps between two reports, in which an engine tells of failures that it had only queued."""


class Step(NamedTuple):
    """What came of a step; rewards and ends of environments without an episode are 0 and false."""

    obs: dict[str, jax.Array]  # [N, O] each, in which the next action is chosen
    reward: jax.Array  # [N] float32
    terminated: jax.Array  # [N] bool
    truncated: jax.Array  # [N] bool
    final_obs: dict[str, jax.Array]  # [N, O] each, before any restart
    figures: jax.Array  # [F, N] float32, of the episode so far, in the order of `figure_names`


class _State(NamedTuple):
    """What is remembered between two steps."""

    key: jax.Array
    env: EnvState
    now: Now


class Batch:
    """A simulator with `config.num_envs` scenes, and the task in them.

    Args:
      config: of `resolve`.
      physics: which of the scene's physics steps it.
      autoreset: see `Autoreset`.

    Raises:
      UsageError, SimError: the device, the engine or a name is none of those that are there.
      StartsError: hardly any state is one to start from.
    """

    def __init__(self, config: Config, physics: Name = "train", autoreset: Autoreset = "same_step"):
        check_physics(physics)
        self.config = config = place(config)
        once = autoreset == "once"
        params = None if once else draw_params(config, config.num_envs, config.seed)
        starts = None if once else find_starts(config)  # before the simulator: some are alone
        world = make_world(config, config.num_envs, physics, params)
        if once:
            starts = world.task.starts(world.sim, config.num_envs, config.seed, compiled.jit)
        self.task: Task = world.task
        self.num_envs = config.num_envs
        self.obs_sizes = obs_sizes(config)
        """O of each observation, by name."""
        self.figure_names = figure_names(self.task, self.task.reward_keys)
        self._sim = world.sim
        env = dataclasses.replace(world.env, restart=_RULES[autoreset])
        self._act = compiled.jit(partial(act, env))
        delayed = autoreset == "next_step"
        self._turn = compiled.jit(partial(_turn, env, self.figure_names, delayed))
        init = partial(init_env, self.task, num_envs=self.num_envs, summed=self.task.reward_keys)
        self._starts = compiled.place(starts)
        self._waiting = compiled.place(compiled.jit(init)(starts))
        self._state: _State | None = None
        self._steps = 0
        self._read_report: Callable[[], object] | None = None

    @property
    def clock(self) -> jax.Array:
        """`[N]` int32: control steps of the running episodes."""
        return self._running().env.step

    def set_clock(self, step: jax.Array) -> None:
        """Sets the clocks to `step [N]`, int32; what is observed shows it after the next step."""
        state = self._running()
        self._state = state._replace(env=dataclasses.replace(state.env, step=step))

    def reset(self, seed: int | np.integer) -> Step:
        """Starts all environments anew; equal seeds give equal episodes where the engine does.

        Only `obs` of what it returns means something.
        """
        return self._advance(jax.random.key(np.uint32(seed)), self._waiting)

    def step(self, action: jax.Array) -> Step:
        """One control step under the raw `action [N, A]`, float32; what counts is within -1 to 1.

        Raises:
          ValueError: `action` has another shape or dtype.
          SimError: physics failed, in this step or in one before it.
        """
        wanted = (self.num_envs, self.task.action_size)
        if action.shape != wanted or action.dtype != jnp.float32:
            got = f"{action.dtype} {list(action.shape)}"
            raise ValueError(f"actions are {got}; valid: float32 {list(wanted)}")
        state = self._running()
        control, env = self._act(state.env, state.now, action)
        self._sim.step(control)
        step = self._advance(state.key, env)
        self._report()
        return step

    def close(self) -> None:
        """Frees the simulator. May be called again."""
        self._sim.close()

    def _running(self) -> _State:
        if self._state is None:
            raise RuntimeError("nothing has been started yet; call reset first")
        return self._state

    def _advance(self, key: jax.Array, env: EnvState) -> Step:
        step, state = self._turn(self._starts, key, env, self._sim.views())
        self._sim.write(state.now.rewritten, state.now.views)
        self._state = state
        return step

    def _report(self) -> None:
        """Reads the report before the newest: its steps ended long ago, so that nobody waits."""
        self._steps += 1
        if self._steps % _REPORT_EVERY == 0:
            newest = self._sim.report()
            if self._read_report is not None:
                self._read_report()
            self._read_report = newest


def make_batch(
    task: str,
    *,
    physics: Name = "train",
    autoreset: Autoreset = "same_step",
    **fields: Any,
) -> Batch:
    """N environments of `task`; `fields` as `settings.resolve`, errors as there and as `Batch`."""
    return Batch(resolve(task, **fields), physics, autoreset)


def _turn(
    env: Env,
    names: Sequence[str],
    delayed: bool,
    starts: Starts,
    key: jax.Array,
    state: EnvState,
    views: Views,
) -> tuple[Step, _State]:
    """From the views that a step left behind to where the next action is chosen.

    With `delayed` what was over before this step starts anew in it.
    """
    key, *others = jax.random.split(key, 5)
    if delayed:
        state = dataclasses.replace(state, needs_reset=state.needs_reset | state.frozen)
    done, state, now = advance(env, starts, state, views, EnvKeys(*others))
    step = Step(
        obs=now.obs,
        reward=jnp.where(done.live, done.reward, 0.0),
        terminated=done.live & done.terminated,
        truncated=done.live & done.truncated,
        final_obs=done.final_obs,
        figures=jnp.stack([done.figures[name].astype(jnp.float32) for name in names]),
    )
    return step, _State(key, state, now)
