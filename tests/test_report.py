"""The report is drawn whatever the user has set up for matplotlib, and never ends a run."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from screwpush_jax import report
from screwpush_jax.files import to_json
from screwpush_jax.report import write_report

ROOT = Path(__file__).parent.parent
METRICS = ("success_once", "out_of_area")
NAMES = [name for panel in report.panels(METRICS).values() for name in panel]


def run(folder, rows):
    folder.mkdir()
    lines = [
        to_json({"iteration": n, "env_steps": 1000 * n, **row}) for n, row in enumerate(rows, 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(line + "\n" for line in lines))
    return folder


def coloured(path):
    """How many pixels of the picture are neither white nor grey."""
    picture = imread(path)[..., :3]
    return int(np.sum(np.ptp(picture, axis=-1) > 0.2))


FULL = [dict.fromkeys(NAMES, 0.1 * n) for n in range(1, 5)]
ROWS = {
    "no iteration": [],
    "metrics missing": [{"actor/std": 0.5}, {}],
    "nothing measured": [dict.fromkeys(NAMES), dict.fromkeys(NAMES, float("nan"))],
    "one iteration": FULL[:1],
    "some": FULL,
}


@pytest.mark.slow
@pytest.mark.parametrize("rows", ROWS)
def test_a_short_run_has_a_report(rows, tmp_path, capsys):
    path = write_report(run(tmp_path / "run", ROWS[rows]), METRICS)
    assert path == tmp_path / "run" / "report.png"
    assert (coloured(path) > 0) == (rows not in ("no iteration", "nothing measured"))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["a$^$", "\udcff", "螺丝\t"])
def test_a_name_is_no_formula(name, tmp_path, capsys):
    assert write_report(run(tmp_path / name, FULL), METRICS)
    assert capsys.readouterr().err == ""


HOSTILE = {"text.usetex": True, "font.family": ["no such font"], "savefig.format": "pdf"}


@pytest.mark.slow
def test_the_users_settings_are_neither_used_nor_changed(tmp_path, capsys):
    plain = write_report(run(tmp_path / "run", FULL), METRICS).read_bytes()
    with matplotlib.rc_context(HOSTILE):
        assert write_report(tmp_path / "run", METRICS).read_bytes() == plain
        assert {name: matplotlib.rcParams[name] for name in HOSTILE} == HOSTILE
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_it_is_drawn_in_the_process_of_a_notebook(tmp_path):
    backend = "module_of_another_interpreter"
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nno line of such a file\n")
    folder = run(tmp_path / "a$^$", FULL)
    code = "import sys, pathlib, os\nfrom screwpush_jax import report\n"
    code += "assert 'matplotlib' not in sys.modules\n"
    code += "assert report.write_report(pathlib.Path(sys.argv[1]), ())\n"
    code += f"assert os.environ['MPLBACKEND'] == {backend!r}"
    env = os.environ | {"MPLBACKEND": backend, "PYTHONPATH": str(ROOT)}
    env |= {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert coloured(folder / "report.png")


@pytest.mark.parametrize("fault", ["no metrics", "in the way", "disk", "drawing"])
def test_a_report_that_fails_is_one_line(fault, tmp_path, capsys, monkeypatch):
    folder = run(tmp_path / "run", FULL)
    if fault == "no metrics":
        (folder / "metrics.jsonl").unlink()
    elif fault == "in the way":
        (folder / "report.png").mkdir()
    elif fault == "drawing":
        monkeypatch.setattr(report, "_paint", lambda *_: 1 / 0)
    else:
        monkeypatch.setattr(os, "fsync", lambda _: os.stat("/nowhere"))
    assert write_report(folder, METRICS) is None
    (said,) = capsys.readouterr().err.splitlines()
    assert "report.png was not drawn" in said
