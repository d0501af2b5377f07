"""Kills runs at random moments and lets them go on: `python -m benchmarks.interruptions`.

Each trial starts a run, kills it or one of its processes at a random moment (in one of eight in the set-up or the
evaluation, else in a random iteration or the save after it), and goes on as a user would: not at all where the launcher has gone on by
itself (`--max-restarts`), else from the run's newest checkpoint, or where there is none, with the same command
again. Then no process may be left of it, no checkpoint lost that was complete, and at the end all arrays of the
newest checkpoint and all rows of metrics must be, bit for bit, those of a run that nobody touched. One row a
trial; exit code 1 if any has lost something.
"""

import dataclasses
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from benchmarks import record
from benchmarks.kills import Command, Kill
from benchmarks.settings import FromZeroInt, PositiveInt, parse, read_config
from screwpush_jax import cli, run_folder
from screwpush_jax.loggers import read_metrics

_ROOT = Path(__file__).parent.parent
_LEFT_S = 90.0
"""The longest that a process may outlive its killed launcher: it may be saving."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to try."""

    num_gpus: PositiveInt = 1
    """Processes that train together."""
    max_restarts: FromZeroInt = 0
    """How often their launcher may go on by itself."""
    kills: tuple[Kill, ...] = ()
    """What is done in a trial; by default SIGTERM and SIGKILL, with several processes all."""
    trials: PositiveInt = 20
    """Of each kind."""
    seed: FromZeroInt = 0
    """Of the moments."""
    config: str = "configs/debug.yaml"
    """YAML file of the runs."""
    num_envs: PositiveInt = 16
    """Environments in all."""
    iterations: PositiveInt = 60
    """Of each run."""
    checkpoint_every: PositiveInt = 4
    """Iterations between two saves."""
    device: str = "cpu"
    """Where they compute."""
    exact: bool = True
    """Whether the end has to be the untouched run's bit for bit; on a GPU it cannot be, and of the same end only
    the step and the rows' iterations are compared."""
    out: Path = Path("benchmarks/results/interruptions.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> int:
    jax.config.update("jax_platforms", "cpu")  # here arrays are only compared
    lost, count = 0, 0
    several: tuple[Kill, ...] = ("rank", "first") if args.num_gpus > 1 else ()
    kinds: tuple[Kill, ...] = args.kills or (*several, "SIGTERM", "SIGKILL")
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "whole"
        life = _whole(args, folder)
        want, hardware = _outcome(args, folder), _hardware(folder)
        print(f"untouched: {args.iterations} iterations in {sum(life):.1f} s", flush=True)
        moments = _moments(args, life)
        for kind in kinds * args.trials:
            while True:
                moment = next(m for m in moments if kind != "rank" or m.iteration < args.iterations)
                row = _trial(args, Path(tempfile.mkdtemp(dir=base)), kind, moment, want)
                if row["killed"] or not row["survived"]:
                    break  # else it came to its end before
            lost, count = lost + (not row["survived"]), count + 1
            record.write(args.out, [row], hardware)
    print(f"{count - lost} of {count} survived")
    return int(lost > 0)


class _Life(NamedTuple):
    """Seconds of a run that nobody touched."""

    before_s: float
    """Until its first row of metrics."""
    training_s: float
    after_s: float


class _Moment(NamedTuple):
    """When to kill."""

    iteration: int
    """So many rows of metrics are there; the next iterations are under way."""
    delay_s: float
    """How long after that."""
    choice: int
    """Picks one of several processes."""


def _moments(args: Args, life: _Life) -> Iterator[_Moment]:
    draw = random.Random(args.seed)
    while True:
        place, choice = draw.random(), draw.randrange(2**16)
        if place < 1 / 8:
            yield _Moment(0, draw.uniform(0.0, life.before_s), choice)
        elif place < 2 / 8:
            yield _Moment(args.iterations, draw.uniform(0.0, life.after_s), choice)
        else:
            delay_s = draw.uniform(0.0, life.training_s / args.iterations)
            yield _Moment(draw.randrange(1, args.iterations), delay_s, choice)


def _trial(
    args: Args, folder: Path, kind: Kill, moment: _Moment, want: dict[str, Any]
) -> dict[str, Any]:
    """The row of one: what happened, and whether the end is the untouched run's."""
    first = Command(_fresh(args), folder, _ENV)
    ended = first.ended_by(lambda: _iterations(folder) >= moment.iteration, moment.delay_s)
    killed = not ended and first.kill(kind, moment.choice)
    saved, saving, killed_s = _steps(folder), _is_saving(folder), first.age_s
    code, ended_s = first.end()
    row = {
        **{"benchmark": "interruptions", "num_gpus": args.num_gpus, "kill": kind},
        **{"max_restarts": args.max_restarts, "iteration": moment.iteration, "killed": killed},
        **{"saved_steps": saved[-1:], "while_saving": saving, "exit": code},
        **{"end_s": ended_s - killed_s, "outlived_s": first.outlived_s(_LEFT_S)},
        "restarts": (folder / "output.txt").read_text().count("\nrestart "),
    }
    kept = not saved or _steps(folder)[-1:] >= saved[-1:]
    if code == 0 or list(folder.glob("runs/*/*/eval-*.json")):
        code, then = 0, "nothing was left to do"
    elif _steps(folder):
        code, then = _again(args, folder, _on(args)), "went on"
    else:
        code, then = _again(args, folder, _fresh(args)), "the same command again"
    same = code == 0 and _equal(_outcome(args, folder), want)
    survived = same and kept and row["outlived_s"] <= _LEFT_S
    if not survived:
        print((folder / "output.txt").read_text()[-4000:], file=sys.stderr)
    return row | {"then": then, "kept": kept, "same_end": same, "survived": survived}


_ENV = {"PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])}


def _whole(args: Args, folder: Path) -> _Life:
    """Runs the command and lets it be."""
    folder.mkdir()
    command = Command(_fresh(args), folder, _ENV)
    command.ended_by(lambda: _iterations(folder) > 0, 0.0)
    before_s = command.age_s
    command.ended_by(lambda: _iterations(folder) >= args.iterations, 0.0)
    trained_s = command.age_s
    code, seconds = command.end()
    if code:
        raise RuntimeError((folder / "output.txt").read_text())
    return _Life(before_s, trained_s - before_s, seconds - trained_s)


def _again(args: Args, folder: Path, flags: Sequence[str]) -> int:
    return Command(flags, folder, _ENV).end()[0]


def _fresh(args: Args) -> list[str]:
    path = Path(args.config).absolute()
    batch = args.num_envs * read_config(path).num_steps
    return [
        *("--config", str(path), "--name", "only", "--global-num-envs", str(args.num_envs)),
        *("--total-env-steps", str(args.iterations * batch), "--max-minutes", "0"),
        *("--checkpoint-every", str(args.checkpoint_every), "--eval.no-baselines"),
        *_places(args),
    ]


def _on(args: Args) -> list[str]:
    return ["--checkpoint", "only", *_places(args)]


def _places(args: Args) -> list[str]:
    """What belongs to the machine, and no checkpoint brings along."""
    several = ["--num-gpus", str(args.num_gpus)] if args.num_gpus > 1 else []
    restarts = ["--max-restarts", str(args.max_restarts)] if several else []
    return ["--device", args.device, "--headless", *several, *restarts]


def _run_dirs(folder: Path) -> list[Path]:
    return [run for task in folder.glob("runs/*") for run in run_folder.runs(task)]


def _steps(folder: Path) -> list[int]:
    """Of all complete checkpoints."""
    return sorted(step for run in _run_dirs(folder) for step in run_folder.steps(run))


def _is_saving(folder: Path) -> bool:
    """Whether a checkpoint is half written; its folder has no number for a name yet."""
    entries = (entry for run in _run_dirs(folder) for entry in (run / "checkpoints").glob("*"))
    return any(not entry.name.isdigit() for entry in entries)


def _iterations(folder: Path) -> int:
    """How many have left their row of metrics."""
    files = [run / run_folder.METRICS_FILE for run in _run_dirs(folder)]
    return sum(path.read_bytes().count(b"\n") for path in files if path.exists())


def _hardware(folder: Path) -> str:
    (run_dir,) = _run_dirs(folder)
    return json.loads((run_dir / "provenance.json").read_text())["hardware"]


def _outcome(args: Args, folder: Path) -> dict[str, Any]:
    """Everything that the run has at its end, but for the times that it took."""
    (run_dir,) = _run_dirs(folder)
    step = run_folder.steps(run_dir)[-1]
    rows = read_metrics(run_dir)
    if not args.exact:
        return {"step": step, "metrics": [row["iteration"] for row in rows]}
    leaves: dict[str, Any] = {}
    for item in ("learner", "state", "others"):
        path = (run_dir / "checkpoints" / str(step) / item).absolute()
        if not path.exists():  # one process has no others
            continue
        tree = ocp.StandardCheckpointer().restore(path)
        for place, leaf in jax.tree_util.tree_leaves_with_path(tree):
            leaves[f"{item}{jax.tree_util.keystr(place)}"] = np.asarray(leaf)
    metrics = [
        {name: value for name, value in row.items() if not name.startswith("perf/")} for row in rows
    ]
    return {**leaves, "metrics": metrics, "step": step}


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[key].tobytes() == other[key].tobytes()
        if isinstance(one[key], np.ndarray)
        else one[key] == other[key]
        for key in one
    )


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv, __doc__)))
