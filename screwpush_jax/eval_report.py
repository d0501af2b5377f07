"""`report-*.html`: what an evaluation found, as one page that needs no other file, and its figures.

It has the name of the results' own file, `eval-*.json`: beside it lie the page and a folder of the
page's name with each picture and what came of each episode.
"""

import base64
import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from screwpush_jax import (
    checkpoint_folder,
    eval_figures,
    eval_file,
    eval_page,
    pictures,
    run_folder,
    task_figures,
)
from screwpush_jax.build import World
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.eval_figures import Picture, Rate
from screwpush_jax.eval_file import Stored
from screwpush_jax.evaluation import Result
from screwpush_jax.files import to_json, write_atomically
from screwpush_jax.outcomes import Outcomes
from screwpush_jax.report import REPORT_FILE
from screwpush_jax.score import Score
from screwpush_jax.side_products import attempt
from screwpush_jax.tasks.optional import Recorded


def write(world: World, found: Found, results_file: Path, results: Mapping[str, Result]) -> Path:
    """Writes the page of the results that lie in `results_file`, and what belongs to it; its path.

    A figure that cannot be drawn is one printed line, and is missing.

    Raises:
      OSError: something cannot be written.
    """
    name = re.sub("^eval-", "report-", results_file.stem)
    folder, page = results_file.with_name(name), results_file.with_name(f"{name}.html")
    made_with = json.loads(results_file.read_bytes())
    outcomes = {name: r.outcomes for name, r in results.items() if r.outcomes is not None}
    dt_s = world.sim.spec.scene.physics.control_dt_s
    others = [one for one in eval_file.stored(found.run_dir) if one.path != results_file]
    videos = eval_page.videos(results_file, made_with)
    drawn = _draw(_pictures(world, results, outcomes, others, dt_s), folder)
    write_atomically(folder / "episodes.json", to_json(_columns(outcomes)) + "\n")
    text = eval_page.render(
        run=found.run_dir.name,
        task=world.task.name,
        made_with=made_with,
        control_dt_s=dt_s,
        written=datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
        policies=[eval_page.row(name, result, dt_s) for name, result in results.items()],
        others=others,
        checkpoints=_checkpoints(found.run_dir),
        figures=drawn,
        failed=eval_page.failed(next(iter(outcomes.values()), None), videos, dt_s),
        videos=videos,
        curves=_data_uri(found.run_dir / REPORT_FILE),
        folder=quote(folder.name),
    )
    write_atomically(page, text)
    return page


def _pictures(
    world: World,
    results: Mapping[str, Result],
    outcomes: Mapping[str, Outcomes],
    others: Sequence[Stored],
    dt_s: float,
) -> Iterator[Picture]:
    """Everything that is drawn, in its order on the page."""
    own = [Rate(n, r.success_rate, r.success_low, r.success_high) for n, r in results.items()]
    yield eval_figures.success_bars([*own, *map(_rate, others)])
    if outcomes:
        yield eval_figures.time_to_success(outcomes, dt_s)
        if (picture := eval_figures.failures(outcomes, dt_s)) is not None:
            yield picture
        if isinstance(world.task, Recorded):
            with attempt("the task's own figures are missing in the report"):
                records = {name: one.records for name, one in outcomes.items()}
                yield from map(task_figures.of_task, world.task.report(records))


def _rate(one: Stored) -> Rate:
    where = ", ".join(filter(None, (f"step {one.step:,}", one.engine, one.physics)))
    label = where + (" *" if one.settings else "")
    return Rate(label, one.success, one.success_low, one.success_high)


def _checkpoints(run_dir: Path) -> list[tuple[int, Score]]:
    """The run's kept checkpoints and what they are rated by."""
    scores = (
        (step, checkpoint_folder.score_of(run_dir, step)) for step in run_folder.steps(run_dir)
    )
    return [(step, score) for step, score in scores if score is not None]


def _draw(pictures_: Iterator[Picture], folder: Path) -> list[dict[str, str]]:
    """Draws each into the folder; its title, and itself as text."""
    folder.mkdir(exist_ok=True)
    drawn, names = [], set()
    for number, picture in enumerate(pictures_, start=1):
        with attempt(f"the figure {picture.title!r} is missing in the report"):
            png = pictures.render(picture.size_in, picture.paint)
            name = re.sub(r"\W+", "-", picture.title.lower()).strip("-")
            name = f"{name}-{number}" if name in names else name
            names.add(name)
            write_atomically(folder / f"{name}.png", png)
            drawn.append({"title": picture.title, "uri": _png_uri(png)})
    return drawn


def _columns(outcomes: Mapping[str, Outcomes]) -> dict[str, Any]:
    """What came of each episode, by policy: a list for each figure, episode n at place n."""
    return {
        name: {
            "ended_by": one.ended_by.tolist(),
            **{key: _rounded(values) for key, values in one.figures.items()},
        }
        for name, one in outcomes.items()
    }


def _rounded(values: np.ndarray) -> list[Any]:
    items = values.tolist()
    return [float(f"{x:.6g}") for x in items] if values.dtype.kind == "f" else items


def _data_uri(path: Path) -> str:
    """A picture's file as text; empty if there is none."""
    try:
        return _png_uri(path.read_bytes())
    except OSError:
        return ""


def _png_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
