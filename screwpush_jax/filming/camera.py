"""Films scenes while they run: the host's side of `screwpush_jax.film`."""

from typing import Any

import jax
import numpy as np

from screwpush_jax import compiled, film
from screwpush_jax.env import Env, EnvState
from screwpush_jax.film import Film
from screwpush_jax.tasks.task import Starts
from screwpush_sim import bridge
from screwpush_sim.protocol import Views

_MOST_FRAMES, _MOST_BYTES = 512, 128 << 20
"""Bounds of a film: its length, and what it takes of the device's memory."""


class Camera:
    """Films the first scenes through `num_steps` control steps, on the device; the host waits for
    nothing but, where JAX computes on the host, the reading of the engine's memory (`sim/bridge.py`)."""

    def __init__(self, env: Env, num_scenes: int, num_steps: int):
        self.every = -(-num_steps // _MOST_FRAMES)
        """Control steps to a frame."""
        self.num_frames = -(-num_steps // self.every)
        self._env, self._asked, self._num_steps = env, num_scenes, num_steps
        self._blank: Any = None
        self._expose: Any = None
        self._step = num_steps
        self._film: Any = None

    @property
    def running(self) -> bool:
        """Whether a film is under way."""
        return self._step < self._num_steps

    def prepare(self, starts: Starts, state: EnvState, views: Views) -> None:
        """Compiles, for arguments like these; nothing of them is kept."""
        like = jax.eval_shape(lambda *args: args, starts, state, views)

        def blank(count: int) -> Film:
            return film.blank(self._env, *like, num_frames=self.num_frames, num_scenes=count)

        one = jax.eval_shape(lambda: blank(1))
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
        count = max(1, min(self._asked, len(state.step), _MOST_BYTES // size))
        self._blank = lambda: blank(count)
        self._expose = compiled.compile_exposure(self._env, count)
        self.begin()
        self.see(starts, state, views)
        jax.block_until_ready(self._film)
        self._film, self._step = None, self._num_steps

    def begin(self) -> None:
        """Starts a film; one under way is dropped."""
        self._film, self._step = compiled.place(self._blank()), 0

    def see(self, starts: Starts, state: EnvState, views: Views) -> None:
        """Before each transition: what it is about to read."""
        if not self.running:
            return
        frame = np.int32(self._step // self.every)
        self._film = self._expose(starts, film=self._film, state=state, views=views, frame=frame)
        # on a GPU the transition is queued behind it, and the next physics step behind that one
        if bridge.device().platform == "cpu":
            jax.block_until_ready(self._film)
        self._step += 1

    def take_out(self) -> Film | None:
        """The film, if it is full; once."""
        taken = None if self.running else self._film
        if taken is not None:
            self._film = None
        return taken
