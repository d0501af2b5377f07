"""Sections of `Config` that every task and algorithm has: evaluation, loggers, videos."""

import dataclasses
from typing import Annotated, Literal, get_args

from annotated_types import Ge, Gt, Interval, MinLen

from screwpush_jax.flags import COMMAS

Seed = Annotated[int, Interval(ge=0, le=2**32 - 1)]
"""What NumPy and JAX both take: JAX cuts larger ones to 32 bits, so that two would be one."""

Sink = Literal["jsonl", "tensorboard", "wandb", "swanlab"]


@dataclasses.dataclass(frozen=True)
class LogConfig:
    """Where metrics go."""

    to: Annotated[tuple[Sink, ...], COMMAS] = ("jsonl", "tensorboard")
    """Any of jsonl, tensorboard, wandb, swanlab (the last two are extras of these names). jsonl is
    the run's own metrics.jsonl, from which everything else is read: it is written in any case."""
    project: Annotated[str, MinLen(1)] = "screwpush"
    """Project at Weights & Biases and SwanLab; their own variables WANDB_PROJECT and SWANLAB_PROJECT
    go before the default."""

    def check(self) -> None:
        if unknown := [name for name in self.to if name not in get_args(Sink)]:
            raise ValueError(f"to {','.join(unknown)}; valid: any of {', '.join(get_args(Sink))}")


Pixels = Annotated[int, Interval(ge=16, le=4096)]


@dataclasses.dataclass(frozen=True)
class VideoConfig:
    """Videos that training and evaluation make of themselves (extra `video`), in another process."""

    every: Annotated[int, Ge(0)] = 0
    """Iterations of training between two of them, as long as an episode; 0 for none."""
    scenes: Annotated[int, Interval(ge=1, le=16)] = 4
    """Scenes of a training's video, side by side."""
    episodes: Annotated[int, Ge(0)] = 0
    """Episodes of an evaluation of which there is one each: the best, the worst, the failed ones."""
    size: tuple[Pixels, Pixels] = (480, 360)
    """Width and height of a scene's picture, even numbers of pixels."""
    format: Literal["mp4", "gif"] = "mp4"
    """Kind of file."""

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, for a size that encoders do not take."""
        if any(side % 2 for side in self.size):
            width, height = self.size
            raise ValueError(f"size {width} {height}; valid: two even numbers")


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """The examination of a policy on episodes it has not seen."""

    episodes: Annotated[int, Gt(0)] = 1024
    """Episodes, each from its own start state."""
    seed: Seed = 1_000_000
    """Seed of the start states and of the baselines' randomness; another than training's."""
    baselines: bool = True
    """Also run the random and the scripted policy on the same start states."""
    variation: bool = False
    """Evaluate in scenes that differ as env.variation says, drawn anew; else in the nominal ones."""
