"""What the hand-overs cost the host: `python -m benchmarks.bridge`.

Microseconds of host time a control step spends in each part of the bridge, with the device's own
time beside it: as long as the sum is below the device's, it hides behind physics. What of a control
step is not physics stands in the last columns: of a step with its hand-overs alone, and of one with
the transition, too.
"""

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks import record
from benchmarks.settings import PositiveInt, parse
from benchmarks.start import fresh_state
from screwpush_jax import cli, compiled
from screwpush_jax.build import World, make_world
from screwpush_jax.checkpoint import RunState
from screwpush_jax.config import Config, config_type
from screwpush_jax.device import use_device
from screwpush_jax.field_kinds import with_values
from screwpush_jax.phases import phases
from screwpush_sim.assets import elfin15
from screwpush_sim.engines.isaacgym.worker.cuda import Cuda
from screwpush_sim.options import IsaacGymConfig

_LAPS = 5
_STILL = """
import os, sys, time, types
def stand_still():
    import torch
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    physics = types.SimpleNamespace(seconds=time.perf_counter())
    def turn(*_):
        begin.record()
        torch.cuda._sleep({cycles})
        end.record()
        end.synchronize()
        physics.seconds += 1e-3 * begin.elapsed_time(end)
    for name in {calls}:
        setattr(Gym, name, lambda *_: True)
    Gym.fetch_results = turn
    sys.modules["worker.stepper"].time = types.SimpleNamespace(perf_counter=lambda: physics.seconds)
def simulate(*args, step=Gym.simulate):
    step(*args)
    if os.path.exists({sign!r}):
        stand_still()
Gym.simulate = simulate
"""
"""What the stand-in does from the moment on when the file `sign` is there: a kernel that turns for some
milliseconds and nothing else; the time that the worker says it was busy is this kernel's."""
_CYCLES = 10_000_000
_CALLS = (
    "simulate",
    "refresh_actor_root_state_tensor",
    "refresh_dof_state_tensor",
    "set_actor_root_state_tensor_indexed",
    "set_dof_state_tensor_indexed",
    "set_dof_position_target_tensor",
)
_ENDS_EVERY = 50
"""One environment in so many is given a new state: about as many as end in a step of training."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    num_envs: tuple[PositiveInt, ...] = (4096, 32768)
    """Numbers of environments."""
    sim: str = "auto"
    """Engine."""
    isaacgym: IsaacGymConfig = IsaacGymConfig()
    """How the engine isaacgym runs."""
    still: bool = False
    """Isaac Gym's stand-in moves and copies nothing while it is measured: its physics is a kernel that
    turns for some milliseconds, and all else that a control step takes is the hand-over."""
    repeats: PositiveInt = 100
    """Calls that are timed."""
    out: Path = Path("benchmarks/results/bridge.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    few = {"sim": args.sim, "env.bank_size": 64, "isaacgym": args.isaacgym}
    config = with_values(config_type()(), few)
    use_device(config)
    for num_envs in args.num_envs:
        config = dataclasses.replace(config, num_envs=num_envs)
        with tempfile.TemporaryDirectory() as folder:
            record.write(args.out, [measure(args, config, Path(folder) / "stand_still")])


def measure(args: Args, config: Config, sign: Path) -> dict:
    """The row of one number of environments, with the arm at rest; `sign` tells a worker to stand."""
    if args.still:
        if args.isaacgym.pipeline != "gpu":
            raise SystemExit("--still turns a kernel on a GPU; valid: --isaacgym.pipeline gpu")
        patch = _STILL.format(cycles=_CYCLES, calls=_CALLS, sign=str(sign))
        os.environ["ISAACGYM_STANDIN_PATCH"] = patch
    world = make_world(config, config.num_envs, "train")
    try:
        state, spec = fresh_state(config, world), world.sim.spec
        sign.touch()
        row = {"benchmark": "bridge", "num_envs": spec.num_envs, "engine": spec.engine}
        if spec.engine == "isaacgym":
            mps = args.isaacgym.pipeline == "gpu" and Cuda().mps()
            row |= {"still": args.still, "handover": args.isaacgym.handover, "mps": mps}
        return row | _hand_overs(args, world) | _transitions(args, world, state)
    finally:
        world.sim.close()


def _hand_overs(args: Args, world: World) -> dict:
    """Every call of the bridge, and control steps of nothing else."""
    sim = world.sim
    num_envs, home_rad = sim.spec.num_envs, jnp.array(elfin15.HOME_RAD, jnp.float32)
    targets, some = jnp.tile(home_rad, (num_envs, 1)), jnp.arange(num_envs) % _ENDS_EVERY == 0
    shown = jax.tree.map(jnp.copy, sim.views())
    parts = {
        "views": sim.views,
        "write": lambda: sim.write(some, shown),
        "step": lambda: sim.step(targets),
    }

    def control_step() -> None:
        sim.step(targets)
        sim.views()
        sim.write(some, shown)

    row: dict = {f"{name} us": host_us(world, part, args.repeats) for name, part in parts.items()}
    laps = [lap_us(world, control_step, args.repeats) for _ in range(_LAPS)]
    if "turn" in laps[0]:
        row["of it: turns us"] = record.spread([lap["turn"] for lap in laps])
    rest_us = [lap["wall"] - lap["physics"] for lap in laps]
    return row | {"hand-overs us": record.spread(rest_us)}


def _transitions(args: Args, world: World, state: RunState) -> dict:
    """Control steps as training takes them."""
    sim, carry, starts, learner = world.sim, state.carry, state.starts, state.learner
    transition = compiled.compile_transition(world.env, world.algorithm)

    def act() -> None:
        nonlocal carry, targets, mask, views
        targets, mask, views, carry = transition(
            starts, learner.policy, carry=carry, views=sim.views()
        )

    def control_step() -> None:
        sim.step(targets)
        act()
        sim.write(mask, views)

    targets, mask, views, carry = transition(starts, learner.policy, carry=carry, views=sim.views())
    row: dict = {"views and transition us": host_us(world, act, args.repeats)}
    laps = [lap_us(world, control_step, args.repeats) for _ in range(_LAPS)]
    for part in ("physics", "transition"):
        row[f"device: {part} us"] = record.spread([lap[part] for lap in laps])["median"]
    rest_us = record.spread([lap["wall"] - lap["physics"] for lap in laps])
    return row | {"all but physics us": rest_us}


def lap_us(world: World, control_step: Callable[[], object], repeats: int) -> dict[str, float]:
    """Microseconds of one of many control steps in a row: by the wall clock, and its parts."""
    _wait(world)
    world.sim.report()()
    begun = time.perf_counter()
    for _ in range(repeats):
        control_step()
    _wait(world)
    wall_us = 1e6 * (time.perf_counter() - begun) / repeats
    report = phases(world.sim.report()())
    parts_ms = {"physics": report["perf/sim_ms"], "transition": report["perf/transition_ms"]}
    if "perf/handover_ms" in report:  # of an engine in another process
        parts_ms["turn"] = report["perf/handover_ms"]
        parts_ms["physics"] -= parts_ms["turn"]
    return {"wall": wall_us} | {name: 1e3 * ms / repeats for name, ms in parts_ms.items()}


def _wait(world: World) -> None:
    """Until all that was queued has ended."""
    jax.block_until_ready(jax.tree.map(jnp.copy, world.sim.views()))


def host_us(world: World, part: Callable[[], object], repeats: int) -> dict[str, float]:
    """Host time of one call on an idle device."""
    times = []
    for _ in range(repeats + 5):
        _wait(world)
        begun = time.perf_counter()
        part()
        times.append(1e6 * (time.perf_counter() - begun))
    return record.spread(times[5:])


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
