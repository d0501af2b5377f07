"""What each engine makes of the same small experiments: `python -m benchmarks.compare_physics`.

Writes a picture of each into `docs/physics/`, and the table of `docs/physics.md` anew. Engines that are
not installed are left out. Everything runs where JAX computes; with `JAX_PLATFORMS=cpu` on the host.
"""

import dataclasses
from pathlib import Path

import numpy as np

from benchmarks import record
from benchmarks.physics_pictures import draw_all
from benchmarks.physics_trials import JUMP_RAD, PUSH_M_S, ROLLS, TRIALS, Curves, run
from benchmarks.settings import parse
from benchmarks.table import table
from screwpush_jax import cli
from screwpush_jax.files import write_atomically
from screwpush_sim import registry
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.errors import EngineNotInstalledError
from screwpush_sim.physics import Name

ENGINES: dict[str, tuple[Name, ...]] = {
    "mujoco": ("train", "eval", "reference"),
    "mujoco_warp": ("train", "eval"),
    "physx": ("train", "eval", "reference"),
}
"""Which of the scene's physics each engine steps here."""

_BEGIN, _END = "<!-- figures -->\n", "<!-- end of figures -->\n"
_REST_M_S, _REST_RAD_S = 0.005, 0.5


@dataclasses.dataclass(frozen=True)
class Args:
    """What to compare."""

    engines: tuple[str, ...] = tuple(ENGINES)
    """Names of engines."""
    docs: Path = Path("docs")
    """Folder of `physics.md`; pictures go into `physics/` there."""


def main(args: Args) -> None:
    curves: dict[str, Curves] = {}
    for engine in args.engines:
        try:
            registry.check_installed(engine)
        except EngineNotInstalledError as error:
            print(error)
            continue
        for name in ENGINES[engine]:
            print(f"{engine}, {name}", flush=True)
            scene = make_scene(SceneConfig(), physics=name)
            options = registry.ENGINES[engine].options()
            curves[f"{engine}, {name}"] = run(engine, scene, options)
    draw_all(curves, args.docs / "physics")
    text = f"{figures(curves)}\n\n{record.hardware()}, {_versions()}\n"
    insert(args.docs / "physics.md", text)
    print(text)


def insert(path: Path, text: str) -> None:
    """Puts `text` between the two marks of the page.

    Raises:
      ValueError: it has not got both marks, in this order.
    """
    before, begin, rest = path.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{path} lacks the line {(_END if begin else _BEGIN).strip()!r}")
    write_atomically(path, f"{before}{_BEGIN}{text}{_END}{after}")


def figures(curves: dict[str, Curves]) -> str:
    """A row for what mechanics expects, where it is simple, and one for each engine and physics."""
    heads = (
        *(
            "engine, physics",
            "drop: energy after 0.15 s",
            "slide mm",
            "s",
            "roll mm at 0.2, 0.3, 0.4 m/s",
        ),
        *("spin rad", "push mm", "graze mm", "drive rise ms, joint 2, 5", "overshoot"),
        *("energy gain", "overlap mm: rod-bolt", "bolt-table"),
    )
    return table(list(heads), [expected(), *(row(name, one) for name, one in curves.items())])


def expected() -> list[str]:
    """By Coulomb's law for a point that slides; nothing that falls bounces or gains energy."""
    physics = make_scene(SceneConfig()).physics
    slows = -physics.friction * physics.gravity_m_s2[2]
    slide = f"{1e3 * PUSH_M_S**2 / (2 * slows):.1f}", f"{PUSH_M_S / slows:.2f}"
    return ["rigid, by hand", "0.00", *slide, "", "", "", "", "", "", "0.000", "0.00", "0.00"]


def row(name: str, curves: Curves) -> list[str]:
    place = {trial: index for index, trial in enumerate(TRIALS)}
    moved_mm = dict(zip(TRIALS, 1e3 * curves.moved_m[-1], strict=True))
    turned = np.ptp(curves.turned_rad[:, place["spin"]])
    rises, overshoot = drive(curves)
    gain = max(np.diff(energy_share(curves, trial)).max() for trial in ("drop", "tumble"))
    deepest = {pair: 1e3 * curves.overlap_m[pair].max() for pair in ("rod-bolt", "bolt-table")}
    return [
        name,
        f"{np.interp(0.15, curves.time_s, energy_share(curves, 'drop')):.2f}",
        f"{moved_mm['slide']:.1f}",
        f"{rest_s(curves, 'slide'):.2f}",
        ", ".join(f"{moved_mm[trial]:.0f}" for trial in ROLLS),
        f"{turned:.2f}",
        f"{moved_mm['push']:.0f}",
        f"{moved_mm['graze']:.0f}",
        ", ".join(f"{1e3 * rises[joint]:.0f}" for joint in (1, 4)),
        f"{overshoot:.0%}",
        f"{gain:.3f}",
        *(f"{depth:.2f}" for depth in deepest.values()),
    ]


def energy_share(curves: Curves, trial: str) -> np.ndarray:
    """Energy `[T]` of the bolt above what it has at last, over what it began with."""
    energy = curves.energy_j[:, TRIALS.index(trial)]
    return (energy - energy[-1]) / (energy[0] - energy[-1])


def rest_s(curves: Curves, trial: str) -> float:
    """When the trial's bolt has come to rest; not a number if it never does."""
    place = TRIALS.index(trial)
    moving = (curves.speed_m_s[:, place] > _REST_M_S) | (curves.spin_rad_s[:, place] > _REST_RAD_S)
    last = np.flatnonzero(moving).max(initial=-1)
    return float(curves.time_s[last + 1]) if last + 1 < len(moving) else float("nan")


def drive(curves: Curves) -> tuple[np.ndarray, float]:
    """Seconds in which each joint `[J]` goes 63 % of a jump of its target, and the largest overshoot."""
    share = (curves.joint_pos - curves.jump_from) / JUMP_RAD
    rises = [np.interp(1 - np.exp(-1), one[: 1 + one.argmax()], curves.time_s[: 1 + one.argmax()])
             for one in share.T]  # fmt: skip
    return np.array(rises), float(share.max() - 1)


def _versions() -> str:
    found = record.versions()
    return ", ".join(f"{name} {found[name]}" for name in ("mujoco", "mujoco-warp") if name in found)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
