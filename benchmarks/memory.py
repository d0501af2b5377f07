"""What memory an environment takes, and how many fit: `python -m benchmarks.memory`.

For each engine and task, training runs for some iterations in a process of its own, with each number of
environments; the memory that all of it takes (physics, JAX, CUDA's own) is fitted by a line. The largest power of
two that should fit by it is then tried, and half of it where it does not. On a GPU nothing else may run there; on
the CPU it is the process's resident memory. Trainings that do not begin in time are named at the end.
"""

import dataclasses
import json
import os
import queue
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import record
from benchmarks.settings import FromZeroInt, PositiveFloat, PositiveInt, parse, read_config
from screwpush_jax import cli, cluster, compiled, initial_state
from screwpush_jax.build import draw_params, make_world
from screwpush_jax.config import Config
from screwpush_jax.device import use_device
from screwpush_sim import bridge, registry

_CONFIGS = {"humanoid": "configs/humanoid.yaml"}
_ONE = "SCREWPUSH_BENCHMARK_MEMORY"
"""Tells a process which training it measures, as JSON."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    engines: tuple[str, ...] = ("mujoco_warp", "physx")
    """Engines."""
    tasks: tuple[str, ...] = ("separate", "humanoid", "goal")
    """Tasks."""
    sizes: tuple[PositiveInt, ...] = (4096, 16384)
    """Numbers of environments through which the line goes."""
    most: FromZeroInt = 2**19
    """The largest number that is tried; 0 for no trial."""
    room: PositiveFloat = 0.95
    """Share of the memory that may be filled by the line."""
    iterations: PositiveInt = 2
    """Of each training."""
    gpus: tuple[FromZeroInt, ...] = (0,)
    """GPUs of this machine, each for one training at a time."""
    minutes: PositiveFloat = 3.5
    """No training begins after so many."""
    timeout_s: PositiveFloat = 150.0
    """The longest that one may take."""
    config: str = ""
    """YAML file for all tasks; by default the shipped one of each for a GPU."""
    device: str = "auto"
    """cpu to try it without a GPU."""
    out: Path = Path("benchmarks/results/memory.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    if _ONE in os.environ:
        print(json.dumps(_measure(args, **json.loads(os.environ[_ONE]))))
        return
    pairs = [(engine, task) for task in args.tasks for engine in args.engines]
    for engine, task in pairs:  # what cannot be is no measurement of what fits
        registry.choose(engine)
        _config(args, engine, task, min(args.sizes))
    waiting: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for pair in pairs:
        waiting.put(pair)
    deadline, left_out = time.monotonic() + 60 * args.minutes, []
    lock = threading.Lock()

    def work(gpu: int) -> None:
        while True:
            try:
                engine, task = waiting.get_nowait()
            except queue.Empty:
                return
            for row in _pair(args, engine, task, gpu, deadline):
                with lock:
                    if row is None:
                        left_out.append(f"{task} on {engine}")
                    else:
                        hardware = row.pop("hardware", "") or "unknown"
                        record.write(args.out, [row], hardware)

    workers = [threading.Thread(target=work, args=(gpu,)) for gpu in args.gpus]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if left_out:
        print(
            f"no time was left for all of {', '.join(left_out)}: run them by --tasks and --engines"
        )


def _pair(
    args: Args, engine: str, task: str, gpu: int, deadline: float
) -> Iterator[dict[str, Any] | None]:
    """Rows of one engine and task: each number of environments, the line, the trial; None where time is up."""
    same = {"benchmark": "memory", "engine": engine, "task": task}
    points: list[dict[str, Any]] = []
    for num_envs in args.sizes:
        if time.monotonic() > deadline:
            yield None
            return
        found = _train(args, engine, task, num_envs, gpu)
        yield same | {"what": "measured", "num_envs": num_envs} | found
        if found["fits"]:
            points.append(found | {"num_envs": num_envs})
    if len(points) < 2:
        return
    sizes = [point["num_envs"] for point in points]
    slope, constant = line(sizes, [point["mb"] for point in points])
    card_mb = points[0]["card_mb"]
    fits = largest(slope, constant, args.room * card_mb)
    yield same | {
        **{"what": "line", "kb_each": 1e3 * slope, "constant_mb": constant, "card_mb": card_mb},
        **{"room": args.room, "fits_by_line": fits, "hardware": points[0]["hardware"]},
    }
    tried = 2 ** int(np.log2(max(1, min(fits, args.most)))) if args.most else 0
    for num_envs in (tried, tried // 2):
        if num_envs <= max(sizes):
            return
        if time.monotonic() > deadline:
            yield None
            return
        found = _train(args, engine, task, num_envs, gpu)
        by_line = constant + slope * num_envs
        yield same | {"what": "tried", "num_envs": num_envs, "mb_by_line": by_line} | found
        if found["fits"]:
            return


def line(sizes: list[int], mb: list[float]) -> tuple[float, float]:
    """Slope and constant of the line that comes closest."""
    slope, constant = np.polyfit(sizes, mb, 1)
    return float(slope), float(constant)


def largest(slope: float, constant: float, room_mb: float) -> int:
    """How many environments fill the room by the line."""
    return max(0, int((room_mb - constant) / slope)) if slope > 0 else 0


def _train(args: Args, engine: str, task: str, num_envs: int, gpu: int) -> dict[str, Any]:
    """What a process that trains so many has measured, or why it has not."""
    env = {_ONE: json.dumps({"engine": engine, "task": task, "num_envs": num_envs})}
    if args.device != "cpu":
        visible = cluster.visible_gpus()
        env[cluster.VISIBLE] = visible[gpu] if visible else str(gpu)
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory", *sys.argv[1:]],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=args.timeout_s,
        )
    except subprocess.TimeoutExpired:
        return {"fits": False, "why": f"took more than {args.timeout_s:.0f} s"}
    took = {"process_s": time.monotonic() - begun}
    if done.returncode:
        said = [text for text in (done.stdout + done.stderr).splitlines() if text.strip()]
        return {"fits": False, "why": said[-1][:300] if said else f"exit {done.returncode}"} | took
    return {"fits": True} | json.loads(done.stdout.splitlines()[-1]) | took


def _measure(args: Args, engine: str, task: str, num_envs: int) -> dict[str, Any]:
    """In a process of its own: trains for some iterations, and what memory that took."""
    config = _config(args, engine, task, num_envs)
    use_device(config)
    starts, _ = initial_state.starts_and_forecast(config)
    world = make_world(config, num_envs, "train", draw_params(config, num_envs, config.seed))
    sim, state = world.sim, initial_state.fresh(config, world, starts, None, None)
    learner, carry, starts = state.learner, state.carry, state.starts
    transition = compiled.ahead(
        compiled.compile_transition(world.env, world.algorithm),
        *(starts, learner.policy),
        carry=carry,
        views=sim.views(),
    )
    update = compiled.update_ahead(world.algorithm, 1000, learner, carry.rollout, carry.tally)
    del state
    seconds = []
    for _ in range(args.iterations):
        begun = time.perf_counter()
        for _ in range(world.algorithm.num_steps):
            control, mask, views, carry = transition(
                starts, learner.policy, carry=carry, views=sim.views()
            )
            sim.write(mask, views)
            sim.step(control)
        learner, metrics = update(learner, carry.rollout, carry.tally)
        jax.block_until_ready((learner, metrics))
        seconds.append(time.perf_counter() - begun)
    report = sim.report()()
    peaks = {name: report[name] for name in report if name.endswith(("_peak", "overflow"))}
    return _in_use() | peaks | {"iteration_s": seconds[-1], "hardware": record.hardware()}


def _config(args: Args, engine: str, task: str, num_envs: int) -> Config:
    config = read_config(args.config or _CONFIGS.get(task, "configs/gpu.yaml"), task=task)
    device: Any = args.device
    return dataclasses.replace(
        config, sim=engine, num_envs=num_envs, device=device if device != "auto" else config.device
    )


def _in_use() -> dict[str, float]:
    """MB that are needed, and how many there are.

    On a GPU JAX takes memory in ever larger pieces; of those counts only what it had handed out at most.
    """
    place = bridge.device()
    if place.platform != "gpu":
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"mb": 1.024e-3 * peak_kb, "card_mb": 1e-6 * pages}
    import warp as wp

    device = wp.get_device(f"cuda:{place.local_hardware_id}")
    wp.synchronize_device(device)
    stats = place.memory_stats() or {}
    used_mb = 1e-6 * (device.total_memory - device.free_memory)
    peak_mb = 1e-6 * stats.get("peak_bytes_in_use", 0)
    pool_mb = 1e-6 * stats.get("pool_bytes", stats.get("peak_bytes_in_use", 0))
    return {
        **{"mb": used_mb - pool_mb + peak_mb, "used_mb": used_mb},
        **{"jax_peak_mb": peak_mb, "jax_pool_mb": pool_mb, "card_mb": 1e-6 * device.total_memory},
    }


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv, __doc__)))
