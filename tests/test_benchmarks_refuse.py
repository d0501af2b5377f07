"""What a benchmark cannot measure is one line and exit code 2, before a row is written."""

import importlib
import runpy
import sys

import pytest

from benchmarks import runs, settings
from screwpush_jax.errors import UsageError

NO_FILE = "none.yaml: no such file; configurations there: none there"
NO_RUN = "nothing there; valid: latest, best, or a folder"


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        *((f"{name} --checkpoint none --runs-dir .", NO_RUN) for name in ("overlaps", "profile")),
        *((f"{name} --checkpoint none --runs-dir .", NO_RUN) for name in ("physics", "throughput")),
        *((f"{name} --config none.yaml", NO_FILE) for name in ("interruptions", "logger_cost")),
        *((f"{name} --config none.yaml", NO_FILE) for name in ("memory", "placement", "scaling")),
        ("video --config none.yaml", NO_FILE),
        ("learning --config none.yaml --num-envs 8", NO_FILE),
        ("memory --engines none --config a", "unknown engine 'none'; valid: auto, mujoco_warp"),
        ("memory --tasks none --config a", "--task 'none'; valid: separate"),
        *(
            (f"{name} --variants none", "--variants none; valid: ")
            for name in ("ablation", "physics")
        ),
        ("physx_knobs --variants none", "--variants none; valid: "),
        ("counts --checkpoint gone --episodes 0", "--episodes 0; valid: greater than 0"),
        ("bridge --num-envs 0", "--num-envs 0; valid: greater than 0"),
        ("communication --gpus 2 -1", "--gpus 2 -1; valid: greater than 0"),
        ("learning --num-envs 0", "--num-envs 0; valid: greater than 0"),
        ("counts --max-minutes -1", "--max-minutes -1; valid: greater than 0"),
        ("learning --seeds 0 -1", "--seeds 0 -1; valid: 0 or more"),
        ("recording --episodes 0", "--episodes 0; valid: greater than 0"),
        ("recording --task none", "--task 'none'; valid: separate"),
        ("recording --sim none", "unknown engine 'none'; valid: auto, mujoco_warp"),
        ("sim_to_sim gone --engines mujoco", "the run gone has no checkpoint"),
        ("sim_to_sim gone --episodes 0", "--episodes 0; valid: greater than 0"),
        ("sim_to_sim gone --engines none", "unknown engine 'none'; valid: auto, mujoco_warp"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_a_mistake_is_one_line(command, hint, monkeypatch, tmp_path, capsys):
    name, *args = command.split()
    (tmp_path / ".hidden.yaml").touch()  # no configuration
    (tmp_path / "a").touch()  # one of defaults alone
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, *args])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 2
    assert said.startswith("error: ")
    assert hint in said
    assert "\n" not in said
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [
        *(f"{name} --gpus 0 1 2 3" for name in ("ablation", "counts", "learning", "memory")),
        *("memory --most 0", "video --num-envs 0", "sim_to_sim RUN --reference-episodes 0"),
        *("interruptions --max-restarts 0", "logger_cost --skip-s 0", "profile --warm-steps 0"),
    ],
)
def test_a_zero_that_means_something_is_taken(command):
    name, *args = command.split()
    kind = importlib.import_module(f"benchmarks.{name}").Args
    taken = settings.parse(kind, args)
    assert str(args[-1]) in str(taken)


def test_so_is_a_mistake_that_a_training_of_its_own_finds():
    with pytest.raises(UsageError, match=r"^train: invalid choice 'none' for argument '--sim'"):
        runs.command("train", ["--sim", "none"])


def test_another_failure_of_a_training_is_shown_whole(monkeypatch, tmp_path):
    (tmp_path / "jax.py").write_text("raise OSError('no JAX today')")
    with pytest.raises(RuntimeError, match="(?s)Traceback.*no JAX today"):
        runs.command("train", [], {"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"})
