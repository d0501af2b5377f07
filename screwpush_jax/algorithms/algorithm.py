"""What a learning algorithm is to everyone else: pure functions around records of its own.

What it learns (`Learner`), what acts (`policy`), what a policy remembers (`memory`) and what it notes
down at each step (`records`) are the algorithm's own, which nobody else looks into; of a learner only
`policy` is known. One control step reads like this::

    records = algorithm.after(policy, decision.memory, final_obs, progress)  # of the step that ended
    decision = algorithm.act(policy, memory, obs, key)                       # of the one that begins

and after T of them `update` learns from the rollout that holds both decisions' and ends' records.
`screwpush_jax.transition` does that. Legend: T steps, N environments, A action, O observation.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import struct

from screwpush_jax.algorithms.common.types import Metrics, Obs, Progress, Records, Rollout


@struct.dataclass
class Decision:
    """An action with what its algorithm has to remember of it."""

    action: jax.Array  # [N, A] raw
    records: Records  # [N, ...] each
    memory: Any = ()  # [N, ...] the policy's own, after the decision


class Learner(Protocol):
    """The part of what an algorithm learns that others read."""

    @property
    def policy(self) -> Any: ...


class Algorithm(Protocol):
    """Pure functions of N environments; `update` alone runs on T steps of them."""

    @property
    def num_steps(self) -> int:
        """T: control steps that each environment contributes to one update."""
        ...

    @property
    def group_size(self) -> int:
        """G: environments in a row that start together from one start state; 1 for none."""
        ...

    @property
    def obs_sizes(self) -> Mapping[str, int]:
        """O of each observation that is read, of those that the task gives."""
        ...

    @property
    def action_size(self) -> int: ...

    def init(self, key: jax.Array) -> Any:
        """A fresh `Learner`."""
        ...

    def init_memory(self, num_envs: int) -> Any:
        """What a policy remembers at the beginning of an episode, leaves `[N, ...]`; `()` if nothing."""
        ...

    def act(self, policy: Any, memory: Any, obs: Obs, key: jax.Array) -> Decision:
        """Chooses as training does, at raw `obs [N, O]`."""
        ...

    def act_best(self, policy: Any, memory: Any, obs: Obs) -> tuple[jax.Array, Any]:
        """The best action `[N, A]` at raw `obs [N, O]`, for evaluation, and the next memory."""
        ...

    def describe(self, policy: Any) -> dict[str, Any]:
        """What stands in `policy` beside the network's weights, as JSON, for those who take it away."""
        ...

    def after(self, policy: Any, memory: Any, obs: Obs, progress: Progress) -> Records:
        """What there is to note down when a step has led to `obs [N, O]`, raw, before any restart.

        `memory` is what the step's decision left behind, `progress` how its episode stands.
        """
        ...

    def update(self, num_iterations: int, learner: Any, rollout: Rollout) -> tuple[Any, Metrics]:
        """Learns from one rollout, one of `num_iterations` in the run.

        Runs inside a mapped axis named `common.types.AXIS`, along which N is dealt out.
        """
        ...


def blank_step(algorithm: Algorithm, num_envs: int) -> tuple[Decision, Rollout]:
    """A decision and what is recorded of its step, leaves `[N, ...]`, all zero."""

    def step(key: jax.Array) -> tuple[Decision, Rollout]:
        policy = algorithm.init(key).policy
        obs = {name: jnp.zeros((num_envs, size)) for name, size in algorithm.obs_sizes.items()}
        decision = algorithm.act(policy, algorithm.init_memory(num_envs), obs, key)
        ended, reward = jnp.zeros(num_envs, bool), jnp.zeros(num_envs)
        progress = Progress(live=ended, return_=reward)
        records = decision.records | algorithm.after(policy, decision.memory, obs, progress)
        return decision, Rollout(obs, decision.action, records, reward, ended, ended)

    shapes = jax.eval_shape(step, jax.random.key(0))
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
