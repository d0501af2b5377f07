"""The start states: screws dropped in the simulator itself, settled, and sifted."""

import functools
import logging
import math
import time
from collections import Counter
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from screwpush_jax.tasks.screws import jumble
from screwpush_jax.tasks.screws.config import ScrewsConfig
from screwpush_jax.tasks.screws.kinematics import TipPose, forward_kinematics, inverse_kinematics
from screwpush_jax.tasks.screws.types import ScrewStarts
from screwpush_jax.tasks.start_classes import counts, own_class
from screwpush_jax.tasks.task import Jit, StartsError
from screwpush_sim.assets import elfin15
from screwpush_sim.assets.elfin15 import ArmSpec
from screwpush_sim.protocol import Simulator
from screwpush_sim.state import SimState

_PARK_HEIGHT_M = 0.30
"""Tip height while screws fall: clear of anything."""
_LEAST_RATE = 0.01
"""A configuration of which fewer drops than this are accepted is hopeless."""
_TURNS, _LEAST_DROPPED = 12, 256
"""Of more than three screws one start state in so many is a drop of its own; least number."""
_SAY_EVERY_S = 5.0

_log = logging.getLogger(__name__)

Rules = Callable[[SimState], dict[str, np.ndarray]]
"""Where settled states (host arrays `[N, ...]`) keep each rule, `[N]` bool, by the field that says it."""


def find_starts(
    config: ScrewsConfig, rules: Rules, sim: Simulator, size: int, seed: int, jit: Jit
) -> ScrewStarts:
    """Drops, settles and sifts until `size` jumbles are found; equal seeds, equal drops.

    More than three screws cost more to step and seldom all come to rest. Of those only a part of a
    large number is dropped (one in 12, and at least 256); the others are the same jumbles turned
    about the area's centre, settled and sifted again. A state that keeps all `rules` is accepted.
    Equally many are about each number of screws that the configuration asks for, one number after the
    other. `jit` compiles the pure functions among the steps. How far it is goes to the log every few
    seconds.

    Raises:
      StartsError: hardly any drop is accepted; the message names the rate and the rules.
    """
    rng = np.random.default_rng(seed)
    rod_down = jit(_rod_down(elfin15.arm_spec()))
    settle = _settler(sim, jit)
    above = np.array([*config.area_center_m, _PARK_HEIGHT_M], np.float32)
    parked = np.asarray(rod_down(np.tile(above, (size, 1)))[0])[0]  # the shape of the call below
    shares = _shares(size, len(config.counts), _classes(config, sim))
    parts = [
        _jumbles(config, rules, sim, settle, rng, parked, number, of_it)
        for number, of_it in zip(config.counts, shares, strict=True)
        if of_it
    ]
    state = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    starts, tips = rod_down(start_tips(config, size, rng))
    return ScrewStarts(state=jax.device_put(state), joint_starts_rad=starts, tips=tips)


def _classes(config: ScrewsConfig, sim: Simulator) -> int:
    """K of `start_classes`; 1 in a simulator of the nominal scene."""
    return config.variation.start_classes if "body_size" in sim.params else 1


def _shares(size: int, parts: int, classes: int) -> list[int]:
    """`size` in that many parts, as equal as can be where all but the last are multiples of `classes`."""
    whole, rest = divmod(size, classes)
    shares = [classes * (whole // parts + (part < whole % parts)) for part in range(parts)]
    shares[-1] += rest
    return shares


def _jumbles(
    config: ScrewsConfig,
    rules: Rules,
    sim: Simulator,
    settle: Callable[[SimState, float], SimState],
    rng: np.random.Generator,
    parked: np.ndarray,
    number: int,
    size: int,
) -> SimState:
    """`size` jumbles of `number` screws, host arrays `[size, ...]`; the arm at `parked` (rad)."""
    num_envs, screws = sim.spec.num_envs, sim.spec.scene.groups[0].count
    classes = _classes(config, sim)
    wanted = size if number <= 3 else min(size, max(-(-size // _TURNS), _LEAST_DROPPED))

    def drop() -> SimState:
        return settle(jumble.drop(config, parked, num_envs, screws, rng, number), config.settle_s)

    def turn() -> SimState:
        envs = np.arange(num_envs)
        rows = own_class(rng.permutation(wanted)[envs % wanted], envs, classes)
        return settle(jumble.turned(config, state, rows, rng), config.settle_s / 5)

    wanted -= wanted % classes if wanted < size else 0
    state = _sift(rules, drop, wanted, classes)
    if wanted < size:
        more = _sift(rules, turn, size - wanted, classes)
        state = jax.tree.map(lambda *leaves: np.concatenate(leaves), state, more)
    return state


def _settler(sim: Simulator, jit: Jit) -> Callable[[SimState, float], SimState]:
    """`(state [N, ...], seconds)` to what became of it in `sim`, on the host; the arm stands."""
    pack, unpack = jit(sim.pack), jit(sim.unpack)
    everywhere = jax.device_put(np.ones(sim.spec.num_envs, bool))

    def settle(state: SimState, settle_s: float) -> SimState:
        state = jax.device_put(state)
        sim.write(everywhere, pack(state))
        for _ in range(max(round(settle_s / sim.spec.control_dt_s), 1)):
            sim.step(state.robot.joint_pos)
        return jax.tree.map(np.array, unpack(sim.views()))

    return settle


def _sift(rules: Rules, settled: Callable[[], SimState], wanted: int, classes: int = 1) -> SimState:
    """The first `wanted` accepted ones of all that `settled` gives, host arrays, each in a row of its own
    scene's class.

    Raises:
      StartsError: as `find_starts`.
    """
    kept: list[SimState] = []
    broken: Counter[str] = Counter()
    of_class: list[np.ndarray] = []
    missing, found, tried = counts(classes, wanted), 0, 0
    began = said_s = time.perf_counter()
    while found < wanted:
        state = settled()
        flags = rules(state)
        good = np.flatnonzero(np.all(list(flags.values()), axis=0))
        kept.append(jax.tree.map(lambda leaf, rows=good: leaf[rows], state))
        of_class.append(good % classes)
        missing = missing - np.bincount(of_class[-1], minlength=classes)
        found = wanted - int(np.maximum(missing, 0).sum())
        tried += len(state.bodies["screws"].pos_w)
        broken.update({name: int(np.sum(~kept_by)) for name, kept_by in flags.items()})
        if found < wanted and is_hopeless(found, tried):
            raise StartsError(_no_hope(found, tried, wanted, broken))
        now_s = time.perf_counter()
        if found < wanted and now_s - said_s > _SAY_EVERY_S:
            said_s, left_s = now_s, (now_s - began) * (wanted / max(found, 1) - 1)
            about = f", about {left_s:.0f} s more" if found else ""
            _log.info("start states: %d of %d from %d tries%s", found, wanted, tried, about)
    order = _in_turn(np.concatenate(of_class), wanted, classes)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[order], *kept)


def _in_turn(of_class: np.ndarray, wanted: int, classes: int) -> np.ndarray:
    """Which of the things that are `of_class` stand in rows `[wanted]`: the first ones, class by class."""
    order = np.empty(wanted, int)
    for number, count in enumerate(counts(classes, wanted)):
        order[number::classes] = np.flatnonzero(of_class == number)[:count]
    return order


def is_hopeless(found: int, tried: int) -> bool:
    """Whether so few of the tries were accepted that the true rate is below 1 % beyond doubt.

    Three standard deviations of a Poisson count, and three more for a count near zero.
    """
    return found + 3 * math.sqrt(found) + 3 < _LEAST_RATE * tried


def _no_hope(found: int, tried: int, wanted: int, broken: Counter[str]) -> str:
    most = ", ".join(f"env.{name} {n / tried:.0%}" for name, n in broken.most_common() if n)
    return (
        f"only {found} of {tried} drops ({found / tried:.2%}) were accepted and {wanted} start"
        f" states are wanted; relax what most of them broke ({most}), or change"
        " env.drop_spread_m or settle_s"
    )


def start_tips(config: ScrewsConfig, size: int, rng: np.random.Generator) -> np.ndarray:
    """Where episodes begin with the tip, `[size, 3]` m."""
    center, half = np.array(config.area_center_m), config.start_tip_half_m
    low, high = (
        np.append(center + sign * half, height)
        for sign, height in zip((-1, 1), config.start_tip_height_m, strict=True)
    )
    return rng.uniform(low, high, (size, 3)).astype(np.float32)


@functools.cache  # one function for an arm, so that the next call's is not compiled anew
def _rod_down(arm: ArmSpec) -> Callable[[jax.Array], tuple[jax.Array, TipPose]]:
    """Joints `[n, J]` for tips at `[n, 3]` (m), the tool turned as at home, and their poses."""

    def solve(tip_pos_w: jax.Array) -> tuple[jax.Array, TipPose]:
        home = jnp.array(arm.home_rad, jnp.float32)
        down = jnp.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]], jnp.float32)
        joints = jax.vmap(lambda pos: inverse_kinematics(arm, TipPose(pos, down), home))(tip_pos_w)
        return joints, jax.vmap(lambda q: forward_kinematics(arm, q))(joints)

    return solve
