"""Whether training notices that somebody watches it: `python -m benchmarks.watching`.

One run trains. For a while it is alone, then `play --view --follow` is started beside it, then it is
watched for as long, and so on in turn, so that both see the same policy and the same machine. A row
for each window: the control steps/s of the iterations in it. At the end, the median over the pairs of
watched over alone. Nobody needs to open the page: what it shows is made and sent anyway.
"""

import dataclasses
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks import record
from benchmarks.settings import PositiveFloat, PositiveInt, parse
from screwpush_jax import cli, run_folder
from screwpush_jax.loggers import read_metrics

_LONGEST_START_S = 300.0


@dataclasses.dataclass(frozen=True)
class Args:
    """What to train, and how long to look."""

    config: Path = Path("configs/gpu.yaml")
    """Configuration that trains."""
    window_s: PositiveFloat = 20.0
    """Length of each window."""
    pairs: PositiveInt = 3
    """Windows of each kind."""
    scenes: PositiveInt = 4
    """Scenes that are watched."""
    sim: str = ""
    """Another engine than the run's for what is watched, on the device that it takes by itself."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where what is watched computes."""
    out: Path = Path("benchmarks/results/watching.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as folder:
        where = ("--runs-dir", folder, "--name", "watched")
        minutes = 2 * _LONGEST_START_S / 60 + args.pairs * args.window_s / 20
        flags = ("--config", str(args.config), "--max-minutes", f"{minutes:.0f}", "--headless")
        with (Path(folder) / "train.txt").open("w") as log:
            trainer = _start("train", (*flags, *where, "--checkpoint-every", "20"), log)
        try:
            run = _wait_for_checkpoint(Path(folder), trainer)
            rows = []
            for _ in range(args.pairs):
                pair = [_window(run, "alone", args.window_s), *_watched(run, args, folder)]
                record.write(args.out, pair)
                rows += pair
        finally:
            trainer.send_signal(signal.SIGTERM)
            trainer.wait()
    rates = {k: [r["steps_per_s"] for r in rows if r["window"] == k] for k in ("alone", "watched")}
    ratio = float(np.median(np.divide(rates["watched"], rates["alone"])))
    record.write(args.out, [{"window": "watched over alone", "ratio": ratio}])


def _watched(run: Path, args: Args, folder: str) -> list[dict]:
    """The windows in which the viewer starts, and in which it is there."""
    more = ["--scenes", str(args.scenes), "--port", "0", "--device", args.device]
    more += ["--sim", args.sim] if args.sim else []
    path = Path(folder) / "play.txt"
    with path.open("w") as log:
        which = ("--checkpoint", str(run), "--follow", "--view", "browser")
        viewer = _start("play", (*which, *more), log)
    try:
        began = _count(run)
        _wait(lambda: "http://" in path.read_text(), viewer, path)
        return [_rate(run, "viewer starts", began), _window(run, "watched", args.window_s)]
    finally:
        viewer.terminate()  # Ctrl-C is ignored by what a shell started in the background
        viewer.wait()
        print(path.read_text().splitlines()[-1])


def _window(run: Path, name: str, seconds: float) -> dict:
    began = _count(run)
    time.sleep(seconds)
    return _rate(run, name, began)


def _rate(run: Path, name: str, began: int) -> dict:
    """Of the iterations after the first `began`."""
    rows = read_metrics(run)[began:]
    took_ms = sum(row["perf/iteration_ms"] for row in rows)
    steps = sum(1e-3 * row["perf/iteration_ms"] * row["perf/env_steps_per_s"] for row in rows)
    return {
        "window": name,
        "iterations": len(rows),
        "steps_per_s": 1e3 * steps / took_ms if rows else float("nan"),
    }


def _count(run: Path) -> int:
    return len(read_metrics(run))


def _start(module: str, flags: tuple[str, ...], log) -> subprocess.Popen:
    command = [sys.executable, "-u", "-m", f"screwpush_jax.{module}", *flags]
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _wait_for_checkpoint(folder: Path, trainer: subprocess.Popen) -> Path:
    def saved() -> list[Path]:
        return [
            run
            for task in folder.iterdir()
            for run in run_folder.runs(task)
            if run_folder.steps(run)
        ]

    _wait(saved, trainer, folder / "train.txt")
    return saved()[0]


def _wait(what, process: subprocess.Popen, log: Path) -> None:
    """Until `what()` is true. Raises RuntimeError if the process ends, or nothing comes of it."""
    end_s = time.monotonic() + _LONGEST_START_S
    while not what():
        if process.poll() is not None or time.monotonic() > end_s:
            raise RuntimeError(log.read_text())
        time.sleep(0.1)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
