"""Worlds that a policy was not trained in: changes of a task's options, and of its scene, by name."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from screwpush_jax import disturbances
from screwpush_jax.bounds import check_section
from screwpush_jax.errors import UsageError
from screwpush_jax.field_kinds import with_values
from screwpush_sim.scene import Link, Scene


def as_it_is(scene: Scene) -> Scene:
    return scene


class Variant(NamedTuple):
    """What differs from a run's own world."""

    options: Callable[[Any], Any]
    """From the task's options to those of the variant."""
    scene: Callable[[Scene], Scene] = as_it_is
    """For what no option says."""


def put(**values: Any) -> Variant:
    """Options of these values; `__` in a name stands for a dot."""
    changes = {name.replace("__", "."): value for name, value in values.items()}
    return Variant(lambda options: with_values(options, changes))


def times(factor: float, name: str) -> Variant:
    """One option, by its dotted name, times `factor`."""

    def scaled(options: Any) -> Any:
        value = options
        for part in name.split("."):
            value = getattr(value, part)
        return with_values(options, {name: factor * value})

    return Variant(scaled)


def stepped(dt_s: float, decimation: int) -> Variant:
    """The physics `eval` in other steps; contacts give way as fast as the engine allows."""
    values = {"scene.physics.eval.dt_s": dt_s, "scene.physics.eval.decimation": decimation}

    def changed(options: Any) -> Any:
        coarse = dt_s > options.scene.physics.train.dt_s
        more = {"scene.physics.coarse_eval": True} if coarse else {}
        return with_values(options, values | more)

    return Variant(changed)


def weigh_links(factor: float) -> Variant:
    """Each link of the robot times as heavy, moments with it."""

    def heavier(link: Link) -> Link:
        inertia = link.inertia
        if inertia is not None:
            x, y, z = (factor * moment for moment in inertia.moments_kgm2)
            mass_kg = factor * inertia.mass_kg
            inertia = dataclasses.replace(inertia, mass_kg=mass_kg, moments_kgm2=(x, y, z))
        return dataclasses.replace(link, inertia=inertia, density=factor * link.density)

    def changed(scene: Scene) -> Scene:
        links = tuple(map(heavier, scene.robot.links))
        return dataclasses.replace(scene, robot=dataclasses.replace(scene.robot, links=links))

    return Variant(lambda options: options, changed)


NOMINAL = "nominal"
_LATE = {
    "1 step late": put(disturbance__delay_steps=(1, 1)),
    "2 steps late": put(disturbance__delay_steps=(2, 2)),
}
_SCREWS = {
    NOMINAL: put(),
    "friction 0.3": put(scene__friction=0.3),
    "friction 1.0": put(scene__friction=1.0),
    "mass x0.5": times(0.5, "scene.screw.density"),
    "mass x5": times(5.0, "scene.screw.density"),
    "length 0.07": put(scene__screw__length_m=0.07),
    "length 0.12": put(scene__screw__length_m=0.12),
    "head 0.026": put(scene__screw__head_across_corners_m=0.026),
    "0.002 s x 25": stepped(0.002, 25),
    "0.01 s x 5": stepped(0.01, 5),
    **_LATE,
    "position noise 2 mm": put(disturbance__body_pos_noise_m=0.002),
    "position noise 5 mm": put(disturbance__body_pos_noise_m=0.005),
    "position bias 5 mm": put(disturbance__body_pos_bias_m=0.005),
    "velocities hidden": put(disturbance__hide_body_velocities=1.0),
}
_NOISE = {
    "joint_pos_noise_rad": 0.01,
    "joint_vel_noise_rad_s": 1.5,
    "base_linvel_noise_m_s": 0.1,
    "base_angvel_noise_rad_s": 0.2,
    "base_tilt_noise_rad": 0.05,
}
VARIANTS: Mapping[str, Mapping[str, Variant]] = {
    "separate": _SCREWS,
    "goal": _SCREWS,
    "humanoid": {
        NOMINAL: put(),
        "friction x0.5": times(0.5, "scene.friction"),
        "friction x2": times(2.0, "scene.friction"),
        "mass x0.8": weigh_links(0.8),
        "mass x1.2": weigh_links(1.2),
        "pushes 0.5 m/s": put(disturbance__push_m_s=0.5),
        "pushes 1 m/s": put(disturbance__push_m_s=1.0),
        **_LATE,
        "noisy sensors": put(**{f"disturbance__{name}": value for name, value in _NOISE.items()}),
    },
}
"""By task and name. Noise of the humanoid's sensors is what the field's locomotion tasks train with."""


def chosen(task: str, names: Sequence[str]) -> dict[str, Variant]:
    """The variants of these names, all if there are none.

    Raises:
      UsageError: the task has no variants, or none of that name.
    """
    if task not in VARIANTS:
        raise UsageError(f"--task {task} has no variants; valid: {', '.join(VARIANTS)}")
    known = VARIANTS[task]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"--variants {unknown[0]!r}; valid: {', '.join(known)}")
    return {name: known[name] for name in names or known}


def options_of(variant: Variant, options: Any) -> Any:
    """A run's `options` of its task without its own disturbances, changed as the variant says.

    Raises:
      UsageError: they do not go together.
    """
    changed = variant.options(disturbances.undisturbed(options))
    check_section(changed, "env.")
    return changed
