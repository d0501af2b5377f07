"""What a run says and does at its end: evaluation, closing screen, or how to go on with it."""

import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from screwpush_jax import (
    checkpoint_folder,
    cli,
    evaluate,
    resume,
    run_folder,
)
from screwpush_jax.closing import closing_screen
from screwpush_jax.config import Config
from screwpush_jax.display import duration
from screwpush_jax.episodes import LEARNED
from screwpush_jax.recorder import Recorder, summary
from screwpush_jax.report import write_report
from screwpush_jax.run_folder import RunFolder
from screwpush_jax.tasks import registry as tasks


def finish(config: Config, recorder: Recorder, run_dir: Path) -> int:
    """Says what came of it, and evaluates what was trained to the end; the exit code."""
    stopper = recorder.stopper
    print(summary(recorder, config))
    if recorder.reached_goal():
        print(f"training ended because success is surely {config.stop_at_success:.1%}")
    if stopper.requested:
        said = f"stopped and saved; go on with: {_go_on(config, run_dir)}"
        print(said, file=sys.stderr if stopper.signal == signal.SIGPIPE else sys.stdout)
        if stopper.exit_code == 0:  # whoever sent another signal does not wait for pictures
            write_report(run_dir, tasks.find(config.task).metrics)
    else:
        evaluate_best(config, run_dir, recorder.after_s)
    return stopper.exit_code


def evaluate_best(config: Config, run_dir: Path, about_s: float = 0.0) -> None:
    """Draws, evaluates, and ends with the closing screen; `about_s`: how long it will take, if known."""
    write_report(run_dir, tasks.find(config.task).metrics)
    about = f": about {duration(about_s)}" if about_s else ""
    print(f"evaluating the best checkpoint on {config.eval.episodes} unseen episodes{about}")
    results = evaluate.run_best(config, run_dir)
    newest, best = (checkpoint_folder.find_in(run_dir, best=best) for best in (False, True))
    table = {name: result.row() for name, result in results.items()}
    shares = list(results[LEARNED].shares)
    on = [*resume.more(config, newest), *cli.machine_flags(config)]
    print(closing_screen(run_dir, table, shares, best.step, on))


def last_words(config: Config, claimed: Sequence[RunFolder]) -> str:
    """Before a sudden end: what is left of the run, and how to go on with it."""
    for folder in claimed[-1:]:
        if run_folder.steps(folder.path):
            return f"nothing new was there to save; go on with: {_go_on(config, folder.path)}"
        folder.remove_if_empty()
    return "nothing was there to save; the same command starts anew"


def _go_on(config: Config, run_dir: Path) -> str:
    """The command that goes on with the run as it was started on this machine."""
    flags = ["--checkpoint", str(run_dir), *cli.machine_flags(config)]
    return f"python -m screwpush_jax.train {shlex.join(flags)}"
