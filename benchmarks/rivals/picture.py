"""Success over wall time, a colour a learner."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from screwpush_jax import pictures

_COLOURS = {"ours": "C3", "rsl_rl": "C0", "skrl": "C2", "sb3": "C1"}


def draw(curves: Sequence[dict[str, Any]], path: Path) -> None:
    """Lines: training's own episodes; dots: judged in the physics `eval`. The newest of each run."""
    newest = {(c["what"], c["settings"], c["seed"]): c for c in curves}

    def paint(figure) -> None:
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        for (what, settings, seed), curve in newest.items():
            dashed = settings == "published"
            look = {"color": _COLOURS[what], "ls": "--" if dashed else "-"}
            name = what if what == "ours" else f"{what}, {'its own' if dashed else 'our'} settings"
            first = seed == min(s for w, k, s in newest if (w, k) == (what, settings))
            axes.plot(
                curve["s"], curve["success_once"], lw=1, label=name if first else None, **look
            )
            judged = curve["judged"]
            dots = {"mfc": "white" if dashed else _COLOURS[what], "mec": _COLOURS[what]}
            axes.plot(
                [j["s"] for j in judged], [j["success_rate"] for j in judged], "o", ms=5, **dots
            )
        for level in (0.9, 0.98):
            axes.axhline(level, color="0.6", lw=0.8, ls=":")
        axes.set(
            xlabel="wall time of training (s)",
            ylabel="strict success (line: in training, dot: judged)",
            ylim=(-0.01, 1.01),
        )
        axes.grid(alpha=0.3)
        axes.legend(loc="center right")

    pictures.draw(path, (8, 5), paint)
