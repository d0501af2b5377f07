"""Whether Isaac Gym kept what it was told: every property that was set is read again.

Many shape properties are reported not to take on some set-ups, without a word.
"""

import math
from typing import Any, Dict, List, Tuple

import torch
from isaacgym import gymapi

from .actors import Actor
from .messages import Message
from .scene import Stage

_RELATIVE = 1e-4  # what float32 and a conversion leave
_INERTIA_RELATIVE = 1e-2
_COM_M = 1e-5

Pair = Tuple[str, str, Any, Any]
"""Property, whose, what was found, what was set."""


def not_taken(stage: Stage, setup: Message) -> List[str]:
    """A line for each property of the first environment that reads otherwise than it was set."""
    pairs: List[Pair] = []
    readers = {"shape": _shapes, "joint": _dofs, "mass": _masses}
    lost = []
    for what, read in readers.items():
        for actor in stage.actors:
            try:
                pairs += read(stage, actor, setup)
            except Exception as error:
                lost.append(f"{what} properties cannot be read: {type(error).__name__}: {error}")
    by_name: Dict[str, List[Pair]] = {}
    for pair in pairs:
        by_name.setdefault(pair[0], []).append(pair)
    return sorted(set(lost)) + [_line(found) for found in by_name.values() if any(map(_off, found))]


def _line(pairs: List[Pair]) -> str:
    wrong = [pair for pair in pairs if _off(pair)]
    name, whose, found, wanted = wrong[0]
    return (
        f"{name}: {len(wrong)} of {len(pairs)} did not take; {whose} has {found}, set was {wanted}"
    )


def _off(pair: Pair) -> bool:
    name, _, found, wanted = pair
    if name == "body com":
        return any(not abs(a - b) <= _COM_M for a, b in zip(found, wanted))
    if name == "body inertia":
        return any(not abs(a - b) <= _INERTIA_RELATIVE * max(wanted) for a, b in zip(found, wanted))
    return not math.isclose(found, wanted, rel_tol=_RELATIVE, abs_tol=1e-9)


def _shapes(stage: Stage, actor: Actor, setup: Message) -> List[Pair]:
    found = stage.gym.get_actor_rigid_shape_properties(stage.first, actor.handle)
    return [
        (f"shape {name}", f"shape {number} of {actor.name}", getattr(shape, name), value)
        for number, (shape, values) in enumerate(zip(found, actor.shapes))
        for name, value in values.items()
    ]


def _dofs(stage: Stage, actor: Actor, setup: Message) -> List[Pair]:
    if not actor.dofs:
        return []
    found = stage.gym.get_actor_dof_properties(stage.first, actor.handle)
    return [
        (f"joint {name}", f"joint {row}", float(found[name][row]), value)
        for row, values in enumerate(actor.dofs)
        for name, value in values.items()
    ]


def _masses(stage: Stage, actor: Actor, setup: Message) -> List[Pair]:
    """Of bodies whose mass is given; moments by their size, in whichever axes Gym has them."""
    pairs: List[Pair] = []
    bodies = stage.gym.get_actor_rigid_body_properties(stage.first, actor.handle)
    for name, body in zip(actor.bodies, bodies):
        wanted = setup["masses"][name]
        com = [body.com.x, body.com.y, body.com.z]
        pairs.append(("body mass", name, body.mass, actor.mass * wanted["mass_kg"]))
        pairs.append(("body com", name, com, wanted["com_m"]))
        moments = [actor.mass * value for value in wanted["moments_kgm2"]]
        pairs.append(("body inertia", name, _moments(body.inertia), moments))
    return pairs


def _moments(inertia: gymapi.Mat33) -> List[float]:
    """The principal ones, in rising order."""
    rows = [[row.x, row.y, row.z] for row in (inertia.x, inertia.y, inertia.z)]
    return torch.linalg.eigvalsh(torch.tensor(rows, dtype=torch.float64)).tolist()
