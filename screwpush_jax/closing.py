"""The screen at the end of a run: the table, where everything is, and what to type next."""

import importlib.util
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from screwpush_jax import run_folder
from screwpush_jax.display import percent

_VIDEO = ("imageio", "imageio_ffmpeg")
_SHOWN = ("report*.html", "report.png", "videos/*.mp4")


def closing_screen(
    run_dir: Path,
    table: Mapping[str, Mapping[str, float]],
    shares: Sequence[str],
    step: int,
    on: Sequence[str] = (),
) -> str:
    """All of it, in lines.

    Args:
      table: figures by policy, as an evaluation gives them (`Result.row`).
      shares: which of them, beside success, are shares of the episodes (`Result.shares`).
      step: of the checkpoint that was evaluated.
      on: flags with which the run goes on beyond its budget.
    """
    where, python = _shown(run_dir), _python()
    checkpoint = _shown(run_dir / run_folder.CHECKPOINTS / str(step))
    train_on = f"{python} -m screwpush_jax.train --checkpoint {where} {shlex.join(on)}".strip()
    see = f"{python} -m screwpush_jax.play --checkpoint {checkpoint}"
    if not all(map(importlib.util.find_spec, _VIDEO)):
        see = f"{python} -m pip install {' '.join(_VIDEO).replace('_', '-')} && {see}"
    lines = [
        "",
        f"--- {run_dir.name} {'-' * max(0, 90 - len(run_dir.name))}",
        *_table(table, shares),
        "",
        *(f"{path.suffix[1:]:9} {_shown(path)}" for path in _files(run_dir)),
        f"{'run':9} {where}",
        "",
        "next",
        f"  see it       {see}",
        f"  judge it     {python} -m screwpush_jax.evaluate --checkpoint {checkpoint} --physics reference",
        f"  train on     {train_on}",
    ]
    return "\n".join(lines)


def _table(table: Mapping[str, Mapping[str, float]], shares: Sequence[str]) -> Iterator[str]:
    """One line a policy: success, its interval, what else was counted, the steps of an episode."""
    heads = [f"{name.replace('_', ' '):>12}" for name in shares]
    yield f"{'policy':9} {'success':>9} {'95 % interval':>20} {' '.join(heads)} {'mean steps':>10}"
    for name, row in table.items():
        interval = f"{percent(row['success_low'], 2)} to {percent(row['success_high'], 2)}"
        others = [f"{percent(row[share], 2):>12}" for share in shares]
        yield (
            f"{name:9} {percent(row['success_rate'], 2):>9} {interval:>20} {' '.join(others)}"
            f" {row['episode_len']:>10.0f}"
        )


def _files(run_dir: Path) -> list[Path]:
    """The pictures and reports that are there, and the newest of the videos."""
    found = [sorted(run_dir.glob(pattern))[-1:] for pattern in _SHOWN]
    return [path for paths in found for path in paths]


def _shown(path: Path) -> str:
    """A path as it is typed in the folder where one is."""
    absolute, here = path.absolute(), Path.cwd()
    return shlex.quote(str(absolute.relative_to(here) if absolute.is_relative_to(here) else path))


def _python() -> str:
    """The interpreter as it is typed in the folder where one is."""
    program = Path(sys.executable)
    if program.parent in map(Path, os.get_exec_path()):
        return program.name
    return _shown(program)
