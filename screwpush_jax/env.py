"""The one reading of the simulator's views, with the clock, the ends and the restarts of episodes.

    unpack -> is_invalid -> derive -> step -> restart -> observe

Pure functions of N environments. Training, evaluation and whoever else steps a task call `advance`
on the views that a control step left behind, choose an action, call `act`, and hand its control to
the simulator.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax import disturbances
from screwpush_jax.disturbances import Disturbed
from screwpush_jax.restart import AUTO_RESET, Restart
from screwpush_jax.tasks.start_classes import own_class, start_classes
from screwpush_jax.tasks.task import Derived, Starts, Task
from screwpush_sim.protocol import Views
from screwpush_sim.state import SimState


@dataclasses.dataclass(frozen=True)
class Env:
    """The static parts: a task, the engine's pure conversions, and the rule of restarts."""

    task: Task
    unpack: Callable[[Views], SimState]
    pack: Callable[[SimState], Views]
    restart: Restart = AUTO_RESET
    factors: jax.Array | None = None
    """`[N, P]` what each scene's physics is times the nominal: for a critic that sees all there is."""


class EnvKeys(NamedTuple):
    """What is random in one `advance`."""

    rows: jax.Array
    first_step: jax.Array
    reset: jax.Array
    observe: jax.Array


@struct.dataclass
class EnvState:
    """What the environments remember between two steps."""

    memory: Any  # the task's own, [N, ...]
    control: jax.Array  # [N, U] in force
    step: jax.Array  # [N] int32, control steps of the running episode
    term_sums: dict[str, jax.Array]  # [N] each, of the running episode; terms nobody asked for lack
    return_: jax.Array  # [N] reward of the running episode
    needs_reset: jax.Array  # [N] bool, to be started whatever the simulator shows
    frozen: jax.Array  # [N] bool, the episode is over and nothing of it counts any more

    disturbed: ClassVar[Disturbed | None] = None

    def disturbed_by(self, disturbed: Disturbed | None) -> "EnvState":
        """The same with these disturbances; without any it holds nothing of them."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(EnvState)}
        return self if disturbed is None else _DisturbedEnvState(**fields, disturbed=disturbed)


@struct.dataclass
class _DisturbedEnvState(EnvState):
    """A type of its own: what a checkpoint of undisturbed environments holds names no such thing."""

    disturbed: Disturbed  # [N, ...]


@struct.dataclass
class EnvStep:
    """What came of the control step that just ended; it counts where an episode was `live`."""

    live: jax.Array  # [N] bool
    reward: jax.Array  # [N]
    terminated: jax.Array  # [N] bool
    truncated: jax.Array  # [N] bool, and bootstrapped from `final_obs`
    ended: jax.Array  # [N] bool: live, and terminated or truncated
    figures: dict[str, jax.Array]  # [N] each, of the episode so far, by metric name
    final_obs: dict[str, jax.Array]  # [N, O] each, before any restart


class Now(NamedTuple):
    """Where the environments stand after the restarts: what the next action is chosen in."""

    obs: dict[str, jax.Array]  # [N, O] each
    derived: Any  # the task's own, [N, ...]
    restarted: jax.Array  # [N] bool, whose episode begins
    rewritten: jax.Array  # [N] bool, whose state the simulator has to take
    views: Views  # the state in the engine's layout


def figure_names(task: Task, summed: Iterable[str]) -> tuple[str, ...]:
    """The keys of `EnvStep.figures`: the summed terms, the task's metrics, and those of any task."""
    of_any = ("invalid", "episode_len", "return")
    return (*(f"reward/{name}" for name in summed), *task.metrics, *of_any)


def init_env(task: Task, starts: Starts, num_envs: int, summed: Iterable[str] = ()) -> EnvState:
    """Environments that all wait to be started; `summed` names the reward terms to be added up."""
    rows = jnp.zeros((task.rows_per_start, num_envs), jnp.int32)
    derived, memory = task.reset(starts, rows, jax.random.key(0))
    control = jax.eval_shape(task.hold, memory, derived)
    control = jnp.zeros(control.shape, control.dtype)
    zero, no = jnp.zeros(num_envs), jnp.zeros(num_envs, bool)
    state = EnvState(
        memory=memory,
        control=control,
        step=jnp.zeros(num_envs, jnp.int32),
        term_sums=dict.fromkeys(summed, zero),
        return_=zero,
        needs_reset=~no,
        frozen=no,
    )
    drawn = disturbances.draw(task, control, derived.state, jax.random.key(0))
    return state.disturbed_by(drawn)


def advance(
    env: Env, starts: Starts, state: EnvState, views: Views, keys: EnvKeys
) -> tuple[EnvStep, EnvState, Now]:
    """From the views that a control step left behind to where its environments go on.

    One that blew up ends its episode and is put back to a start. Where it does not start anew it
    stands still there, so that the simulator is sound again.
    """
    task, fresh = env.task, state.needs_reset
    start, start_memory, start_step = _starts(env, starts, fresh, keys)

    sim_state = env.unpack(views)
    invalid = task.is_invalid(sim_state) & ~fresh
    sim_state = select(invalid | fresh, start.state, sim_state)
    derived = task.derive(state.memory, sim_state)
    result, memory = task.step(state.memory, derived, invalid)
    step = state.step + 1
    truncated = (step >= task.horizon) & ~result.terminated
    live = ~(fresh | state.frozen)
    ended = live & (result.terminated | truncated)
    term_sums = {
        name: value + jnp.where(live, result.terms[name], 0.0)
        for name, value in state.term_sums.items()
    }
    return_ = state.return_ + jnp.where(live, result.reward, 0.0)
    figures = {f"reward/{name}": value for name, value in term_sums.items()} | {
        **{name: result.metrics[name] for name in task.metrics},
        "invalid": invalid,
        "episode_len": step,
        "return": return_,
    }
    final_obs = _shown(env, state.disturbed, memory, derived, step, keys.observe)
    done = EnvStep(live, result.reward, result.terminated, truncated, ended, figures, final_obs)

    over = ended | state.frozen
    restarted = (over & env.restart.is_due(over) if env.restart.is_due else over) | fresh
    rewritten = restarted | invalid
    derived, memory = select(rewritten, (start, start_memory), (derived, memory))
    step = jnp.where(restarted, start_step, step)
    derived, rewritten = _pushed(task, memory, derived, over, rewritten, keys.reset)
    drawn = _drawn_anew(task, state.disturbed, restarted, (start_memory, start), keys.reset)
    state = EnvState(
        memory=memory,
        control=state.control,
        step=step,
        term_sums={name: jnp.where(restarted, 0.0, value) for name, value in term_sums.items()},
        return_=jnp.where(restarted, 0.0, return_),
        needs_reset=jnp.zeros_like(fresh),
        frozen=over & ~restarted,
    ).disturbed_by(drawn)
    obs = _shown(env, drawn, memory, derived, step, keys.observe)
    return done, state, Now(obs, derived, restarted, rewritten, env.pack(derived.state))


def act(env: Env, state: EnvState, now: Now, action: jax.Array) -> tuple[jax.Array, EnvState]:
    """Takes the raw action `[N, A]`: the control `[N, U]`; what is frozen stands still."""
    control, memory = env.task.act(state.memory, now.derived, action)
    control, on_the_way = disturbances.late(state.disturbed, control)
    if env.restart.is_due:
        still = env.task.hold(state.memory, now.derived)
        control, memory = select(state.frozen, (still, state.memory), (control, memory))
    state = dataclasses.replace(state, memory=memory, control=control)
    return control, state.disturbed_by(on_the_way)


def select(mask: jax.Array, if_true, if_false):
    """Leaf-wise choice by `mask [N]` on the leading axis."""

    def choose(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, if_true, if_false)


def _starts(
    env: Env, starts: Starts, fresh: jax.Array, keys: EnvKeys
) -> tuple[Derived, Any, jax.Array]:
    """A start for each environment, should it begin anew: what is derived, memory, clock."""
    task, restart = env.task, env.restart
    num_envs, size = fresh.shape[0], jax.tree.leaves(starts)[0].shape[0]
    rows = restart.rows(keys.rows, size, (task.rows_per_start, num_envs // restart.group_size))
    envs = jnp.broadcast_to(jnp.arange(rows.shape[1]), rows.shape)
    rows = own_class(rows, envs, start_classes(task))
    start, memory = task.reset(starts, rows, keys.reset)
    if restart.group_size > 1:
        start, memory = jax.tree.map(
            lambda leaf: jnp.repeat(leaf, restart.group_size, axis=0), (start, memory)
        )
    first = restart.first_step(keys.first_step, num_envs, task.horizon)
    return start, memory, jnp.where(fresh, first, 0)


def observe(
    task: Task, memory: Any, derived: Derived, step: jax.Array, key: jax.Array
) -> dict[str, jax.Array]:
    """What is seen at clock `step [N]`.

    The final observation is only bootstrapped from, and no policy acts at a clock of 0: it shows the
    last clock at which one does, so that the critic is asked what it was trained on (the time limit
    is not the task's: partial-episode bootstrapping, Pardo et al. 2018).
    """
    clock = jnp.minimum(step, task.horizon - 1)
    return task.observe(memory, derived, 1.0 - clock / task.horizon, key)


_NOISE, _DRAW, _PUSH = 1, 2, 3
"""What is folded into a key that a task is given, too, for what it knows nothing of."""


def _shown(
    env: Env,
    disturbed: Disturbed | None,
    memory: Any,
    derived: Derived,
    step: jax.Array,
    key: jax.Array,
) -> dict[str, jax.Array]:
    """What is observed, through whatever disturbs it."""
    task = env.task
    truth = observe(task, memory, derived, step, key)
    if disturbed is None:
        return truth
    noise_key = jax.random.fold_in(key, _NOISE)
    measured = disturbances.measured(task, disturbed, derived.state, noise_key)
    seen = observe(task, memory, task.derive(memory, measured), step, key)
    return disturbances.observations(task, disturbed, seen, truth, env.factors)


def _pushed(
    task: Task,
    memory: Any,
    derived: Derived,
    over: jax.Array,
    rewritten: jax.Array,
    key: jax.Array,
) -> tuple[Derived, jax.Array]:
    """Where a push may have put those whose episode goes on, and whose state has to be written."""
    if not disturbances.pushes(task):
        return derived, rewritten
    may_be, push_key = ~(over | rewritten), jax.random.fold_in(key, _PUSH)
    state, met = disturbances.pushed(task, derived.state, may_be, push_key)
    return select(met, task.derive(memory, state), derived), rewritten | met


def _drawn_anew(
    task: Task,
    disturbed: Disturbed | None,
    restarted: jax.Array,
    start: tuple[Any, Derived],
    key: jax.Array,
) -> Disturbed | None:
    """What disturbs the episodes that go on, and those that begin at `start`, memory and derived."""
    if disturbed is None:
        return None
    control, state = task.hold(*start), start[1].state
    fresh = disturbances.draw(task, control, state, jax.random.fold_in(key, _DRAW))
    return select(restarted, fresh, disturbed)
