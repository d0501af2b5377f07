"""Kills runs at random moments and lets them go on: `python -m benchmarks.interruptions`.

Each trial starts the debug configuration on MuJoCo's C engine, sends it SIGKILL or SIGTERM at a
moment that is drawn from the whole life of the process, set-up included, and goes on as a user would:
from the run's newest checkpoint, or where there is none, with the same command again. At the end, all
arrays of the newest checkpoint and all rows of metrics must be, bit for bit, those of a run that
nobody touched. One line a trial; exit code 1 if any has lost something.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from screwpush_jax import run_folder
from screwpush_jax.loggers import read_metrics

_ROOT = Path(__file__).parent.parent
_ITERATIONS = 60
_BATCH = 16 * 8


def main() -> int:
    args = _parse()
    draw = random.Random(args.seed)
    lost = 0
    with tempfile.TemporaryDirectory() as folder:
        _train(Path(folder) / "cold", "train", ())
        whole_s = _train(Path(folder) / "whole", "train", ())[1]  # what compiled is kept
        want = _outcome(Path(folder) / "whole")
        print(f"untouched: {_ITERATIONS} iterations in {whole_s:.1f} s")
        for name in args.signals:
            for number in range(args.trials):
                moment_s = draw.uniform(0.0, whole_s)
                said, same = _trial(Path(folder) / f"{name}{number}", name, moment_s, want)
                lost += not same
                print(f"{name} {number + 1:2d} at {moment_s:5.1f} s: {said}", flush=True)
    print(f"{lost} of {args.trials * len(args.signals)} trials lost something")
    return int(lost > 0)


def _trial(folder: Path, name: str, moment_s: float, want: dict) -> tuple[str, bool]:
    """What happened, and whether the end is the untouched run's."""
    number = signal.Signals[name]
    code, took_s = _train(folder, "train", (), moment_s, number)
    said = f"exit {code} {took_s - moment_s:4.1f} s later"
    if code == 0 or list(folder.glob("runs/separate/*/eval-*.json")):
        code, said = 0, f"{said}, had done all that there was to do"
    elif any(run_folder.steps(run) for run in run_folder.runs(folder / "runs" / "separate")):
        code = _train(folder, "train", ("--checkpoint", "only"))[0]
        said += ", went on"
    else:
        code = _train(folder, "train", ())[0]
        said += ", nothing saved: the same command again"
    same = code == 0 and _equal(_outcome(folder), want)
    return f"{said}: {'the same end' if same else f'LOST (exit {code})'}", same


def _train(
    folder: Path,
    module: str,
    more: Sequence[str],
    moment_s: float | None = None,
    number: int = signal.SIGKILL,
) -> tuple[int, float]:
    """Runs the command; its exit code (128 + n for signal n) and the seconds until its end."""
    folder.mkdir(exist_ok=True)
    fresh = ("--config", str(_ROOT / "configs" / "debug.yaml"), "--name", "only")
    fresh += ("--total-env-steps", str(_ITERATIONS * _BATCH), "--eval.no-baselines")
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", f"screwpush_jax.{module}", *(more or fresh)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(moment_s)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        process.wait()
    code = process.returncode
    return (code if code >= 0 else 128 - code), time.monotonic() - began


def _outcome(folder: Path) -> dict[str, np.ndarray | list]:
    """Everything that the run has at its end, but for the times that it took."""
    (run_dir,) = run_folder.runs(folder / "runs" / "separate")
    step = run_folder.steps(run_dir)[-1]
    leaves: dict[str, np.ndarray | list] = {}
    for item in ("learner", "state"):
        path = (run_dir / "checkpoints" / str(step) / item).absolute()
        tree = ocp.StandardCheckpointer().restore(path)
        for place, leaf in jax.tree_util.tree_leaves_with_path(tree):
            leaves[f"{item}{jax.tree_util.keystr(place)}"] = np.asarray(leaf)
    rows = [
        {name: value for name, value in row.items() if not name.startswith("perf/")}
        for row in read_metrics(run_dir)
    ]
    return {**leaves, "metrics": rows, "step": [step]}


def _equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        one[key] == other[key]
        if isinstance(one[key], list)
        else one[key].tobytes() == other[key].tobytes()
        for key in one
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interruptions", description=__doc__)
    parser.add_argument("--trials", type=int, default=20, help="of each signal")
    parser.add_argument("--signals", nargs="+", default=["SIGKILL", "SIGTERM"])
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
