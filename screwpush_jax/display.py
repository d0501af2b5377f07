"""What a person sees while training runs: a live bar in a terminal, plain lines elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_LINE_EVERY_S = 10.0


class Display:
    """Success rate, speed and time left, from the iteration's metrics."""

    def __init__(self, num_iterations: int, done: int, live: bool):
        self._console = Console(highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("[green]success {task.fields[success]}"),
            TextColumn("{task.fields[speed]} steps/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not live,
        )
        self._bar = self._progress.add_task(
            "", total=num_iterations, completed=done, success="-", speed="-"
        )
        self._live, self._total, self._shown = live, num_iterations, 0.0
        self._first, self._begun = done, time.monotonic()

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def show(self, iteration: int, metrics: dict[str, float], success: float) -> None:
        """Takes an iteration's metrics; `success` is the rate since the last checkpoint."""
        speed = f"{metrics['perf/env_steps_per_s']:,.0f}"
        self._progress.update(self._bar, completed=iteration, success=f"{success:.1%}", speed=speed)
        now = time.monotonic()
        if not self._live and (now - self._shown > _LINE_EVERY_S or iteration in (1, self._total)):
            self._shown = now
            left = (self._total - iteration) * (now - self._begun) / (iteration - self._first)
            self._console.print(
                f"iteration {iteration}/{self._total}  success {success:.1%}"
                f"  return {metrics.get('env/return', float('nan')):.2f}"
                f"  {speed} steps/s  physics {metrics['perf/sim_fraction']:.0%}"
                f"  about {left:.0f} s left"
            )
