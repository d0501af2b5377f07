"""What a film records on the device: a few scenes' states, with what is to be said of each.

Pure functions. A film is exposed before each control step's transition, to the same views and the same
memory; it goes through `env.advance`, so what it says of an episode is what training says. Legend: F
frames, S scenes on film, N environments.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.env import Env, EnvKeys, EnvState, advance
from screwpush_jax.restart import AUTO_RESET
from screwpush_jax.tasks.optional import Captioned
from screwpush_jax.tasks.task import Starts, Task
from screwpush_sim.protocol import Views
from screwpush_sim.state import SimState


@struct.dataclass
class Frames:
    """Instants, leaves `[..., S]`, or `[F, S]` of a whole film."""

    state: SimState
    figures: dict[str, jax.Array]  # of the episode so far, by metric name
    caption: dict[str, jax.Array]  # the task's own live figures
    live: jax.Array  # bool, an episode is under way, or ended just then
    ended: jax.Array  # bool, it ended with this state


@struct.dataclass
class Film:
    """Frames, and what the environments do not add up themselves."""

    frames: Frames  # [F, S]
    term_sums: dict[str, jax.Array]  # [S] each, reward terms of the running episode


def blank(
    env: Env, starts: Starts, state: EnvState, views: Views, num_frames: int, num_scenes: int
) -> Film:
    """A film of F frames of the first S scenes, nothing on it."""
    terms = {name: jnp.zeros(num_scenes) for name in env.task.reward_keys}
    shapes = jax.eval_shape(
        lambda *args: _look(env, num_scenes, *args), starts, terms, state, views
    )[0]
    rows = jax.tree.map(lambda x: jnp.zeros((num_frames, *x.shape), x.dtype), shapes)
    return Film(rows, terms)


def expose(
    env: Env,
    num_scenes: int,
    starts: Starts,
    film: Film,
    state: EnvState,
    views: Views,
    frame: jax.Array,
) -> Film:
    """Takes the instant that the last control step led to as number `frame`.

    Several instants may be given to one frame: the last one stays on it, or the end of an episode.
    """
    seen, term_sums = _look(env, num_scenes, starts, film.term_sums, state, views)
    there = jax.tree.map(lambda x: x[frame], film.frames)
    keep = there.ended

    def merged(rows: jax.Array, old: jax.Array, new: jax.Array) -> jax.Array:
        kept = jnp.where(keep.reshape(-1, *[1] * (new.ndim - 1)), old, new)
        return rows.at[frame].set(kept)

    return Film(jax.tree.map(merged, film.frames, there, seen), term_sums)


def captions(task: Task) -> bool:
    """Whether the task has live figures of its own."""
    return isinstance(task, Captioned)


def _look(
    env: Env,
    num_scenes: int,
    starts: Starts,
    term_sums: dict[str, jax.Array],
    state: EnvState,
    views: Views,
) -> tuple[Frames, dict[str, jax.Array]]:
    """The first S scenes, as `env.advance` sees them; nothing of it goes back to training."""
    first: Any = jax.tree.map(lambda x: x[:num_scenes], (env.unpack(views), state))
    sim_state, part = first
    part = dataclasses.replace(part, term_sums=part.term_sums or term_sums)
    # some scenes may be no whole group, and what begins after this instant is not looked at
    factors = None if env.factors is None else env.factors[:num_scenes]
    plain = dataclasses.replace(
        env, unpack=lambda x: x, pack=lambda x: x, restart=AUTO_RESET, factors=factors
    )
    keys = EnvKeys(*jax.random.split(jax.random.key(0), 4))
    done, after, _ = advance(plain, starts, part, sim_state, keys)
    task: Any = env.task
    caption = {}
    if captions(task):
        caption = task.caption(part.memory, task.derive(part.memory, sim_state))
    frames = Frames(sim_state, done.figures, caption, done.live, done.ended)
    return frames, after.term_sums
