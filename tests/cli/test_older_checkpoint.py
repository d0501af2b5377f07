"""A checkpoint that an earlier version saved, and what that version's evaluation found."""

import json
import shutil
from pathlib import Path

import pytest

SAVED = Path(__file__).parent.parent / "data" / "format1"


@pytest.fixture
def kept(tmp_path):
    """A copy of the run, as it lay where it was trained."""
    return Path(shutil.copytree(SAVED, tmp_path / "runs" / "separate" / "20261126-154028-old"))


def test_it_evaluates_as_then(kept, tmp_path, run_command):
    then = json.loads((kept / "eval-8-mujoco.json").read_text())["learned"]
    result = run_command("evaluate", "--checkpoint", "old", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (path,) = kept.glob("eval-8-mujoco-*.json")  # the older one says nothing of its settings
    assert json.loads(path.read_text())["learned"] == pytest.approx(then, rel=1e-4)
