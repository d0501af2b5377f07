"""Each mistake: one line that names what is valid, exit code 2, nothing written."""

import json
import shutil
import subprocess
import sys

import pytest

from screwpush_jax import cli, train

MISTAKES = {
    "unknown flag": (["--gama", "0.9"], "ppo.gamma"),
    "wrong type": (["--ppo.gamma", "many"], "ppo.gamma"),
    "unknown choice": (["--separate.observation", "half"], "prototype19"),
    "no environments": (["--num-envs", "0"], "greater than 0"),
    "minibatches do not divide": (["--ppo.num-minibatches", "3"], "valid: 1, 2, 4"),
    "unknown engine": (["--sim", "bullet"], "mujoco"),
    "missing configuration": (["--config", "nowhere.yaml"], "no such file"),
    "missing checkpoint": (["--checkpoint", "nowhere"], "latest, best"),
}
"""Told from the arguments alone."""
LATER = {
    "no GPU": (["--device", "gpu"], "valid: auto, cpu"),
    "missing logger": (["--log.wandb"], "pip install"),
}
"""Told by what the machine has."""


@pytest.fixture
def refuse(tmp_path, capsys, monkeypatch):
    """Runs the train command in this process, up to where it would touch a device."""

    def untouched(config):
        pytest.fail("a mistake in the arguments was not found before a device was asked for")

    def call(*args):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["train", *args])
        monkeypatch.setattr(cli, "use_device", untouched)
        with pytest.raises(SystemExit) as ended:
            cli.run(train.main)
        return subprocess.CompletedProcess(args, ended.value.code, *capsys.readouterr())

    return call


def snapshot(folder):
    return {p.relative_to(folder): p.stat().st_mtime_ns for p in folder.rglob("*")}


def assert_refused(result, hint):
    assert result.returncode == 2, result.stdout + result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.stderr.splitlines() == lines, result.stderr
    assert len(lines) == 1
    assert hint in lines[0]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_bad_flag_is_refused(mistake, tmp_path, refuse, debug_config):
    args, hint = MISTAKES[mistake]
    args = args if "--config" in args else ["--config", debug_config, *args]
    assert_refused(refuse(*args), hint)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mistake", LATER)
def test_what_is_not_there_is_refused(mistake, tmp_path, run_command, debug_config):
    args, hint = LATER[mistake]
    args, env = ["--config", debug_config, *args], {"JAX_PLATFORMS": ""}
    assert_refused(run_command("train", *args, cwd=tmp_path, env=env), hint)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("nun_envs: 4", "num_envs"),
        ("ppo: {gama: 0.9}", "gamma"),
        ("ppo: {gamma: high}", "gamma"),
        ("ppo: 3", "section"),
        ("[1, 2]", "mapping"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_bad_file_is_refused(text, hint, tmp_path, refuse):
    (tmp_path / "bad.yaml").write_text(text)
    assert_refused(refuse("--config", "bad.yaml"), hint)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.yaml"]


def test_an_engine_that_is_not_installed_names_the_command(tmp_path, run_command, debug_config):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['mujoco'] = None\n")
    env = {"PYTHONPATH": f"{tmp_path}:{debug_config.removesuffix('/configs/debug.yaml')}"}
    result = run_command("train", "--config", debug_config, cwd=tmp_path, env=env)
    assert_refused(result, "pip install 'mujoco")


def test_a_taken_name_is_refused(trained, run_command, debug_config):
    before = snapshot(trained)
    result = run_command("train", "--config", debug_config, "--name", "first", cwd=trained)
    assert_refused(result, "take another name")
    assert snapshot(trained) == before


@pytest.fixture
def copied(trained, tmp_path):
    """The trained folder, to be damaged."""
    shutil.copytree(trained, tmp_path / "copy")
    (checkpoints,) = (tmp_path / "copy").glob("runs/separate/*-first/checkpoints")
    return tmp_path / "copy", max(checkpoints.iterdir(), key=lambda p: int(p.name))


def change_meta(step, change):
    path = step / "meta" / "metadata"
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))


@pytest.mark.parametrize("damage", ["truncated", "no meta", "other task", "other layout", "other"])
def test_a_checkpoint_that_does_not_fit_is_refused(damage, copied, run_command):
    folder, step = copied
    args = []
    if damage == "truncated":
        for path in (step / "learner").rglob("*"):
            if path.is_file() and path.stat().st_size > 200:
                path.write_bytes(path.read_bytes()[:100])
        hint = "cannot be restored"
    elif damage == "no meta":
        shutil.rmtree(step / "meta")
        hint = "incomplete or damaged"
    elif damage == "other task":
        change_meta(step, lambda meta: meta.update(task="goal"))
        hint = "task 'separate' (checkpoint: 'goal')"
    elif damage == "other layout":
        change_meta(step, lambda meta: meta["obs_layout"].pop(0))
        hint = "observation layout"
    else:
        args, hint = ["--separate.observation", "prototype19"], "separate.observation"
    before = snapshot(folder)
    for module in ("evaluate", "train"):
        result = run_command(module, "--checkpoint", "latest", *args, cwd=folder)
        assert_refused(result, hint)
    assert snapshot(folder) == before


LOST = """
import atexit
from screwpush_jax import cli
from sim.errors import DeviceLostError

def main(argv):
    print("under way")
    atexit.register(print, "what was on the device complains")
    raise DeviceLostError("it is gone")

cli.run(main)
"""


def test_a_lost_device_is_one_line_and_nothing_is_touched_on_the_way_out(debug_config):
    root = debug_config.removesuffix("/configs/debug.yaml")
    result = subprocess.run(
        [sys.executable, "-c", LOST], cwd=root, capture_output=True, text=True, check=False
    )
    assert_refused(result, "it is gone")
    assert result.stdout == "under way\n"
