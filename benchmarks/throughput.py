"""Training steps/s against bare physics: `python -m benchmarks.throughput --checkpoint best`.

In one process, for each number of environments, at the states of a trained policy:

- physics: one iteration's control steps replayed from a snapshot with their recorded targets and
  resets and no JAX; the device's time in the physics graph alone.
- + bridge: the same replay by the wall clock, views asked for at each step.
- + policy: the loop with transitions and no update.
- training: everything, logging included. The ratio is training over physics.
"""

import dataclasses
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks import record
from benchmarks.settings import PositiveInt, parse
from benchmarks.start import fresh_state, trained
from screwpush_jax import checkpoint_folder, cli, compiled
from screwpush_jax.build import World, draw_params, make_world
from screwpush_jax.checkpoint import RunState
from screwpush_jax.config import Config, load_yaml
from screwpush_jax.device import use_device
from screwpush_jax.recorder import Recorder
from screwpush_jax.stopping import Stopper
from screwpush_jax.training import train
from screwpush_sim.physics import Name


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    checkpoint: str = "best"
    """Whose policy acts: latest, best, a run's folder."""
    num_envs: tuple[PositiveInt, ...] = (4096, 32768)
    """Numbers of environments."""
    iterations: PositiveInt = 12
    """Iterations of training that are timed, after a third as many that are not."""
    repeats: PositiveInt = 5
    """Times that the recorded control steps are replayed."""
    physics: Name = "train"
    """Which of the scene's physics is stepped."""
    sim: str = ""
    """Another engine than the configuration's."""
    config: str = ""
    """YAML file; the checkpoint's own configuration if not given."""
    runs_dir: str = "runs"
    """Where the checkpoint is searched."""
    out: Path = Path("benchmarks/results/throughput.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    found, config = trained(args.checkpoint, args.runs_dir)
    if args.config:
        config = load_yaml(Path(args.config), Config, config)
    if args.sim:
        config = dataclasses.replace(config, sim=args.sim, device="auto")
    use_device(config)
    for num_envs in args.num_envs:
        config = dataclasses.replace(config, num_envs=num_envs, max_minutes=0.0)
        record.write(args.out, measure(args, config, found))


def measure(args: Args, config: Config, found: checkpoint_folder.Found) -> list[dict]:
    """Rows of one number of environments."""
    params = draw_params(config, config.num_envs, config.seed)
    world = make_world(config, config.num_envs, args.physics, params)
    try:
        state = fresh_state(config, world, found)
        state, training = _train(args, config, world, state)
        speeds = _replay(args, config, world, state)
    finally:
        world.sim.close()
    same = {"benchmark": "throughput", "num_envs": config.num_envs, "engine": world.sim.spec.engine}
    stepped = world.sim.spec.scene.physics
    same |= {"physics": args.physics, "dt_s": stepped.dt_s, "decimation": stepped.decimation}
    if params:
        same["varied"] = list(params)
    rows = [
        same | {"what": what, "unit": "steps/s"} | record.spread(values)
        for what, values in speeds.items()
    ]
    whole = record.spread([row["perf/env_steps_per_s"] for row in training])
    rows.append(same | {"what": "training", "unit": "steps/s"} | whole | _parts(config, training))
    ratio = whole["median"] / float(rows[0]["median"])
    return [*rows, same | {"what": "ratio", "median": ratio}]


def _parts(config: Config, training: list[dict[str, float]]) -> dict[str, float]:
    """Milliseconds of a control step's parts, and the largest use of room and memory."""
    times = ("perf/sim_ms", "perf/transition_ms", "perf/update_ms")
    parts = {
        name: record.spread([row[name] / config.num_steps for row in training])["median"]
        for name in times
    }
    peaks = [k for k in training[0] if k.endswith(("_peak", "overflow", "gpu_mem_mb"))]
    return parts | {name: max(row[name] for row in training) for name in peaks}


class _Timed(Recorder):
    """Keeps the figures of each iteration in memory, too."""

    def __init__(self, *args):
        super().__init__(*args)
        self.rows: list[dict[str, float]] = []

    def _performance(self, report):
        self.rows.append(super()._performance(report))
        return self.rows[-1]


def _train(args: Args, config: Config, world: World, state: RunState):
    warm = -(-args.iterations // 3)
    total = (warm + args.iterations) * config.batch_size
    config = dataclasses.replace(config, total_env_steps=total, checkpoint_every=10**9)
    with tempfile.TemporaryDirectory() as folder:
        stopper = Stopper(lambda: "interrupted")
        recorder = _Timed(config, world, Path(folder), None, stopper, False)
        with recorder:
            state = train(config, world, state, recorder)
    return state, recorder.rows[warm:]


def _replay(args: Args, config: Config, world: World, state: RunState) -> dict[str, list[float]]:
    """Control steps/s of physics alone, with the bridge, and with the policy."""
    sim, carry, num_steps = world.sim, state.carry, config.num_steps
    transition = compiled.compile_transition(world.env, world.algorithm)
    start, targets = sim.snapshot(), carry.env.control.copy()
    script, speeds = [], {"physics": [], "+ bridge": [], "+ policy": []}
    steps = config.num_envs * num_steps

    def act(carry, targets, keep: bool):
        sim.step(targets)
        used = targets
        targets, mask, views, carry = transition(
            state.starts, state.learner.policy, carry=carry, views=sim.views()
        )
        sim.write(mask, views)
        if keep:
            script.append(jax.tree.map(jnp.copy, (used, mask, views)))
        return carry, targets

    for _ in range(num_steps):
        carry, targets = act(carry, targets, keep=True)
    for _ in range(args.repeats):
        jax.block_until_ready((carry, targets))
        begun = time.perf_counter()
        for _ in range(num_steps):
            carry, targets = act(carry, targets, keep=False)
        jax.block_until_ready((carry, targets))
        speeds["+ policy"].append(steps / (time.perf_counter() - begun))
    for _ in range(args.repeats):
        sim.restore(start)
        sim.report()()
        begun = time.perf_counter()
        for used, mask, views in script:
            sim.step(used)
            sim.views()
            sim.write(mask, views)
        physics_ms = sim.report()()["perf/sim_ms"]  # waits for the last step
        speeds["+ bridge"].append(steps / (time.perf_counter() - begun))
        speeds["physics"].append(1e3 * steps / physics_ms)
    return speeds


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
