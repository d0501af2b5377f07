"""What the doctor's trials see on another engine: `python -m benchmarks.trials --sim physx`.

They know no engine, so what PhysX 5 does under some option stands for what Isaac Gym should do under its
own. One line a trial, and the friction that a sliding bolt shows. With `--physx` options, or edits of the
stage that PhysX reads, one sees which trial notices what.
"""

import dataclasses
import re
from typing import Literal

from benchmarks.settings import parse
from screwpush_jax import cli
from screwpush_sim import registry
from screwpush_sim.assets.probe import Probe, make_probe
from screwpush_sim.builders import usd
from screwpush_sim.engines.isaacgym.trials import TRIALS, bench
from screwpush_sim.options import MujocoConfig, PhysxConfig
from screwpush_sim.protocol import Simulator

_GRAVITY = 9.81
_SLIDE_M_S = 1.0


@dataclasses.dataclass(frozen=True)
class Args:
    """What to look at."""

    sim: Literal["mujoco", "physx"] = "physx"
    """The engine."""
    mujoco: MujocoConfig = MujocoConfig()
    physx: PhysxConfig = PhysxConfig()
    friction: float | None = None
    """Of the bolts, where it is not the ground's 0.6."""
    edits: tuple[str, ...] = ()
    """Changes of PhysX's stage, `PATTERN=>TEXT` (a regular expression), for what no option says."""


def main(args: Args) -> None:
    probe = _probe(args.friction)
    _edit_stage(args.edits)
    sim = registry.make_simulator(args.sim, probe.scene, bench.NUM_ENVS, getattr(args, args.sim))
    for name, trial in (*TRIALS.items(), ("slide", _slide)):
        try:
            print(f"ok   {name}: {trial(sim, probe)}")
        except bench.DiffersError as error:
            print(f"FAIL {name}: {error}")
    sim.close()


def _probe(friction: float | None) -> Probe:
    probe = make_probe()
    if friction is None:
        return probe
    (group,) = probe.scene.groups
    shapes = tuple(dataclasses.replace(shape, friction=friction) for shape in group.shapes)
    scene = dataclasses.replace(probe.scene, groups=(dataclasses.replace(group, shapes=shapes),))
    return dataclasses.replace(probe, scene=scene)


def _edit_stage(edits: tuple[str, ...]) -> None:
    """Raises ValueError for an edit that changes nothing."""
    build = usd.build_usda

    def edited(*args, **kwargs) -> str:
        text = build(*args, **kwargs)
        for edit in edits:
            pattern, _, new = edit.partition("=>")
            text, count = re.subn(pattern, new, text)
            if not count:
                raise ValueError(f"--edits {edit!r}: the stage has no {pattern!r}")
        return text

    usd.build_usda = edited


def _slide(sim: Simulator, probe: Probe) -> str:
    """Along its length a bolt cannot roll."""
    start = bench.settled(sim, probe)
    bench.load(sim, bench.spread(start, probe, linvel_w=[_SLIDE_M_S, 0.0, 0.0]))
    bench.rest(sim, probe.parked_rad, 1)
    slower = _SLIDE_M_S - bench.bodies(sim, probe).linvel_w[..., 0].mean()
    friction = slower / (_GRAVITY * sim.spec.control_dt_s)
    return f"pushed along its length a body shows a friction of {friction:.3f}"


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
