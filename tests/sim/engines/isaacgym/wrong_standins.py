"""Stand-ins for Isaac Gym that are wrong in exactly one way, and what must notice it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import isaacgym._gym as gym_module
import isaacgym._physics as physics
import isaacgym._plain as plain

Gym, Physics = gym_module.Gym, physics.Physics


class Wrong(NamedTuple):
    """What stands in the place of `owner.name`, made from it; the trials that are asked then."""

    owner: Any
    name: str
    change: Callable[[Any], Any]
    trials: list[str]

    @contextlib.contextmanager
    def made(self) -> Iterator[None]:
        real = getattr(self.owner, self.name)
        setattr(self.owner, self.name, self.change(real))
        try:
            yield
        finally:
            setattr(self.owner, self.name, real)


def after(change: Callable[..., Any]) -> Callable[[Any], Any]:
    """The real function, whose result `change(result, *arguments)` alters in place."""

    def make(real):
        def altered(*args, **kwargs):
            result = real(*args, **kwargs)
            change(result, *args)
            return result

        return altered

    return make


def given(change: Callable[..., Any]) -> Callable[[Any], Any]:
    """The real function, before which `change(*arguments)` alters these in place."""

    def make(real):
        def altered(*args, **kwargs):
            change(*args)
            return real(*args, **kwargs)

        return altered

    return make


def shown(change: Callable[[np.ndarray], Any]) -> tuple[Any, str, Callable]:
    """Root rows that are shown otherwise; they are written as ever."""
    return Physics, "root_rows", after(lambda rows, _: change(rows))


def loaded(**options: Any) -> tuple[Any, str, Callable]:
    """Assets that are loaded with these options, whatever is asked for."""

    def change(gym, sim, root, file, asked):
        for name, value in options.items():
            setattr(asked, name, value)

    return Gym, "load_asset", given(change)


def unmet(first: str, second: str) -> tuple[Any, str, Callable]:
    """No contact between shapes of actors whose names begin so."""

    def make(real):
        def pair(contact, a, b, *more):
            wanted = (a.startswith(first) and b.startswith(second)) or (
                a.startswith(second) and b.startswith(first)
            )
            if not wanted:
                real(contact, a, b, *more)

        return pair

    return physics, "_add_pair", make


def unfiltered(real):
    """Filters read back as they were set and have no effect."""

    def pairs(contact, geoms, *more):
        free = [(*geom[:3], plain.RigidShapeProperties(), geom[4]) for geom in geoms]
        for new, geom in zip(free, geoms, strict=True):
            new[3].friction = geom[3].friction
        real(contact, free, *more)

    return pairs


def origin_velocity(real):
    """Reads and writes the velocity of the origin where that of the centre of mass is meant."""

    def build(self, sim):
        real(self, sim)
        self.com = {actor: 0.0 * com for actor, com in self.com.items()}

    return build


def dead(real):
    """Drives that hold the joints where they are."""

    def step(self):
        self.targets[:] = self.all.qpos[:, self.dofs_q]
        real(self)

    return step


def half_length(real):
    def add(body, name, shape, asset, options):
        if shape.kind == "cylinder":
            r, length = float(shape.size["radius"]), float(shape.size["length"])
            shape = shape._replace(size={"radius": str(r), "length": str(length - 2 * r)})
        real(body, name, shape, asset, options)

    return add


def next_scene(real):
    """Indexed writes that reach the scene after the one that they name."""

    def write(self, index, rows):
        real(self, (index + len(self.actors)) % (len(self.datas) * len(self.actors)), rows)

    return write


def far_friction(gym, compute, graphics, kind, params):
    params.physx.friction_offset_threshold = 0.04


def unread(name: str, value: Any) -> tuple[Any, str, Callable]:
    """A shape property that reads as `value` whatever was set."""

    def change(found, *args):
        for shape in found:
            setattr(shape, name, value)

    return Gym, "get_actor_rigid_shape_properties", after(change)


def unread_joint(name: str) -> tuple[Any, str, Callable]:
    return Gym, "get_actor_dof_properties", after(lambda found, *_: found[name].fill(0))


def unread_body(change: Callable[[Any], Any]) -> tuple[Any, str, Callable]:
    return Gym, "get_actor_rigid_body_properties", after(lambda found, *_: change(found[0]))


def unreadable(real):
    def read(*args):
        raise RuntimeError("not on this pipeline")

    return read


def _swap(rows):
    rows[:, 3:7] = rows[:, [6, 3, 4, 5]]


def _flip(rows):
    rows[:, 10:13] *= [1, -1, 1]


def _halve(rows):
    rows[:, 7:10] *= 0.5


def _heavier(body):
    body.mass *= 2.0


def _elsewhere(body):
    body.com.x += 0.001


def _rounder(body):
    body.inertia.x.x *= 1.5


WRONG = {
    "wxyz quaternions": Wrong(*shown(_swap), ["frames"]),
    "mirrored spin": Wrong(*shown(_flip), ["frames"]),
    "half the velocity": Wrong(*shown(_halve), ["frames"]),
    "velocity of the origin": Wrong(Physics, "__init__", origin_velocity, ["origin", "frames"]),
    "no gyroscopic forces": Wrong(
        *loaded(enable_gyroscopic_forces=False), ["tumbling", "frames"]
    ),
    "a limit on spins": Wrong(*loaded(max_angular_velocity=64.0), ["spin"]),
    "thick shapes": Wrong(*loaded(thickness=0.02), ["lying"]),
    "no friction": Wrong(
        physics, "_add_pair", lambda real: lambda c, a, b, friction, *m: real(c, a, b, 1e-4, *m),
        ["contact"],
    ),
    "friction far from contacts": Wrong(Gym, "create_sim", given(far_friction), ["rolling"]),
    "short capsules": Wrong(physics, "_add_geom", half_length, ["capsule"]),
    "bolts that do not meet": Wrong(*unmet("screws", "screws"), ["bodies", "tool"]),
    "dead drives": Wrong(Physics, "step", dead, ["drives"]),
    "a rod that meets nothing": Wrong(*unmet("robot", "screws"), ["tool", "bodies"]),
    "filters without effect": Wrong(physics, "_add_pairs", unfiltered, ["filters"]),
    "writes to the next scene": Wrong(Physics, "set_dof_rows", next_scene, ["reset"]),
    "armature in the links": Wrong(*loaded(use_physx_armature=False), []),
    "an aggregate that fails": Wrong(Gym, "end_aggregate", lambda real: lambda *a: not real(*a), []),
    "masses that cannot be read": Wrong(
        Gym, "get_actor_rigid_body_properties", unreadable, []
    ),
    **{
        f"shape {name}": Wrong(*unread(name, value), [])
        for name, value in {
            "filter": 0, "friction": 1.5, "restitution": 0.5, "contact_offset": 0.02,
            "rest_offset": 0.001,
        }.items()
    },
    **{
        f"joint {name}": Wrong(*unread_joint(name), [])
        for name in ("driveMode", "stiffness", "damping", "effort", "velocity", "armature")
    },
    "body mass": Wrong(*unread_body(_heavier), []),
    "body com": Wrong(*unread_body(_elsewhere), []),
    "body inertia": Wrong(*unread_body(_rounder), []),
}  # fmt: skip
