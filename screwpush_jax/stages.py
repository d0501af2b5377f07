"""The stages of a process: groups of environments that are stepped in turn, each in its own simulator.

Usually there is one. With more, the physics of one runs beside the transition of another. On a GPU every
call only queues. On the host physics is done when its call returns, and JAX computes beside it: what a
transition has its simulator write is waited for only when it is that simulator's turn again.
"""

from collections.abc import Callable, Sequence
from typing import Any

from screwpush_jax import compiled, dist
from screwpush_jax.build import World, check_variation, draw_params, make_world
from screwpush_jax.checkpoint import RunState, StageState
from screwpush_jax.config import Config
from screwpush_jax.errors import UsageError
from screwpush_jax.phases import of_stages
from screwpush_jax.tasks.task import Starts
from screwpush_jax.transition import Carry
from screwpush_sim import registry
from screwpush_sim.protocol import Views

Metrics = dict[str, float]


class Stage:
    """One group of n environments: its simulator, and what passes from one of their steps to the next."""

    def __init__(self, world: World, carry: Carry, starts: Starts, policy: Any):
        """Compiles the transition, for arguments like these."""
        self.sim, self.carry = world.sim, carry
        self.control = carry.env.control.copy()
        """`[n, U]` of the next step."""
        self._restarts: tuple[Any, Any] | None = None
        self._transition = compiled.ahead(
            compiled.compile_transition(world.env, world.algorithm),
            *(starts, policy),
            carry=carry,
            views=self.sim.views(),
        )

    def advance(self, starts: Starts, policy: Any, views: Views) -> None:
        """The transition: from the `views` that a step left behind to the next one's control."""
        self.control, mask, states, self.carry = self._transition(
            starts, policy, carry=self.carry, views=views
        )
        self._restarts = mask, states

    def settle(self) -> None:
        """Has the simulator take the states that the last transition lets environments start from."""
        if self._restarts is not None:
            self.sim.write(*self._restarts)
            self._restarts = None


def check(config: Config) -> None:
    """Raises UsageError if the engine cannot step the stages, or let their scenes differ; builds nothing."""
    engine = registry.choose(config.sim)[0]
    able = [one.name for one in registry.ENGINES.values() if not one.one_per_process]
    if config.pipeline_stages > 1 and engine not in able:
        raise UsageError(
            f"--pipeline-stages {config.pipeline_stages}: the engine {engine} has one simulator in a"
            f" process; valid: 1, or one of the engines {', '.join(able)}"
        )
    parts = {"pipeline stages": config.pipeline_stages, "processes": config.num_gpus}
    split = " of ".join(f"{count} {name}" for name, count in parts.items() if count > 1)
    check_variation(config, config.stage_envs, f" in each of {split}" if split else "")


def make_worlds(config: Config) -> World:
    """What training steps: the world of the first stage, which holds those of the others."""
    worlds: list[World] = []
    try:
        for number in range(config.pipeline_stages):
            seed = dist.own_seed(config.seed, config.eval.seed, stage=number)
            params = draw_params(config, config.stage_envs, seed)
            worlds.append(make_world(config, config.stage_envs, "train", params))
    except BaseException:
        for world in worlds:
            world.close()
        raise
    return worlds[0]._replace(others=tuple(worlds[1:]))


def make_stages(world: World, state: RunState, policy: Any) -> list[Stage]:
    """The stages of a run that stands at `state`; `policy` lies where it acts."""
    carries = (state.carry, *(other.carry for other in state.others))
    pairs = zip((world, *world.others), carries, strict=True)
    return [Stage(one, carry, state.starts, policy) for one, carry in pairs]


def experience(stages: Sequence[Stage]) -> tuple[Any, Any]:
    """What `update` learns from: the rollout `[T, N, ...]` and the tally, of all environments."""
    rollouts, tallies = zip(*((one.carry.rollout, one.carry.tally) for one in stages), strict=True)
    return (rollouts[0], tallies[0]) if len(stages) == 1 else compiled.join(rollouts, tallies)


def report(stages: Sequence[Stage]) -> Callable[[], Metrics]:
    """`Simulator.report` of all stages as one."""
    reads = [stage.sim.report() for stage in stages]
    return reads[0] if len(reads) == 1 else lambda: of_stages([read() for read in reads])


def run_state(learner: Any, starts: Starts, stages: Sequence[Stage]) -> RunState:
    """The run as it stands, every simulator with all that it was asked for."""
    first, *others = (StageState(stage.carry, stage.sim.snapshot()) for stage in stages)
    return RunState(learner, first.carry, starts, first.snapshot, tuple(others))
