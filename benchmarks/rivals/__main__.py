"""Ours against the learners that people use, on the same environment, engine and card.

    python -m benchmarks.rivals

rsl_rl, skrl and Stable-Baselines3, each through its own door (`screwpush_jax.doors`), with the settings
that are published for it for manipulation and with ours; each run in a process of its own. Success over
wall time is that of training's own episodes (strict, with the policy's noise, in the physics `train`);
the clock starts when everything is built and compiled. Policies that were kept at `keep_at_s`, and the
last one, are judged without noise on unseen episodes in the physics `eval`, after the clock has stopped.
"""

import dataclasses
import importlib.metadata
import json
import os
import queue
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import tyro

RUNS = (
    *("ours:ours", "rsl_rl:published", "rsl_rl:ours", "skrl:published", "skrl:ours"),
    *("sb3:published", "sb3:ours"),
)
"""Learner and settings."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What is run."""

    runs: tuple[str, ...] = RUNS
    """Which of them, as `learner:settings`."""
    task: str = "separate"
    """What is learned."""
    config: str = "configs/gpu.yaml"
    """Our settings, and those of the environment for all."""
    seed: int = 0
    """Of training and its start states."""
    minutes: float = 4.0
    """How long each may train."""
    keep_at_s: tuple[float, ...] = (15.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0)
    """When policies are kept, to be judged afterwards on a share of the episodes each."""
    episodes: int = 4096
    """Unseen episodes of a judgement."""
    num_envs: int = 0
    """Another number of environments than the settings say, for all; 0: theirs."""
    sim: str = "auto"
    """Physics engine."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where all of them compute."""
    gpus: tuple[int, ...] = ()
    """Numbers of GPUs that share the runs; the first one if not given."""
    out: Path = Path("benchmarks/results")
    """Folder of rivals.jsonl, rivals_curves.jsonl and rivals.png."""
    only: str = ""
    """One run, in this process."""


def main(args: Args) -> int:
    """Exit code: 0 if every run that could be made was."""
    unknown = [run for run in (*args.runs, *filter(None, [args.only])) if run not in RUNS]
    if unknown:
        print(f"error: run {unknown[0]!r}; valid: {', '.join(RUNS)}", file=sys.stderr)
        return 2
    if args.only:
        return _measure(args)
    failed = _all(args.runs, args.gpus)
    _show(args.out)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _all(runs: Sequence[str], gpus: Sequence[int]) -> list[str]:
    """Makes the runs, one at a time on each GPU; those that failed."""
    free: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
    places = [{"CUDA_VISIBLE_DEVICES": str(gpu)} for gpu in gpus] or [{}]
    for place in places:
        free.put(place)

    def one(run: str) -> bool:
        place = free.get()
        try:
            command = [sys.executable, "-m", "benchmarks.rivals", *sys.argv[1:], "--only", run]
            return subprocess.run(command, env={**os.environ, **place}, check=False).returncode == 0
        finally:
            free.put(place)

    with ThreadPoolExecutor(len(places)) as pool:
        done = list(pool.map(one, runs))
    return [run for run, well in zip(runs, done, strict=True) if not well]


def _measure(args: Args) -> int:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # none may spread over several
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # rsl_rl imports it; git may be missing
    from benchmarks import record
    from benchmarks.rivals.one import PACKAGES, run
    from benchmarks.rivals.watch import Watch
    from screwpush_jax.doors.settings import resolve

    name, _, settings = args.only.partition(":")
    try:
        version = record.commit() if name == "ours" else importlib.metadata.version(PACKAGES[name])
    except importlib.metadata.PackageNotFoundError:
        print(f"{name}: not installed (pip install {PACKAGES[name]})", flush=True)
        return 1
    config = resolve(
        args.task,
        args.config,
        seed=args.seed,
        sim=args.sim,
        device=args.device,
        eval={"episodes": args.episodes},
    )
    watch = Watch(60.0 * args.minutes, args.keep_at_s)
    row, curve = run(name, settings == "published", config, args.num_envs, watch)
    about = {"benchmark": "rivals", "version": version, "task": args.task}
    record.write(args.out / "rivals.jsonl", [about | row])
    key = {"benchmark": "rivals-curve", **{k: row[k] for k in ("what", "settings", "seed")}}
    with (args.out / "rivals_curves.jsonl").open("a") as file:
        file.write(json.dumps(key | curve | {"judged": row["judged"]}) + "\n")
    return 0


def _show(out: Path) -> None:
    """The picture and the table of all rows there are."""
    from benchmarks import record, table
    from benchmarks.rivals.picture import draw

    curves = out / "rivals_curves.jsonl"
    if curves.exists():
        draw(record.read(curves), out / "rivals.png")
        print(table.rivals(record.read(out / "rivals.jsonl")))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Args)))
