"""Starts the processes of a run on this machine, one for each GPU, and ends them together."""

import itertools
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from screwpush_jax import cluster, run_folder
from screwpush_jax.config import Config
from screwpush_jax.crew import Crew
from screwpush_jax.errors import UsageError
from screwpush_sim import gpu, registry


def run(config: Config, argv: Sequence[str], max_restarts: int) -> int:
    """Runs `train` with `argv` in `config.num_gpus` processes; the exit code of the whole.

    Where one is lost all are ended, and up to `max_restarts` times they go on from the run's last
    checkpoint, or where there is none yet, begin anew.

    Raises:
      UsageError: there are not so many GPUs.
    """
    gpus, run_dir = _gpus(config), ""
    for restart in itertools.count(1):
        crew = Crew(config.num_gpus, gpus, argv)
        code = crew.wait()
        run_dir = crew.run_dir or run_dir  # one that is lost at a restart has not named it again
        argv = _going_on(argv, run_dir)
        may_restart = run_dir or crew.killed  # what fails by itself at the start does so again
        if not crew.lost or not may_restart or restart > max_restarts:
            break
        print(f"{crew.lost}\nrestart {restart} of {max_restarts}", flush=True)
    if crew.lost:
        saved = bool(run_dir) and _has_checkpoint(run_dir)
        how = "go on" if saved else "no checkpoint was written yet; begin anew"
        on = f"; {how} with: python -m screwpush_jax.train {shlex.join(argv)}"
        print(f"error: {crew.lost}{on if run_dir else ''}", file=sys.stderr)
    return code


def _gpus(config: Config) -> list[str] | None:
    """The GPUs of each process, as `CUDA_VISIBLE_DEVICES` takes them; None on the CPU."""
    engine, asked = config.sim, config.num_gpus
    on_host = engine != "auto" and registry.steps_on_host(engine, getattr(config, engine))
    if config.device == "cpu" or on_host or os.environ.get("JAX_PLATFORMS") == "cpu":
        return None
    there, visible = gpu.count(), cluster.visible_gpus()
    names = [str(n) for n in range(there)] if visible is None else visible
    wrong = [n for n in names if n.isdigit() and int(n) >= there]
    if wrong:
        valid = f"0 to {there - 1}" if there else "none, as this machine has no GPU"
        raise UsageError(f"{cluster.VISIBLE} names GPU {', '.join(wrong)}; valid: {valid}")
    if pairs := config.placement.pairs:
        return [cluster.name_pair(pairs, number, names) for number in range(asked)]
    if asked > len(names):
        raise UsageError(
            f"--num-gpus {asked}: this machine has {len(names)}"
            f"{f' in {cluster.VISIBLE}' if visible is not None else ''}; valid: at most that, or"
            " --device cpu for processes on the CPU"
        )
    return names[:asked]


def _going_on(argv: Sequence[str], run_dir: str) -> list[str]:
    """The same command, from the last checkpoint of the run if it has one; what it began with is in there."""
    if not run_dir or not _has_checkpoint(run_dir):
        return list(argv)
    kept, words = [], iter(argv)
    for word in words:
        flag, is_whole, _ = word.partition("=")
        if flag.replace("_", "-") not in ("--checkpoint", "--init-from"):
            kept.append(word)
        elif not is_whole:
            next(words, None)
    return [*kept, "--checkpoint", run_dir]


def _has_checkpoint(run_dir: str) -> bool:
    return bool(run_folder.steps(Path(run_dir)))


def pin(config: Config) -> None:
    """Leaves this process, which is alone, the GPUs of its simulator and its learner, if those are to be two.

    Raises:
      UsageError: they are not there.
    """
    if config.placement.pairs and (gpus := _gpus(config)):
        os.environ[cluster.VISIBLE] = gpus[0]
