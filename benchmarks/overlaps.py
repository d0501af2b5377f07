"""How deep bodies get into each other while a policy acts: `python -m benchmarks.overlaps`.

Runs unseen episodes on an engine and takes, of each, the deepest overlap of rod and bolts, of bolts,
and of bolts and table (`contacts.py`), from its first control step to its last. The scene's physics and
the engine's options can be changed by name, so that one command is one line of a comparison:

    python -m benchmarks.overlaps --sim mujoco --physics dt_s=0.0025 decimation=20
    python -m benchmarks.overlaps --sim physx --options position_iterations=32
"""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from benchmarks import record
from benchmarks.contacts import PAIRS, OverlapMeter
from benchmarks.settings import FromZeroInt, PositiveInt, parse
from benchmarks.start import trained
from screwpush_jax import cli, compiled, evaluation
from screwpush_jax.build import World, make_world
from screwpush_jax.config import Config, config_type
from screwpush_jax.device import use_device
from screwpush_jax.episodes import LEARNED, Episodes, policy_names
from screwpush_jax.evaluate import load_policy
from screwpush_jax.tasks import registry as tasks
from screwpush_sim import registry
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState

_PUSHING_STEPS = 40
"""Control steps from the start in which most episodes are still being pushed."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to look at."""

    checkpoint: str = ""
    """Whose policy acts: latest, best, a run's folder; none: the scripted one."""
    sim: str = "auto"
    """Engine."""
    physics: tuple[str, ...] = ()
    """Changes of the scene's physics, NAME=VALUE each."""
    options: tuple[str, ...] = ()
    """Changes of the engine's options, NAME=VALUE each."""
    episodes: PositiveInt = 256
    """Unseen episodes, all at once."""
    seed: FromZeroInt = 1
    """Of the start states."""
    every: Literal["control step", "physics step"] = "control step"
    """When to look; after each physics step costs more."""
    name: str = ""
    """What the row is called; none: the changes."""
    runs_dir: str = "runs"
    """Where the checkpoint is searched."""
    out: Path = Path("benchmarks/results/overlaps.jsonl")
    """File that the row is appended to."""


def main(args: Args) -> None:
    found, config = trained(args.checkpoint, args.runs_dir) if args.checkpoint else (None, None)
    config = config or config_type()()
    config = dataclasses.replace(config, sim=args.sim, device="auto")
    use_device(config)
    physics, options = changes(args.physics), changes(args.options)
    world = changed_world(config, args.episodes, physics, options, args.every == "physics step")
    try:
        policy = load_policy(config, found, world) if found else None
        row = measure(world, policy, args.seed, changed_decimation(config, physics))
    finally:
        world.sim.close()
    what = {"benchmark": "overlaps", "what": args.name or " ".join(args.physics + args.options)}
    record.write(args.out, [what | {"every": args.every} | row])


def changes(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`NAME=VALUE` texts as values by name, each read as JSON, or as the text that it is; a list is a
    tuple."""
    return {name: _value(text) for name, _, text in (pair.partition("=") for pair in pairs)}


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return tuple(value) if isinstance(value, list) else value


def changed_world(
    config: Config,
    num_envs: int,
    physics: dict[str, Any],
    options: dict[str, Any],
    each_physics_step: bool = False,
) -> World:
    """The world of `config` with changed physics and options of its engine.

    With `each_physics_step` one `step` of the simulator is a physics step, not a control step.
    """
    engine = registry.choose(config.sim)[0]
    changed = dataclasses.replace(getattr(config, engine), **options)
    if each_physics_step:
        physics = physics | {"decimation": 1}

    def change(scene: Scene) -> Scene:
        return dataclasses.replace(scene, physics=dataclasses.replace(scene.physics, **physics))

    config = dataclasses.replace(config, **{engine: changed})
    return make_world(config, num_envs, "eval", change=change)


def changed_decimation(config: Config, physics: dict[str, Any]) -> int:
    """Physics steps in a control step."""
    scene = tasks.find(config.task)(config.env).scene()
    return dataclasses.replace(scene.physics, **physics).decimation


def measure(world: World, policy: Any, seed: int, decimation: int) -> dict[str, Any]:
    """Overlaps, success and cost of one episode in each of the world's scenes.

    Args:
      policy: None lets the task's scripted one act.
      decimation: physics steps in a control step.
    """
    sim, began_s = world.sim, time.perf_counter()
    meter = OverlapMeter(sim.spec.scene)
    deepest = {pair: np.zeros(sim.spec.num_envs) for pair in PAIRS}

    def watch(state: SimState, running: np.ndarray) -> None:
        for pair, depth in meter.deepest_m(state).items():
            deepest[pair] = np.maximum(deepest[pair], np.where(running, depth, 0.0))

    starts = evaluation.unseen_starts(world, seed)
    sim.report()
    actor = "scripted" if policy is None else LEARNED
    repeats = decimation // sim.spec.scene.physics.decimation
    episodes, step_ms = run(world, policy, starts, actor, seed, repeats, watch)
    result = evaluation.summarize(world.task, episodes)
    row = {
        "engine": sim.spec.engine,
        "policy": actor,
        "episodes": result.episodes,
        "physics": dataclasses.asdict(sim.spec.scene.physics) | {"decimation": decimation},
        "sim_ms_per_step": step_ms,
        "success": result.success_rate,
        "out": result.shares["out_of_area"],
        "invalid": result.invalid,
        "episode_len": result.episode_len,
        "whole_s": time.perf_counter() - began_s,
    }
    return row | {f"{pair}_mm": figures_mm(depth) for pair, depth in deepest.items()}


def run(
    world: World, policy: Any, starts: Any, actor: str, seed: int, repeats: int, watch: Any
) -> tuple[Episodes, float]:
    """Runs the episodes to their ends, as `evaluation.run_episodes` does.

    `watch(state, running)` sees what each of the `repeats` steps of the simulator in a control step has
    led to, and which episodes `[N]` had not ended before. The other result is the simulator's time in
    ms of a control step, of the first ones.
    """
    sim, env = world.sim, world.env
    functions, unpack = compiled.compile_episodes(env, world.algorithm), compiled.jit(env.unpack)
    kind = np.int32(policy_names(env.task).index(actor))
    if policy is None:
        policy = world.algorithm.init(jax.random.key(0)).policy
    episodes = functions.init(starts, jax.random.key(seed))
    policy, starts, episodes = compiled.place((policy, starts, episodes))
    step_ms = float("nan")
    for number in range(env.task.horizon + 1):
        control, mask, views, episodes = functions.step(
            starts, policy, kind, episodes=episodes, views=sim.views()
        )
        running = ~np.asarray(episodes.ended)
        if not running.any():
            break
        sim.write(mask, views)
        for _ in range(repeats):
            sim.step(control)
            watch(unpack(sim.views()), running)
        if number + 1 == _PUSHING_STEPS:
            step_ms = sim.report()()["perf/sim_ms"] / _PUSHING_STEPS
    sim.report()()
    return episodes, step_ms


def figures_mm(depth_m: np.ndarray) -> dict[str, float]:
    """Median, 99th percentile and maximum of depths in metres, in millimetres."""
    middle, high = np.percentile(1e3 * depth_m, [50, 99])
    return {"p50": float(middle), "p99": float(high), "max": float(1e3 * depth_m.max())}


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
