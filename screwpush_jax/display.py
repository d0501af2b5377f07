"""What a person sees while training runs: a live bar in a terminal, plain lines elsewhere."""

import collections
import contextlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from screwpush_jax.side_products import attempt, reason, say

if TYPE_CHECKING:
    from screwpush_jax.live_bar import LiveBar

_LINE_EVERY_S = 10.0
_WINDOW = 30
"""Iterations whose speed says how long the others take; kernels compile in the first."""
_LONGEST_S = 1000 * 86400.0


class Display:
    """Progress, time left, success and speed, from the metrics of each iteration."""

    def __init__(
        self,
        num_iterations: int,
        max_minutes: float,
        iterations_done: int,
        elapsed_s: float,
        live: bool,
        after_s: float = 0.0,
        stop_at_success: float = 0.0,
    ):
        """Training ends after `num_iterations` or, if positive, `max_minutes` or `stop_at_success`.

        `iterations_done` in `elapsed_s` lie behind it. `live` asks for a bar; a terminal that
        cannot show one gets plain lines. The time that is left includes `after_s`, seconds of what
        comes after training.
        """
        self._total, self._limit_s = num_iterations, 60.0 * max_minutes
        self._after_s, self._goal = after_s, stop_at_success
        self._seen = collections.deque([(iterations_done, elapsed_s)], maxlen=_WINDOW + 1)
        self._printed_at: float | None = None
        self._mute = False
        self._bar = _open_bar() if live else None

    def start(self) -> None:
        """Takes the terminal. That nobody reads is for `show` to tell."""
        with contextlib.suppress(BrokenPipeError):
            self._on_bar(lambda bar: bar.start())

    def stop(self) -> None:
        """Leaves the terminal as it was. May be called again."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()

    def show(
        self,
        iteration: int,
        elapsed_s: float,
        success: float | None,
        metrics: dict[str, float],
        success_low: float = 0.0,
    ) -> None:
        """Takes the metrics of an iteration; training has taken `elapsed_s` so far.

        `success` is the rate of the task's score, None where no episode ended; `success_low` what
        is sure of it over the newest episodes, 0 while they are too few.

        Raises:
          BrokenPipeError: nobody reads the output any more. Whatever else goes wrong is one line.
        """
        self._seen.append((iteration, elapsed_s))
        rate = percent(success, 1)
        speed = f"{metrics.get('perf/env_steps_per_s', math.nan):,.0f} steps/s"
        left = duration(self._left_s() + self._after_s)
        about = "about"
        if self._goal > 0:  # which may end it earlier
            rate += f" (surely {percent(success_low, 1)} of {self._goal:.0%})"
            about = "at most"
        self._on_bar(
            lambda bar: bar.show(
                self._share(), success=rate, speed=speed, elapsed=duration(elapsed_s), left=left
            )
        )
        if self._bar is None and self._line_is_due():
            self._print(
                f"iteration {iteration}/{self._total}  success {rate}"
                f"  return {metrics.get('env/return', math.nan):.2f}  {speed}"
                f"  physics {percent(metrics.get('perf/sim_fraction'), 0)}  {about} {left} left"
            )

    def _share(self) -> float:
        """How much of the budget is spent, of the one that is nearer to its end."""
        iteration, elapsed_s = self._seen[-1]
        in_time = elapsed_s / self._limit_s if self._limit_s > 0 else 0.0
        return min(1.0, max(iteration / self._total, in_time))

    def _left_s(self) -> float:
        """Seconds until the first of the budgets ends; infinite while nothing is known."""
        (first, begun_s), (last, elapsed_s) = self._seen[0], self._seen[-1]
        left_s = math.inf
        if last > first:
            left_s = (self._total - last) * (elapsed_s - begun_s) / (last - first)
        if self._limit_s > 0:
            left_s = min(left_s, self._limit_s - elapsed_s)
        return max(0.0, left_s)

    def _line_is_due(self) -> bool:
        now = time.monotonic()
        last = self._seen[-1][0] >= self._total
        if self._printed_at is None or last or now - self._printed_at > _LINE_EVERY_S:
            self._printed_at = now
            return True
        return False

    def _on_bar(self, draw: "Callable[[LiveBar], None]") -> None:
        """Draws, or gives the bar up for plain lines."""
        if self._bar is None:
            return
        try:
            draw(self._bar)
        except BrokenPipeError:
            self.stop()
            raise
        except Exception as error:
            self.stop()
            say(f"no live display: {reason(error)}")

    def _print(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            raise
        except Exception as error:  # a full disk, a closed file
            if not self._mute:
                say(f"progress cannot be printed: {reason(error)}")
            self._mute = True


def _open_bar() -> "LiveBar | None":
    """The bar, where the terminal can show it."""
    with attempt("no live display"):
        from screwpush_jax.live_bar import LiveBar  # rich takes a while

        bar = LiveBar()
        return bar if bar.fits else None
    return None


def percent(share: float | None, digits: int) -> str:
    """A share of 1 for people; a dash where there is none."""
    return "-" if share is None or not math.isfinite(share) else f"{share:.{digits}%}"


def duration(seconds: float) -> str:
    """A time span in the two units that matter: `42 s`, `5 min 12 s`, `3 h 5 min`, `2 d 7 h`."""
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds >= _LONGEST_S:
        return "over 1000 d"
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
