"""The text of an evaluation's page: `report_page.html`, filled in."""

import importlib.resources
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from screwpush_jax.eval_file import video_folder
from screwpush_jax.evaluation import Result
from screwpush_jax.figure_names import in_words, words_and_unit
from screwpush_jax.outcomes import Outcomes
from screwpush_jax.tasks.endings import SUCCESS

_TEMPLATE = "report_page.html"
_LISTED = 20
"""Failed episodes that the page names."""


def render(**content: Any) -> str:
    """The page; what stands in `content` is text, whatever it looks like."""
    import jinja2

    source = importlib.resources.files("screwpush_jax").joinpath(_TEMPLATE).read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(content)


def row(name: str, result: Result, dt_s: float) -> dict[str, str]:
    """A policy's figures for people, by what they are called."""
    row = {
        "policy": name,
        "episodes": f"{result.episodes:,}",
        "success": f"{result.success_rate:.2%}",
        "95 % interval": f"{result.success_low:.2%} to {result.success_high:.2%}",
    }
    of = result.outcomes
    times = dt_s * of.length[of.ended_by == SUCCESS] if of is not None else np.zeros(0)
    for label, q in (("median", 0.5), ("90 %", 0.9)):
        said = f"{np.quantile(times, q):.2f} s" if len(times) else "-"
        row[f"time to success, {label}"] = said
    row |= {in_words(key): f"{share:.2%}" for key, share in result.shares.items()}
    for key, mean in result.means.items():
        row[", ".join(filter(None, words_and_unit(key)))] = f"{mean:.4g}"
    return row | {"invalid": f"{result.invalid:.2%}", "return": f"{result.return_:.2f}"}


def failed(
    learned: Outcomes | None, videos_: Sequence[Mapping[str, str]], dt_s: float
) -> dict[str, Any]:
    """The learned policy's failed episodes: how many, and the first of them with their videos."""
    if learned is None:
        return {"count": 0, "listed": []}
    numbers = np.flatnonzero(learned.ended_by != SUCCESS)
    links = {video["episode"]: video["link"] for video in videos_}
    listed = [
        {
            "episode": n,
            "ended_by": str(learned.ended_by[n]),
            "time": f"{dt_s * learned.length[n]:.2f} s",
            "return": f"{learned.figures['return'][n]:.2f}",
            "video": links.get(str(n), ""),
        }
        for n in numbers[:_LISTED].tolist()
    ]
    return {"count": len(numbers), "listed": listed}


def videos(results_file: Path, made_with: Mapping[str, Any]) -> list[dict[str, str]]:
    """Videos of the episodes of these results: name, link, and the episode's number if it has one."""
    run_dir, made = results_file.parent, [made_with[key] for key in ("step", "engine", "physics")]
    found = []
    for path in sorted(video_folder(results_file, *made).glob("*.*")):
        if path.suffix not in (".mp4", ".gif"):
            continue
        number = re.match(r"episode(\d+)-", path.name)
        link = quote(str(path.relative_to(run_dir)))
        episode = number.group(1) if number else ""
        found.append({"name": path.name, "link": link, "episode": episode})
    return found
