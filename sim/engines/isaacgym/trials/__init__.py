"""Small experiments that tell whether an engine means what the contract says, mostly against MuJoCo.

Each takes a simulator of the probe's scene, of whatever engine, returns what it saw, and raises
`bench.DiffersError` with what is probably wrong. Tolerances leave room for another contact model, not
for another frame.
"""

from collections.abc import Callable

from screwpush_sim.assets.probe import Probe
from screwpush_sim.engines.isaacgym.trials import flight, robot, touch
from screwpush_sim.protocol import Simulator

TRIALS: dict[str, Callable[[Simulator, Probe], str]] = {
    "frames": flight.frames,
    "origin": flight.origin,
    "tumbling": flight.tumble,
    "spin": flight.spin,
    "lying": touch.lie,
    "contact": touch.push,
    "rolling": touch.roll,
    "capsule": touch.stand,
    "bodies": touch.collide,
    "drives": robot.drives,
    "tool": robot.sweep,
    "filters": robot.fall_through,
    "reset": robot.reset_one,
}
"""By the names of the doctor's lines, in their order."""
