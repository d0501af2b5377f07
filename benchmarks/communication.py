"""What an update exchanges between GPUs: `python -m benchmarks.communication --gpus 1 2 4`.

For each number of GPUs, so many processes, as training starts them, learn from random samples. `update`: the
bytes of its collective operations, from what XLA compiled, and from a trace their time on each device. There
it includes waiting for the last of all: `together_ms` takes of each operation the device on which it was
shortest, which came last. `allreduce`: microseconds of one alone, by its bytes.
"""

import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from benchmarks import hlo, record
from benchmarks.settings import PositiveInt, minibatches_for, parse, read_config
from benchmarks.update import random_rollout
from screwpush_jax import cli, cluster, compiled, dist, disturbances
from screwpush_jax.algorithms import registry as algorithms
from screwpush_jax.algorithms.algorithm import Algorithm
from screwpush_jax.algorithms.common.types import AXIS
from screwpush_jax.config import Config
from screwpush_jax.crew import free_port
from screwpush_jax.device import use_device
from screwpush_jax.env import figure_names
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.transition import Tally
from screwpush_sim import bridge

_CHAIN = 32
"""All-reduces one after another in a call."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    gpus: tuple[PositiveInt, ...] = (1, 2, 4)
    """Numbers of GPUs of this machine; with --device cpu of processes."""
    config: str = "configs/gpu.yaml"
    """YAML file of the training; its minibatches are for its environments, and grow with them."""
    num_envs: tuple[PositiveInt, ...] = (4096, 16384)
    """Environments of each process."""
    sizes: tuple[PositiveInt, ...] = (4, 2**12, 2**16, 2**19, 2**22, 2**25)
    """Bytes of all-reduces that are timed alone."""
    repeats: PositiveInt = 20
    """Timed updates, after three that are not; a tenth of them are traced."""
    device: str = "auto"
    """cpu for processes on the CPU."""
    out: Path = Path("benchmarks/results/communication.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    if cluster.INDEX in os.environ:
        print(json.dumps(_measure(args)))
        return
    for count in args.gpus:
        said = _run(args, count)
        for rows in zip(*(one["updates"] for one in said), strict=True):
            record.write(args.out, [_row(count, rows)], said[0]["hardware"])
        for size, us in said[0]["allreduce_us"].items():
            row = {"benchmark": "communication", "what": "allreduce", "gpus": count}
            record.write(args.out, [row | {"bytes": int(size), "us": us}], said[0]["hardware"])


def _run(args: Args, count: int) -> list[dict[str, Any]]:
    """What each of `count` processes has measured."""
    address = f"127.0.0.1:{free_port()}"
    visible = cluster.visible_gpus() or [str(number) for number in range(count)]
    started = []
    for index in range(count):
        place = {cluster.ADDRESS: address, cluster.COUNT: str(count), cluster.INDEX: str(index)}
        if args.device != "cpu":
            place[cluster.VISIBLE] = visible[index]
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.communication", *sys.argv[1:]],
                env={**os.environ, **place},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a process failed; what it said stands above")
    return [json.loads(text.splitlines()[-1]) for text in said]


def _row(count: int, ranks: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """One row of what all processes have measured of one update."""
    first, traced = ranks[0], [one["traced_ms"] for one in ranks]
    same = len({len(times) for times in traced}) == 1
    calls = first["traced_calls"]
    return {
        **{"benchmark": "communication", "what": "update", "gpus": count},
        **{key: first[key] for key in ("num_envs", "num_epochs", "num_minibatches")},
        **{"operations": sum(times for *_, times in first["collectives"])},
        **{"bytes": sum(size * times for _, size, times in first["collectives"])},
        "collectives": first["collectives"],
        "update_ms": first["update_ms"],
        "traced_operations": [len(times) / calls for times in traced],
        "collective_ms": [sum(times) / calls for times in traced],
        "together_ms": sum(map(min, zip(*traced, strict=True))) / calls if same else None,
    }


def _measure(args: Args) -> dict[str, Any]:
    """In one of the processes."""
    dist.join()
    base = _config(args)
    use_device(base)
    sizes = args.sizes if dist.count() > 1 else ()
    return {
        "hardware": record.hardware(),
        "updates": [_update(args, base, num_envs) for num_envs in args.num_envs],
        "allreduce_us": {size: _allreduce_us(size, args.repeats) for size in sizes},
    }


def _config(args: Args) -> Config:
    config = read_config(args.config)
    device: Any = args.device
    return dataclasses.replace(config, device=device if device != "auto" else config.device)


def _update(args: Args, base: Config, num_envs: int) -> dict[str, Any]:
    """Of one number of environments: what is exchanged, the time of an update, that of each exchange."""
    options = base.algorithm_options
    minibatches = minibatches_for(base, num_envs)
    options = dataclasses.replace(options, num_minibatches=minibatches)
    learning = _Learning(dataclasses.replace(base, **{base.algorithm: options}), num_envs)
    times = []
    for _ in range(args.repeats + 3):
        begun = time.perf_counter()
        learning.update()
        times.append(1e3 * (time.perf_counter() - begun))
    calls = max(1, args.repeats // 10)
    return {
        **{"num_envs": num_envs, "num_minibatches": minibatches, "num_epochs": options.num_epochs},
        "collectives": hlo.collectives(learning.text) if dist.count() > 1 else [],
        "update_ms": record.spread(times[3:]),
        "traced_calls": calls,
        "traced_ms": _traced_ms(learning.update, calls),
    }


class _Learning:
    """A learner and random samples, on one device of each process."""

    def __init__(self, config: Config, num_envs: int):
        task = tasks.find(config.task)(config.env)
        sizes = disturbances.obs_sizes(task, 0)
        make = algorithms.find(config.algorithm).make
        algorithm: Algorithm = make(
            *(config.algorithm_options, task.horizon, sizes),
            *(task.action_size, disturbances.obs_sets(task)),
        )
        names = figure_names(task, task.reward_keys)
        tally = Tally({f"env/{name}": jnp.zeros(()) for name in names}, jnp.ones(()))
        same, along_n = PartitionSpec(), PartitionSpec(None, AXIS)
        here = compiled.place(
            (algorithm.init(jax.random.key(0)), random_rollout(algorithm, num_envs), tally)
        )
        self._learner, self._rollout, self._tally = (
            dist.to_mesh(tree, spec) for tree, spec in zip(here, (same, along_n, same), strict=True)
        )
        function: Any = compiled.compile_update(algorithm, 1000)
        self._update = function.lower(self._learner, self._rollout, self._tally).compile()
        self.text: str = self._update.as_text()
        """What XLA made of it."""

    def update(self) -> None:
        """One, to its end."""
        done = self._update(self._learner, self._rollout, self._tally)
        self._learner, _ = jax.block_until_ready(done)


def _traced_ms(call: Callable[[], None], calls: int) -> list[float]:
    """Milliseconds of each collective operation on this process's device, in the order of their ends."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(calls):
                call()
        (path,) = Path(folder).rglob("*.xplane.pb")
        events = sorted(_exchanges(jax.profiler.ProfileData.from_file(str(path))))
    return [1e-6 * duration_ns for _, duration_ns in events]


def _exchanges(trace: Any) -> Iterator[tuple[float, float]]:
    """End and duration, ns, of what looks like one: NCCL's kernels on a GPU's streams, or on the CPU XLA's
    own operations."""
    on_gpu = bridge.device().platform == "gpu"
    looks = re.compile(
        r"nccl|all.?reduce" if on_gpu else r"^(all-(reduce|gather)|psum)", re.IGNORECASE
    )
    for plane in trace.planes:
        for line in plane.lines:
            if ("GPU" in plane.name and "Stream" in line.name) if on_gpu else "CPU" in plane.name:
                for event in line.events:
                    if looks.search(event.name):
                        yield event.start_ns + event.duration_ns, event.duration_ns


def _allreduce_us(size: int, repeats: int) -> float:
    """Microseconds of one of so many bytes, of many that wait for each other."""
    values = compiled.place(jnp.ones(size // 4))

    def chain(x: jax.Array) -> jax.Array:
        for _ in range(_CHAIN):
            x = jax.lax.pmean(x, AXIS)
        return x

    reduce = compiled.jit(
        jax.shard_map(
            chain,
            mesh=dist.mesh(),
            in_specs=PartitionSpec(),
            out_specs=PartitionSpec(),
            check_vma=False,
        )
    )
    x, times = dist.to_mesh(values, PartitionSpec()), []
    for _ in range(repeats + 3):
        begun = time.perf_counter()
        x = jax.block_until_ready(reduce(x))
        times.append(1e6 * (time.perf_counter() - begun) / _CHAIN)
    return statistics.median(times[3:])


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv, __doc__)))
