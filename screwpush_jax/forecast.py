"""When training ends, and how long the evaluation after it takes: told before training begins."""

from collections.abc import Mapping

from screwpush_jax.config import Config
from screwpush_jax.display import duration

_COMPILES_S = 8.0
"""To build the simulator and to compile what evaluation runs, where nothing is cached."""


def evaluation_s(
    report: Mapping[str, float],
    scenes: int,
    starts_s: float,
    starts: int,
    episodes: int,
    steps: int,
    policies: int,
) -> float:
    """Seconds that an evaluation takes, from what finding `starts` start states took in its physics.

    Args:
      report: of the simulator in which they settled, which had so many `scenes`.
      starts_s: all that finding them took.
      episodes: of each policy, all at once, each on a start state of its own.
      steps: control steps of an episode.
      policies: how many are evaluated; two more runs, on other start states, choose the checkpoint.
    """
    done = report.get("perf/steps", 0.0) * scenes
    if not done:
        return 0.0
    step_s = 1e-3 * report["perf/sim_ms"] / done
    return (
        _COMPILES_S + 2 * starts_s * episodes / starts + (policies + 2) * steps * episodes * step_s
    )


def until(config: Config, after_s: float) -> str:
    """What ends training, whichever comes first, and what comes then, for so many seconds."""
    limits = [f"{config.num_iterations * config.batch_size:,} control steps are done"]
    if config.max_minutes > 0:
        limits.insert(0, f"{config.max_minutes:g} min are over")
    if config.stop_at_success > 0:
        limits.insert(0, f"success is surely {config.stop_at_success:.0%}")
    after = f"; then about {duration(after_s)} of evaluation" if after_s else ""
    return f"until {' or '.join(limits)}{after}"
