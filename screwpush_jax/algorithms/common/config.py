"""What every algorithm can be told that takes clipped steps on a rollout with Adam."""

import dataclasses
import math
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, MinLen

from screwpush_jax.algorithms.common.set_encoder import LayerSize, SetEncoderConfig


@dataclasses.dataclass(frozen=True)
class ClippedConfig:
    """Epochs of minibatches over a rollout, with clipped probability ratios."""

    num_epochs: Annotated[int, Gt(0)] = 4
    """Passes over the rollout in one update."""
    num_minibatches: Annotated[int, Gt(0)] = 8
    """Minibatches in one pass; divides num_envs times the steps of a rollout."""
    num_shards: Annotated[int, Ge(0)] = 0
    """Logical shards in which the environments of all processes are shuffled, a multiple of the number
    of processes: with the same number of shards one process and several learn the same; 0 is one for
    each process."""
    clip_eps: Annotated[float, Gt(0)] = 0.2
    """Probability ratios count within 1 - clip_eps to 1 + clip_eps."""
    ent_coef: Annotated[float, Ge(0)] = 0.003
    """Weight of the entropy bonus."""
    max_grad_norm: Annotated[float, Gt(0)] = 1.0
    """Gradients are scaled down to this global norm."""
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    """Adam's step size at the start."""
    schedule: Literal["adaptive", "linear", "constant"] = "adaptive"
    """adaptive: keeps approx_kl near target_kl; linear: to zero at the end of training."""
    target_kl: Annotated[float, Gt(0)] = 0.01
    """KL divergence per minibatch that the adaptive schedule aims at."""
    learning_rate_range: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (1e-5, 5e-3)
    """Bounds of the adaptive schedule."""
    hidden_sizes: Annotated[tuple[LayerSize, ...], MinLen(1)] = (256, 128, 64)
    """Hidden layers of the actor and, where there is one, of the critic."""
    init_log_std: float = -0.5
    """Logarithm of the policy's standard deviation at the start, per axis."""
    std_range: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (0.01, 2.0)
    """Bounds of the policy's standard deviation, per axis; actions count within -1 to 1."""
    set_encoder: SetEncoderConfig = SetEncoderConfig()
    """How a set is read, where the observation has one."""

    POLICY_FIELDS: ClassVar[tuple[str, ...]] = ("hidden_sizes",)
    FIXED_FIELDS: ClassVar[tuple[str, ...]] = ("init_log_std",)

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, where fields pin each other."""
        low, high = self.std_range
        if low > high:
            raise ValueError(f"std_range {low:g} {high:g}; valid: the lower bound first")
        if not math.log(low) <= self.init_log_std <= math.log(high):
            raise ValueError(
                f"init_log_std {self.init_log_std:g}; valid: within the logarithms of std_range,"
                f" {math.log(low):.3g} to {math.log(high):.3g}"
            )
        low, high = self.learning_rate_range
        if low > high:
            raise ValueError(f"learning_rate_range {low:g} {high:g}; valid: the lower bound first")
        if self.schedule == "adaptive" and not low <= self.learning_rate <= high:
            raise ValueError(
                f"learning_rate {self.learning_rate:g}; valid with the adaptive schedule: within"
                f" learning_rate_range, {low:g} to {high:g}"
            )
