"""The figures of an evaluation's report, painted on matplotlib's axes.

Legend: N episodes of one policy.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from screwpush_jax.outcomes import Outcomes
from screwpush_jax.tasks.endings import SUCCESS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

BINS = 40
MARGINS = {"left": 0.12, "right": 0.97, "bottom": 0.15, "top": 0.95}


class Rate(NamedTuple):
    """A success rate and its 95 % interval."""

    label: str
    rate: float
    low: float
    high: float


class Picture(NamedTuple):
    """What is drawn, how large, and what is said of it."""

    title: str
    size_in: tuple[float, float]
    paint: "Callable[[Canvas], None]"


def success_bars(rates: Sequence[Rate]) -> Picture:
    """Each rate beside the others."""

    def paint(canvas: "Canvas") -> None:
        margins = {"left": 0.36, "right": 0.89, "bottom": 0.6 / height, "top": 1 - 0.1 / height}
        axes = canvas.subplots(gridspec_kw=margins)
        for row, rate in enumerate(rates):
            whiskers = [[max(0.0, rate.rate - rate.low)], [max(0.0, rate.high - rate.rate)]]
            axes.barh(row, rate.rate, xerr=whiskers, color=f"C{row % 10}", alpha=0.7, capsize=3)
            axes.text(1.01, row, f"{rate.rate:.2%}", va="center", fontsize="small")
        axes.set_yticks(range(len(rates)), [rate.label for rate in rates], fontsize="small")
        axes.invert_yaxis()
        axes.set(xlabel="success rate, 95 % interval", xlim=(0.0, 1.0))
        axes.grid(axis="x", alpha=0.3)

    height = 1.0 + 0.32 * len(rates)
    return Picture("success", (6.4, height), paint)


def time_to_success(by_policy: Mapping[str, Outcomes], dt_s: float) -> Picture:
    """The share of episodes that have succeeded by each time; control steps take `dt_s`."""

    def paint(canvas: "Canvas") -> None:
        axes = canvas.subplots(gridspec_kw=MARGINS)
        latest = max(dt_s * np.max(one.length) for one in by_policy.values())
        for name, one in by_policy.items():
            times = np.sort(dt_s * one.length[one.ended_by == SUCCESS])
            share = np.arange(1, len(times) + 1) / len(one.length)
            ends = [0.0, *share, len(times) / len(one.length)]
            axes.step([0.0, *times, latest], ends, where="post", label=name)
        axes.set(xlabel="time (s)", ylabel="episodes that have succeeded", ylim=(0, 1.01))
        finish(axes)

    return Picture("time to success", (6.4, 3.6), paint)


def failures(by_policy: Mapping[str, Outcomes], dt_s: float) -> Picture | None:
    """When failed episodes ended, by what ended them; None if none failed."""
    failed = {name: one.ended_by != SUCCESS for name, one in by_policy.items()}
    failed = {name: which for name, which in failed.items() if np.any(which)}
    if not failed:
        return None

    def paint(canvas: "Canvas") -> None:
        rows = canvas.subplots(len(failed), sharex=True, squeeze=False, gridspec_kw=margins)
        latest = max(dt_s * np.max(one.length) for one in by_policy.values())
        edges = np.linspace(0.0, latest * (1 + 1e-6), BINS + 1)
        reasons = sorted(
            {str(r) for n, which in failed.items() for r in by_policy[n].ended_by[which]}
        )
        for axes, (name, which) in zip(rows[:, 0], failed.items(), strict=True):
            one = by_policy[name]
            times = [dt_s * one.length[which & (one.ended_by == reason)] for reason in reasons]
            axes.hist(times, edges, stacked=True, label=reasons)
            axes.set_ylabel(name)
            finish(axes)
        rows[-1, 0].set_xlabel("time of the end (s); failed episodes")

    height = 0.8 + 1.5 * len(failed)
    margins = MARGINS | {"bottom": 0.55 / height, "top": 1 - 0.1 / height}
    return Picture("what ended the failures, and when", (6.4, height), paint)


def finish(axes: "Axes") -> None:
    """A grid, and a legend where there is room."""
    axes.grid(alpha=0.3)
    axes.legend(loc="best", fontsize="small")
