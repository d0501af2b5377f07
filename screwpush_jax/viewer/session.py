"""Scenes that run for somebody who watches, and what they can be told: no window, no page, no clock.

`loop.py` calls `tick` with the time; what shows the scenes reads the fields and calls the commands
between two ticks, in the same thread.
"""

from collections.abc import Sequence

import numpy as np

from screwpush_jax import compiled
from screwpush_jax.episodes import LEARNED
from screwpush_jax.errors import CheckpointError
from screwpush_jax.side_products import say
from screwpush_jax.tasks.drawing import Drawing
from screwpush_jax.tasks.endings import SUCCESS, ended_by
from screwpush_jax.tasks.optional import Drawn
from screwpush_jax.viewer.checkpoints import Checkpoints
from screwpush_jax.viewer.scoreboard import RewardTrack, Scoreboard
from screwpush_jax.viewer.stage import Stage
from screwpush_jax.viewer.watch import Seen
from screwpush_sim.state import SimState

SPEEDS = 0.05, 8.0
"""Slowest and fastest, in multiples of the scenes' own time."""
_END_STEPS = 12
"""For so many control steps one sees how an episode ended."""
_LOOK_EVERY_S = 1.0
"""How often `follow` looks for a newer checkpoint."""


class Session:
    """N scenes, one policy for all of them."""

    paused = False
    follow = False
    """Whether each newer checkpoint is taken."""
    speed = 1.0
    said = ""
    """The last thing that went another way than asked for; empty if none did."""

    def __init__(self, stage: Stage, checkpoints: Checkpoints, policy_name: str):
        """Takes the first control step. Raises SimError if the physics fails."""
        self.stage, self.checkpoints, self.policy_name = stage, checkpoints, policy_name
        num_envs = stage.spec.num_envs
        self.scoreboard = Scoreboard()
        self.endings = [""] * num_envs
        """How the episode of each scene ended, empty while it runs, `[N]`."""
        self.tracks = [RewardTrack(stage.task.reward_keys) for _ in range(num_envs)]
        self._single = False
        self._due_s = self._look_s = float("-inf")
        self._held = np.zeros(num_envs, int)
        self._restart = np.ones(num_envs, bool)
        self._use_policy()
        self.step()

    @property
    def state(self) -> SimState:
        """What the scenes look like, `[N, ...]`."""
        return self._seen.derived.state

    @property
    def time_s(self) -> np.ndarray:
        """How long the running episodes have run, `[N]` s."""
        return np.asarray(self._seen.step) * self.stage.spec.control_dt_s

    @property
    def returns(self) -> np.ndarray:
        """Reward of the running episodes so far, `[N]`."""
        return self._seen.figures["return"]

    def drawings(self) -> Sequence[Drawing]:
        """What the task draws into each scene `[N]`, nothing if it does not draw."""
        if isinstance(self.stage.task, Drawn):
            return self.stage.task.draw(self._seen.memory, self._seen.derived)
        return [Drawing()] * len(self.endings)

    def tick(self, now_s: float) -> bool:
        """Takes what is due at `now_s`, a control step or a newer checkpoint; whether anything was."""
        looked = self._look_for_newer(now_s)
        if not self._single and (self.paused or now_s < self._due_s):
            return looked
        self._single = False
        self.step()
        period_s = self.stage.spec.control_dt_s / self.speed
        late = now_s > self._due_s + period_s  # what was missed is not made up for
        self._due_s = (now_s if late else self._due_s) + period_s
        return True

    def wait_s(self, now_s: float) -> float:
        """How long nothing is due but commands."""
        return 0.1 if self.paused else min(max(self._due_s - now_s, 0.0), 0.1)

    def step(self) -> None:
        """One control step, now."""
        seen = self.stage.advance(self._policy, self.policy_name, self._restart)
        self._seen = seen
        self._held += 1
        for scene in np.flatnonzero(seen.restarted):
            self.endings[scene] = ""
            self.tracks[scene].restart()
        for scene in np.flatnonzero(seen.ended):
            self._end(int(scene), seen)
        for scene, said in enumerate(self.endings):
            if not seen.restarted[scene] and (not said or seen.ended[scene]):
                self.tracks[scene].add(seen.figures, scene)
        over = np.array([bool(said) for said in self.endings])
        self._restart = over & (self._held >= _END_STEPS)

    def toggle_pause(self) -> None:
        """Stands still, or goes on."""
        self.paused = not self.paused

    def single_step(self) -> None:
        """Pauses, and takes one control step at the next tick."""
        self.paused = self._single = True

    def reset(self) -> None:
        """All scenes begin anew, at the next tick even while paused; nothing is counted."""
        self._restart[:] = self._single = True

    def set_speed(self, speed: float) -> None:
        """In multiples of the scenes' own time, kept within `SPEEDS`."""
        self.speed = min(max(speed, SPEEDS[0]), SPEEDS[1])

    def set_follow(self, follow: bool) -> None:
        """Whether each newer checkpoint of the run is taken from now on."""
        self.follow = follow

    def choose_policy(self, name: str) -> None:
        """Another one of `stage.policies` acts from now on, in episodes of its own."""
        self.policy_name = name
        self._begin_counting()

    def choose_checkpoint(self, name: str) -> None:
        """Another one of `checkpoints.names()` is what was learned; ends `follow`."""
        self.follow = False
        if self._take(name):
            self.choose_policy(LEARNED)

    def has_won(self, scene: int) -> bool:
        """Whether the episode of that scene ended in success."""
        return self.endings[scene] == SUCCESS

    def title(self, scene: int) -> str:
        """What is to be said of one scene."""
        said = f"scene {scene + 1}: {self.time_s[scene]:.1f} s, return {self.returns[scene]:.2f}"
        return f"{said}, {self.endings[scene]}" if self.endings[scene] else said

    def lines(self) -> list[str]:
        """What is to be said of all, the last line only where something went wrong."""
        found = self.checkpoints.found
        follows = ", following" if self.follow else ""
        paused = ", paused" if self.paused else ""
        return [
            f"{found.run_dir.name} at {found.step:,} control steps{follows}",
            f"{self.policy_name} on {self.stage.spec.engine}, speed {self.speed:g}{paused}",
            *self.scoreboard.lines(),
            *([self.said] if self.said else []),
        ]

    def _look_for_newer(self, now_s: float) -> bool:
        """The running episodes go on under a newer checkpoint, and so does the counting."""
        if not self.follow or now_s < self._look_s:
            return False
        self._look_s = now_s + _LOOK_EVERY_S
        newer = self.checkpoints.newer()
        if newer:
            self._take(newer)
        return bool(newer)

    def _take(self, name: str) -> bool:
        """Uses that checkpoint if it can be read; whether it can."""
        try:
            self.checkpoints.take(name)
        except CheckpointError as error:
            self.said = f"checkpoint {name} was not taken, the one in use stays: {error}"
            say(self.said)
            return False
        self.said = ""
        self._use_policy()
        return True

    def _use_policy(self) -> None:
        self._policy = compiled.place(self.checkpoints.policy)

    def _begin_counting(self) -> None:
        self.scoreboard, self.said = Scoreboard(), ""
        self.reset()

    def _end(self, scene: int, seen: Seen) -> None:
        figures = {name: value[scene] for name, value in seen.figures.items()}
        said = str(ended_by(self.stage.task, figures))
        self.endings[scene] = said
        self.scoreboard.add(said)
        self._held[scene] = 0
