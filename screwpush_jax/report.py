"""`report.png`: the learning curves of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from screwpush_jax import pictures
from screwpush_jax.loggers import read_metrics
from screwpush_jax.side_products import attempt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REPORT_FILE = "report.png"
_PANELS: dict[str, tuple[str, ...]] = {
    "return": ("env/return",),
    "episode length (control steps)": ("env/episode_len",),
    "KL, clipped fraction": ("actor/approx_kl", "actor/pg_clipfrac"),
    "explained variance, std": ("actor/explained_variance", "actor/std"),
    "control steps per second": ("perf/env_steps_per_s",),
}
_MARGINS = {"left": 0.05, "right": 0.98, "bottom": 0.07, "top": 0.9, "hspace": 0.3, "wspace": 0.18}


def write_report(run_dir: Path, task_metrics: Sequence[str]) -> Path | None:
    """Draws the curves of the run's metrics file, the task's own first; the picture's path.

    A picture that cannot be made is one printed line, and None.
    """
    path = run_dir / REPORT_FILE
    with attempt(f"{REPORT_FILE} was not drawn"):
        rows = read_metrics(run_dir)
        shown = panels(task_metrics)
        pictures.draw(path, (15, 8), lambda figure: _paint(figure, run_dir.name, shown, rows))
        return path
    return None


def panels(task_metrics: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The names of the metrics in each panel, by its title."""
    return {"episodes": tuple(f"env/{name}" for name in (*task_metrics, "invalid"))} | _PANELS


def _paint(
    figure: "Figure",
    name: str,
    shown: Mapping[str, Sequence[str]],
    rows: list[dict[str, Any]],
) -> None:
    # fixed margins and titles: matplotlib's own layout takes longer than all the rest
    axes = figure.subplots(2, 3, gridspec_kw=_MARGINS)
    for axis, (title, names) in zip(axes.flat, shown.items(), strict=True):
        for metric in names:
            _curve(axis, metric, rows)
        axis.set_title(title, y=1.0)
        axis.set_xlabel("control steps (millions)")
        axis.locator_params(nbins=5)
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(loc="best", fontsize="small")
    # a folder's name is no formula, and need not be text
    figure.suptitle(name.encode(errors="replace").decode(), parse_math=False)


def _curve(axis: "Axes", metric: str, rows: list[dict[str, Any]]) -> None:
    """The metric where it was measured, faint, and smoothed; a single point as a dot."""
    points = np.array([(row["env_steps"] / 1e6, row[metric]) for row in rows if metric in row])
    if not len(points):
        return
    (line,) = axis.plot(points[:, 0], smooth(points[:, 1]), label=metric)
    marker = "o" if len(points) == 1 else ""
    axis.plot(*points.T, alpha=0.25, color=line.get_color(), marker=marker, zorder=1.5)


def smooth(values: np.ndarray, share: float = 0.02) -> np.ndarray:
    """Centred moving average over a share of the run, shorter at the ends."""
    half = int(len(values) * share)
    return np.array([np.mean(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])
