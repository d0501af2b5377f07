"""Which devices of a machine simulate, and which learn: `--placement.sim 0-1 --placement.learner 2-3`."""

import dataclasses
import re

LARGEST = 1023


@dataclasses.dataclass(frozen=True)
class PlacementConfig:
    """Simulator and learner on different GPUs of a machine, by numbers from 0 as CUDA_VISIBLE_DEVICES leaves
    them; empty: on the same. A process for each pair, the first of both lists, the second, ..."""

    sim: str = ""
    """Where simulators, environments and the acting policy are, such as 0-1 or 0,2."""
    learner: str = ""
    """Where the learner is updated, as many others."""

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name, unless both say as many different ones."""
        sims, learners = (_numbers(name, getattr(self, name)) for name in ("sim", "learner"))
        if len(sims) != len(learners):
            raise ValueError(
                f"learner {self.learner or '(none)'} names {len(learners)} devices and placement.sim"
                f" {self.sim or '(none)'} {len(sims)}; valid: as many in both"
            )
        if both := sorted({*sims} & {*learners}):
            raise ValueError(
                f"learner {self.learner} names {both[0]}, as placement.sim does; valid: others than"
                f" {self.sim}, or neither option, for simulator and learner on the same device"
            )

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Of each process the device of its simulator and that of its learner; none if they are the same."""
        sims, learners = _numbers("sim", self.sim), _numbers("learner", self.learner)
        return tuple(zip(sims, learners, strict=True))


def _numbers(name: str, text: str) -> list[int]:
    """The numbers in a list like `0,2-3`."""
    valid = "numbers from 0, each once, such as 0-1 or 0,2"
    if text and not re.fullmatch(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*", text, re.ASCII):
        raise ValueError(f"{name} {text}; valid: {valid}")
    numbers = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1) or [-1]
    if len(set(numbers)) < len(numbers) or not all(0 <= n <= LARGEST for n in numbers):
        raise ValueError(f"{name} {text}; valid: {valid}")
    return numbers
