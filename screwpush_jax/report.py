"""`report.png`: the learning curves of a run."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from screwpush_jax.loggers import read_metrics

REPORT_FILE = "report.png"
_PANELS = {
    "success and failures": ("env/success_once", "env/out_of_area", "env/invalid"),
    "return": ("env/return",),
    "episode length (control steps)": ("env/episode_len",),
    "KL, clipped fraction": ("actor/approx_kl", "actor/pg_clipfrac"),
    "explained variance, std": ("actor/explained_variance", "actor/std"),
    "control steps per second": ("perf/env_steps_per_s",),
}
_MARGINS = {"left": 0.05, "right": 0.98, "bottom": 0.07, "top": 0.9, "hspace": 0.3, "wspace": 0.18}


def write_report(run_dir: Path) -> Path:
    """Draws the curves of the run's metrics file; returns the picture's path."""
    rows = read_metrics(run_dir)
    figure = Figure(figsize=(15, 8))
    # fixed margins and titles: matplotlib's own layout takes longer than all the rest
    axes = figure.subplots(2, 3, gridspec_kw=_MARGINS)
    for axis, (title, names) in zip(axes.flat, _PANELS.items(), strict=True):
        for name in names:
            points = np.array([(r["env_steps"] / 1e6, r[name]) for r in rows if name in r])
            if len(points):
                axis.plot(*points.T, alpha=0.25, color=(line := axis.plot([], [])[0]).get_color())
                axis.plot(points[:, 0], _smooth(points[:, 1]), color=line.get_color(), label=name)
        axis.set_title(title, y=1.0)
        axis.set_xlabel("control steps (millions)")
        axis.locator_params(nbins=5)
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(loc="best", fontsize="small")
    figure.suptitle(run_dir.name)
    path = run_dir / REPORT_FILE
    figure.savefig(path, dpi=110)
    return path


def _smooth(values: np.ndarray, share: float = 0.02) -> np.ndarray:
    """Centred moving average over a share of the run, shorter at the ends."""
    half = int(len(values) * share)
    return np.array([np.mean(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])
