"""A policy with its task around it, as one pure function of arrays that knows no simulator.

    state, memory, step -> control, memory

The observation and the robot's kinematics are inside. What the function remembers goes out of one
call and into the next; `step` 0 begins an episode, whatever the memory says.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from screwpush_jax.algorithms.algorithm import Algorithm
from screwpush_jax.env import observe, select
from screwpush_jax.tasks.task import Task
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState, zero_state

STEP, OBSERVATION, ACTION, CONTROL = "step", "observation", "action", "control"
MEMORY = ("memory", "policy_memory")
"""What the names of remembered arrays begin with: the task's, and the policy's own."""
NEXT = ".next"
"""What the name of a remembered array ends with where it comes out."""
POLICY = "policy"
"""The observation that acts."""
Arrays = dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Controller:
    """Of one scene: its arrays have no leading axis N."""

    function: Callable[..., tuple[jax.Array, ...]]
    """`(*inputs) -> outputs`, both in the order of the tables."""
    inputs: Mapping[str, jax.ShapeDtypeStruct]
    outputs: Mapping[str, jax.ShapeDtypeStruct]
    network: Callable[[jax.Array], jax.Array]
    """`observation [O] -> action [A]`, raw: the part that was learned."""


def make_controller(task: Task, algorithm: Algorithm, policy: Any, scene: Scene) -> Controller:
    """The controller of an `Exportable` task; what has no influence on the control is left out."""
    state = zero_state(scene, 1)
    tree = {"state": state, **_first_memory(task, algorithm, state)}
    named = name_leaves(tree)
    blank = {STEP: jnp.int32(0)} | {name: leaf[0] for name, leaf in named.items()}

    def compute(values: Arrays) -> Arrays:
        rows = [values[name][None] for name in named]
        given = jax.tree.unflatten(jax.tree.structure(tree), rows)
        return _control(task, algorithm, policy, values[STEP], given)

    names = _needed(compute, blank)
    shapes = jax.eval_shape(compute, blank)
    kept = {*names, CONTROL, ACTION, OBSERVATION}
    outputs = {name: x for name, x in shapes.items() if name.removesuffix(NEXT) in kept}

    def function(*inputs: jax.Array) -> tuple[jax.Array, ...]:
        result = compute(blank | dict(zip(names, inputs, strict=True)))
        return tuple(result[name] for name in outputs)

    def network(observation: jax.Array) -> jax.Array:
        memory = algorithm.init_memory(1)
        return algorithm.act_best(policy, memory, {POLICY: observation[None]})[0][0]

    return Controller(function, _shapes(blank, names), outputs, network)


def name_leaves(tree: Mapping[str, Any]) -> Arrays:
    """Leaves by name: `robot.joint_pos` of the state, `memory.held`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    named = {jax.tree_util.keystr(path, simple=True, separator="."): x for path, x in leaves}
    return {name.removeprefix("state."): leaf for name, leaf in named.items()}


def name_next(memory: Mapping[str, Any]) -> Arrays:
    """Leaves by the names under which they come out: `memory.held.next`."""
    return {f"{name}{NEXT}": leaf for name, leaf in name_leaves(memory).items()}


def is_memory(name: str) -> bool:
    return name.split(".")[0] in MEMORY


def _first_memory(task: Any, algorithm: Algorithm, state: SimState) -> dict[str, Any]:
    return dict(zip(MEMORY, (task.begin(state), algorithm.init_memory(1)), strict=True))


def _control(
    task: Any, algorithm: Algorithm, policy: Any, step: jax.Array, given: dict[str, Any]
) -> Arrays:
    """One scene's control step, as `env.advance` and `env.act` make it; `given` has leading axis 1."""
    state, begins = given["state"], (step == 0)[None]
    first = _first_memory(task, algorithm, state)
    memory = select(begins, first["memory"], given["memory"])
    derived = task.derive(memory, state)
    stepped = task.step(memory, derived, jnp.zeros(1, bool))[1]
    memory = select(begins, memory, stepped)
    policy_memory = select(begins, first["policy_memory"], given["policy_memory"])
    obs = observe(task, memory, derived, step[None], jax.random.key(0))
    seen = obs[POLICY][0]  # as one array, so that the network can be cut out of the graph there
    action, policy_memory = algorithm.act_best(policy, policy_memory, obs | {POLICY: seen[None]})
    control, memory = task.act(memory, derived, action)
    after = name_next(dict(zip(MEMORY, (memory, policy_memory), strict=True)))
    result = {CONTROL: control, ACTION: action, **after}
    return {OBSERVATION: seen} | {name: value[0] for name, value in result.items()}


def _needed(compute: Callable[[Arrays], Arrays], blank: Arrays) -> tuple[str, ...]:
    """Names of the inputs that have a say in the control, by way of the memory, too."""
    jaxpr = jax.make_jaxpr(compute)(blank).jaxpr
    into = dict(zip(sorted(blank), jaxpr.invars, strict=True))  # JAX takes a dict in this order
    out = dict(zip(sorted(jax.eval_shape(compute, blank)), jaxpr.outvars, strict=True))
    wanted = {name for name in out if not is_memory(name)}
    while True:
        live = {out[name] for name in wanted if not isinstance(out[name], Literal)}
        for equation in reversed(jaxpr.eqns):
            if live & set(equation.outvars):
                live |= {x for x in equation.invars if not isinstance(x, Literal)}
        found = {name for name, variable in into.items() if variable in live}
        more = {f"{name}{NEXT}" for name in found if is_memory(name)} - wanted
        if not more:
            return tuple(name for name in blank if name in found)
        wanted |= more


def _shapes(values: Arrays, names: tuple[str, ...]) -> dict[str, jax.ShapeDtypeStruct]:
    return {name: jax.ShapeDtypeStruct(values[name].shape, values[name].dtype) for name in names}
