"""The curves of several runs in one picture: over control steps and over time, seeds grouped."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from screwpush_jax import pictures
from screwpush_jax.comparison import Group, mean_curve
from screwpush_jax.report import smooth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUCCESS = "success"
"""Stands for the rate that each run's own task is judged by."""


def draw(
    path: Path, groups: Sequence[Group], names: Mapping[str, str], metrics: Sequence[str]
) -> None:
    """Writes the picture: a row for each metric; `names` by the groups' labels.

    Raises:
      OSError: it cannot be written.
      Exception: whatever matplotlib has to complain of.
    """

    def paint(figure: "Figure") -> None:
        figure.set_layout_engine("constrained")
        axes = figure.subplots(len(metrics), 2, squeeze=False)
        for row, metric in zip(axes, metrics, strict=True):
            for over_time, axis in enumerate(row):
                for number, group in enumerate(groups):
                    _group(axis, group, metric, bool(over_time), number, names[group.label])
                axis.set_xlabel("training time (min)" if over_time else "control steps (millions)")
                axis.set_ylabel(metric, parse_math=False)
                axis.grid(alpha=0.3)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        legend = figure.legend(handles, labels, loc="outside lower center", fontsize="small")
        for text in legend.get_texts():
            text.set_parse_math(False)  # a run's name is no formula

    pictures.draw(path, (12.0, 0.6 + 3.6 * len(metrics) + 0.2 * len(groups)), paint)


def _group(
    axis: "Axes", group: Group, metric: str, over_time: bool, number: int, name: str
) -> None:
    """The mean of a group with the band from its lowest to its highest; each run thin."""
    unit, color = 60.0 if over_time else 1e6, f"C{number % 10}"
    curves = []
    for run in group.runs:
        curve = run.curve(run.score if metric == SUCCESS else metric, over_time)
        if len(curve):
            curve[:, 0] /= unit
            curve[:, 1] = smooth(curve[:, 1])
            curves.append(curve)
            if len(group.runs) > 1:
                axis.plot(*curve.T, color=color, linewidth=0.5, alpha=0.5)
    x, mean, low, high = mean_curve(curves)
    marker = "o" if len(x) == 1 else ""
    axis.plot(x, mean, color=color, marker=marker, label=name.encode(errors="replace").decode())
    axis.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
