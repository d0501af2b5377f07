"""Every call to PhysX and every wait of a control step: `python -m benchmarks.physx_calls`.

Control steps as training takes them, with an untrained policy. Two laps: one counts and times each call
of PhysX's Python package and each of Warp's waits by what it is for, which all hold the host; one without
such clocks says what of a control step is not physics. The host's time in the engine's own calls, in the
dispatch of the transition and in imports is there, too; a call's time holds that of the calls in it.
"""

import collections
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import warp as wp

from benchmarks import record
from benchmarks.overlaps import changed_world, changes
from benchmarks.settings import PositiveInt, parse
from benchmarks.start import fresh_state
from screwpush_jax import cli, compiled
from screwpush_jax.build import World
from screwpush_jax.checkpoint import RunState
from screwpush_jax.config import Config, config_type
from screwpush_jax.device import use_device

_WARM_STEPS = 20


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    num_envs: tuple[PositiveInt, ...] = (4096,)
    """Numbers of environments."""
    physics: tuple[str, ...] = ("dt_s=0.01", "decimation=5")
    """Changes of the scene's physics, NAME=VALUE each."""
    options: tuple[str, ...] = ()
    """Changes of the engine's options, NAME=VALUE each."""
    repeats: PositiveInt = 100
    """Control steps in a lap."""
    out: Path = Path("benchmarks/results/physx_calls.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> None:
    config = dataclasses.replace(config_type()(), sim="physx", device="auto")
    use_device(config)
    for num_envs in args.num_envs:
        config = dataclasses.replace(config, num_envs=num_envs)
        record.write(args.out, measure(args, config))


def measure(args: Args, config: Config) -> list[dict[str, Any]]:
    """A row of the control step, and one of each call."""
    physics, options = changes(args.physics), changes(args.options)
    world = changed_world(config, config.num_envs, physics, options)
    try:
        spent_s: dict[str, list[float]] = collections.defaultdict(list)
        control_step = _loop(world, fresh_state(config, world), spent_s)
        for _ in range(_WARM_STEPS):
            control_step()
        spent_s.clear()
        with _clocks(spent_s):
            for _ in range(args.repeats):
                control_step()
            _wait(world)
        calls = _calls(spent_s, args.repeats)
        whole_ms, physics_ms, writes = _lap(world, control_step, args.repeats)
    finally:
        world.sim.close()
    same = {"benchmark": "physx_calls", "num_envs": config.num_envs}
    same |= {"physics": args.physics, "options": args.options}
    whole = {
        "what": "control step",
        "ms": whole_ms,
        "all but physics ms": whole_ms - physics_ms,
        "scenes written": writes,
    }
    return [same | row for row in (whole, *calls)]


def _calls(spent_s: dict[str, list[float]], repeats: int) -> list[dict[str, Any]]:
    """A row of each call, the longest first."""
    return [
        {
            "what": name,
            "calls a control step": len(times) / repeats,
            "ms a control step": 1e3 * sum(times) / repeats,
            "ms a call": record.spread([1e3 * t for t in times]),
        }
        for name, times in sorted(spent_s.items(), key=lambda item: -sum(item[1]))
    ]


def _loop(
    world: World, state: RunState, spent_s: dict[str, list[float]]
) -> Callable[[], jax.Array]:
    """A function that takes a control step as training does and returns the mask of written scenes.

    The host's time in the dispatch of each transition is added to `spent_s`.
    """
    sim, carry, starts, learner = world.sim, state.carry, state.starts, state.learner
    transition = compiled.compile_transition(world.env, world.algorithm)
    transition = _timed(transition, lambda *_: "dispatch of the transition", spent_s)

    def control_step() -> jax.Array:
        nonlocal carry
        control, mask, views, carry = transition(
            starts, learner.policy, carry=carry, views=sim.views()
        )
        sim.write(mask, views)
        sim.step(control)
        return mask

    return control_step


def _lap(world: World, control_step: Callable[[], jax.Array], repeats: int) -> tuple[float, ...]:
    """Of a control step: wall-clock ms, ms of physics, and scenes that were written in one."""
    _wait(world)
    world.sim.report()()
    begun_s = time.perf_counter()
    masks = [control_step() for _ in range(repeats)]
    _wait(world)
    whole_ms = 1e3 * (time.perf_counter() - begun_s) / repeats
    written = float(sum(jnp.sum(mask) for mask in masks)) / repeats
    return whole_ms, world.sim.report()()["perf/sim_ms"] / repeats, written


def _wait(world: World) -> None:
    """Until all that was queued has ended."""
    jax.block_until_ready(jax.tree.map(jnp.copy, world.sim.views()))


@contextlib.contextmanager
def _clocks(spent_s: dict[str, list[float]]) -> Iterator[None]:
    """Adds the host's time in each call to PhysX, and in each wait for Warp's stream, by its name."""
    import ovphysx
    from ovphysx.api import ContactBinding, TensorBinding

    from screwpush_sim.engines.physx import engine

    def of_binding(binding: Any) -> str:
        return ovphysx.TensorType(binding.tensor_type).name.lower()

    timed: list[tuple[Any, str, Callable[..., str]]] = [
        (TensorBinding, "read", lambda binding, *_: f"read {of_binding(binding)}"),
        (TensorBinding, "write", lambda binding, *_: f"write {of_binding(binding)}"),
        (ContactBinding, "read_net_normal_forces", lambda *_: "read contact forces"),
        (ContactBinding, "read_net_friction_forces", lambda *_: "read contact frictions"),
        (ovphysx.PhysX, "step_sync", lambda _, dt_s: f"physics step of {dt_s:g} s"),
        (wp, "synchronize_stream", lambda *_: "wait for the stream"),
        (wp, "launch", lambda kernel, *_: f"launch {kernel.key}"),
        (engine, "to_warp", lambda *_: "import of what JAX lends"),
        (engine.Inputs, "check_write", lambda *_: "check of what is written"),
        (engine.Inputs, "check_control", lambda *_: "check of the control"),
        (engine.Physx, "views", lambda *_: "all of views()"),
        (engine.Physx, "write", lambda *_: "all of write()"),
        (engine.Physx, "step", lambda *_: "all of step()"),
    ]
    with contextlib.ExitStack() as undo:
        for owner, name, label in timed:
            call = getattr(owner, name)
            undo.callback(setattr, owner, name, call)
            setattr(owner, name, _timed(call, label, spent_s))
        yield


def _timed(
    call: Callable[..., Any], label: Callable[..., str], spent_s: dict[str, list[float]]
) -> Callable[..., Any]:
    @functools.wraps(call)
    def timed(*args: Any, **kwargs: Any) -> Any:
        begun_s = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            spent_s[label(*args)].append(time.perf_counter() - begun_s)

    return timed


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
