"""The figures that tasks give of their evaluated episodes, painted on matplotlib's axes.

Legend: N episodes of one policy.
"""

from typing import TYPE_CHECKING

import numpy as np

from screwpush_jax.eval_figures import BINS, MARGINS, Picture, Rate, finish
from screwpush_jax.score import wilson_interval
from screwpush_jax.tasks.records import Figure, Histogram, Map, Rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_GROUPS = 8
"""Into so many groups of equal size the episodes are sorted, where success depends on something."""


def of_task(figure: Figure) -> Picture:
    """A figure that a task gave.

    Raises:
      TypeError: it is none of the known kinds.
    """
    if type(figure) not in _KINDS:
        valid = ", ".join(kind.__name__ for kind in _KINDS)
        raise TypeError(f"{type(figure).__name__} is no figure; valid: {valid}")
    size_in, draw = _KINDS[type(figure)]
    return Picture(figure.title, size_in, lambda canvas: draw(canvas, figure))


def rates_in_groups(
    values: np.ndarray, success: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, list[Rate]]:
    """The mean of `values [N]` between each two of the `edges`, and the success rate there.

    Groups without an episode are left out; the last one takes what lies on its upper edge.
    """
    group = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    middles, rates = [], []
    for number in range(len(edges) - 1):
        of_group = success[group == number]
        if len(of_group):
            middles.append(np.mean(values[group == number]))
            rate = float(np.mean(of_group))
            rates.append(Rate("", rate, *wilson_interval(rate, len(of_group))))
    return np.array(middles), rates


def _histogram(canvas: "Canvas", figure: Histogram) -> None:
    axes = canvas.subplots(gridspec_kw=MARGINS)
    values = {name: _finite(x) for name, x in figure.values.items()}
    every = np.concatenate([*values.values(), list(figure.marks.values())])
    edges = np.linspace(np.min(every), np.max(every) + 1e-9, BINS + 1) if len(every) else BINS
    for name, x in values.items():
        weights = np.full(len(x), 1.0 / max(1, len(x)))
        axes.hist(x, edges, weights=weights, histtype="stepfilled", alpha=0.45, label=name)
    for name, x in figure.marks.items():
        axes.axvline(x, color="black", linestyle="--", linewidth=1, label=name)
    axes.set_xlabel(figure.label)
    axes.set_ylabel("share of episodes")
    finish(axes)


def _rates(canvas: "Canvas", figure: Rates) -> None:
    axes = canvas.subplots(gridspec_kw=MARGINS)
    every = _finite(np.concatenate(list(figure.values.values())))
    share = np.linspace(0, 1, _GROUPS + 1)
    edges = np.unique(np.quantile(every, share)) if len(every) else np.zeros(1)
    if len(edges) == 1:
        edges = np.repeat(edges, 2)  # all alike are one group
    for name, values in figure.values.items():
        known = np.isfinite(values)
        middles, rates = rates_in_groups(values[known], figure.success[name][known], edges)
        low, rate, high = (
            np.array([getattr(r, k) for r in rates]) for k in ("low", "rate", "high")
        )
        whiskers = [np.maximum(rate - low, 0), np.maximum(high - rate, 0)]
        axes.errorbar(middles, rate, whiskers, marker="o", capsize=3, label=name)
    axes.set_xlabel(figure.label)
    axes.set(ylabel="success rate, 95 % interval", ylim=(-0.02, 1.02))
    finish(axes)


def _map(canvas: "Canvas", figure: Map) -> None:
    axes = canvas.subplots(gridspec_kw={"left": 0.11, "right": 0.87, "bottom": 0.08, "top": 0.88})
    visited = figure.visited[np.all(np.isfinite(figure.visited), axis=-1)]
    if len(visited):
        *_, image = axes.hist2d(*visited.T, bins=50, norm="log", cmap="Greys")
        canvas.colorbar(image, ax=axes, label=figure.visited_label, fraction=0.046)
    for number, (name, points) in enumerate(figure.points.items()):
        few = min(1.0, 100 / max(1, len(points)))  # the rarer, the plainer to see
        label = f"{name} ({len(points):,})"
        look = {"s": 3 + 15 * few, "alpha": 0.4 + 0.6 * few, "color": f"C{number}"}
        axes.scatter(*points.T, label=label, linewidths=0, zorder=2 + few, **look)
    for number, (name, corners) in enumerate(figure.outlines.items()):
        closed = np.concatenate([corners, corners[:1]])
        axes.plot(*closed.T, color="black", linestyle=("-", "--", ":")[number % 3], label=name)
    axes.set(xlabel="world x (m)", ylabel="world y (m)", aspect="equal")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize="small", ncols=2)


_KINDS = {
    Histogram: ((6.4, 3.6), _histogram),
    Rates: ((6.4, 3.6), _rates),
    Map: ((6.4, 6.0), _map),
}


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]
