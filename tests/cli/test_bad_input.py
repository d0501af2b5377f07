"""Each mistake: one line that names what is valid, exit code 2, nothing written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from screwpush_jax import cli, launch, train

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

MISTAKES = {
    "unknown flag": (["--gama", "0.9"], "ppo.gamma"),
    "wrong type": (["--ppo.gamma", "many"], "ppo.gamma"),
    "unknown choice": (["--env.observation", "half"], "prototype19"),
    "no environments": (["--num-envs", "0"], "greater than 0"),
    "minibatches do not divide": (["--ppo.num-minibatches", "3"], "valid: 1, 2, 4"),
    "unknown algorithm": (["--algorithm", "sac"], "--algorithm 'sac'; valid: ppo, grpo"),
    "options of another algorithm": (["--grpo.kl-coef", "1"], "valid flags like it: --ppo."),
    "section of another algorithm": (["--algorithm", "grpo"], "(it is of --algorithm ppo)"),
    "unknown engine": (
        ["--sim", "bullet"],
        "Expected one of ('auto', 'mujoco_warp', 'mujoco', 'physx', 'isaacgym').",
    ),
    "missing configuration": (["--config", "nowhere.yaml"], "no such file"),
    "missing checkpoint": (["--checkpoint", "nowhere"], "latest, best"),
    "empty configuration": (["--config", ""], "--config is empty; valid: a YAML file"),
    "empty configuration, joined": (["--config="], "--config is empty"),
    "empty checkpoint": (["--checkpoint", ""], "--checkpoint is empty; valid: latest, best"),
    "empty start": (["--init-from", ""], "--init-from is empty; valid: latest, best"),
    "configuration is a folder": (["--config", "."], "not a file"),
    "configuration of nobody": (["--config", "~nobody-of-this-name/a.yaml"], "no such home folder"),
    "runs folder of nobody": (["--runs-dir", "~nobody-of-this-name/runs"], "no such home folder"),
    "interpreter of nobody": (["--isaacgym.python", "~nobody-of-this-name/py"], "no such home"),
    "negative seed": (["--seed", "-1"], "--seed -1; valid: 0 to 4294967295"),
    "huge seed": (["--seed", "4294967296"], "valid: 0 to 4294967295"),
    "seed beyond int64": (["--seed", "9" * 30], "valid: 0 to 4294967295"),
    "seed of 5,000 digits": (["--seed", "9" * 5000], "--seed"),
    "negative eval seed": (["--eval.seed", "-1"], "--eval.seed -1; valid: 0 to 4294967295"),
    "eval seed is training's": (["--eval.seed", "0"], "another than --seed"),
    "no layers": (["--ppo.hidden-sizes"], "1 or more values"),
    "empty layer": (["--ppo.hidden-sizes", "16", "0"], "--ppo.hidden-sizes 16 0; valid: greater"),
    "reversed heights": (["--env.tip-height-m", "0.2", "0.1"], "the lower height first"),
    "NaN height": (["--env.tip-height-m", "nan", "0.1"], "valid: 0 or more"),
    "reversed starts": (["--env.start-tip-height-m", "0.1", "0.07"], "the lower height first"),
    "reversed rates": (["--ppo.learning-rate-range", "1", "1e-5"], "the lower bound first"),
    "rate outside": (["--ppo.learning-rate", "1"], "within learning_rate_range"),
    "infinite rate": (["--ppo.learning-rate", "inf"], "valid: a finite number"),
    "hold beyond the horizon": (["--env.hold-steps", "11"], "at most horizon, 10"),
    "negative clip": (["--ppo.clip-eps", "-0.2"], "greater than 0"),
    "no gradient": (["--ppo.max-grad-norm", "0"], "greater than 0"),
    "NaN coefficient": (["--ppo.vf-coef", "nan"], "0 or more"),
    "negative entropy": (["--ppo.ent-coef", "-1"], "0 or more"),
    "NaN weight": (["--env.reward.reach", "nan"], "a finite number"),
    "reversed factors": (["--env.variation.friction", "2", "0.5"], "the smaller factor first"),
    "no KL": (["--ppo.target-kl", "0"], "greater than 0"),
    "huge deviation": (["--ppo.init-log-std", "50"], "logarithms of std_range"),
    "weightless": (["--env.scene.screw.density", "0"], "greater than 0"),
    "no screw": (["--env.scene.screw.length-m", "0"], "greater than 0"),
    "shorter than its head": (["--env.scene.screw.length-m", "0.01"], "longer than the head"),
    "far from the arm": (["--env.area-center-m", "3", "3"], "from the shoulder"),
    "no room for D": (["--env.separation-m", "2"], "as far as 3 screws"),
    "negative time": (["--max-minutes", "-1"], "0 or more"),
    "NaN time": (["--max-minutes", "nan"], "0 or more"),
    "restarts for ever": (["--isaacgym.restarts", "-1"], "0 or more"),
    "threads of another engine": (["--mujoco.num-threads", "-1"], "0 to 1024"),
    "2^31 iterations": (["--total-env-steps", str(10**12)], "at most 274877906816"),
    "name with a slash": (["--name", "a/b"], "--name a/b; valid: a letter"),
    "name above": (["--name", ".."], "--name ..; valid"),
    "name with a star": (["--name", "a*"], "valid: a letter"),
    "name with brackets": (["--name", "a[16]"], "valid: a letter"),
    "name like a flag": (["--name=-v2"], "--name -v2; valid: a letter"),
    "long name": (["--name", "x" * 300], "100 characters at most"),
    "name of two lines": (["--name", "a\nb"], "control characters"),
    "reserved name": (["--name", "latest"], "any but latest, best"),
    "runs folder with brackets": (["--runs-dir", "exp [1]"], "valid: a path without"),
    "runs folder is a file": (["--runs-dir", "/dev/null"], "Not a directory"),
    "runs folder in a file": (["--runs-dir", "/dev/null/runs"], "--runs-dir /dev/null/runs"),
    "no processes": (["--num-gpus", "0"], "--num-gpus 0; valid: greater than 0"),
    "processes below none": (["--num-gpus", "-1"], "--num-gpus -1; valid: greater than 0"),
    "scenes of all below none": (["--global-num-envs", "-2"], "--global-num-envs -2; valid: 0 or"),
    "scenes said twice": (
        ["--num-gpus", "2", "--num_envs", "8", "--global-num-envs=16"],
        "--global-num-envs is of all processes together and --num-envs of each; valid: one",
    ),
    "restarts of one process": (["--max-restarts", "2"], "valid: with --num-gpus 2 or more"),
    "minibatches of two processes": (
        ["--num-gpus", "2", "--ppo.num-minibatches", "7"],
        "does not divide num_envs * num_gpus * 8 steps = 256",
    ),
    "flag of two lines": (["--a\nb"], "unknown"),
}
"""Told from the arguments alone."""
LATER = {
    "no GPU": (["--device", "gpu"], "valid: auto, cpu"),
    "missing logger": (["--log.to", "wandb"], "pip install 'screwpush-jax[wandb]'"),
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


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["--init-from", "nowhere"], "--init-from nowhere: nothing there; valid: latest, best"),
        (["--sim", "mujoco", "--device", "gpu"], "the engine mujoco steps on the CPU"),
        (
            [
                *("--sim", "mujoco", "--env.bank-size", "34", "--env.variation.body-size", "0.9"),
                *("1.1", "--env.variation.body-sizes", "17"),
            ],
            "body-sizes 17; valid",
        ),
        (["--log.to", "wandb"], "pip install 'screwpush-jax[wandb]'"),
    ],
)
def test_what_no_process_could_do_is_refused_before_any_is_started(
    args, hint, refuse, debug_config, monkeypatch
):
    def started(*_):
        pytest.fail("processes were started")

    monkeypatch.setattr(launch, "Crew", started)
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert_refused(refuse("--config", debug_config, "--num-gpus", "2", *args), hint)


@pytest.mark.parametrize("mistake", LATER)
def test_what_is_not_there_is_refused(
    mistake, tmp_path, tmp_path_factory, run_command, debug_config
):
    args, hint = LATER[mistake]
    absent = tmp_path_factory.mktemp("absent")  # to the command's interpreter wandb is not there
    (absent / "sitecustomize.py").write_text("import sys; sys.modules['wandb'] = None\n")
    args = ["--config", debug_config, *args]
    env = {"JAX_PLATFORMS": "", "PYTHONPATH": f"{absent}{os.pathsep}{ROOT}"}
    assert_refused(run_command("train", *args, cwd=tmp_path, env=env), hint)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("nun_envs: 4", "num_envs"),
        ("ppo: {gama: 0.9}", "gamma"),
        ("ppo: {gamma: high}", "gamma"),
        ("ppo: 3", "section"),
        ("algorithm: sac", "--algorithm 'sac'; valid: ppo, grpo"),
        ("algorithm: grpo\nppo: {gamma: 1}", "'ppo' is unknown (it is of --algorithm ppo)"),
        ("algorithm: grpo\nnum_envs: 12", "--grpo.group-size 8 does not divide num_envs = 12"),
        ("[1, 2]", "mapping"),
        ("a: [", "not valid YAML"),
        ("test: true", "'test' is a flag of the command line"),
        ("checkpoint: latest", "'checkpoint' is a flag of the command line"),
        ("config: a.yaml", "'config' is a flag of the command line"),
        ("runs_dir: null", "null"),
        ("seed: 1\nseed: 2", "stands there twice"),
        ("ppo: {gamma: 1}\nppo: {num_steps: 8}", "stands there twice"),
        ("name: -v2", "--name -v2; valid"),
        ("env: {active_axes: [x, --seed, 3]}", "env.active_axes: --seed; valid: x, y"),
        ("eval: {seed: -1}", "--eval.seed -1; valid"),
        ("name: \u00e4".encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_bad_file_is_refused(text, hint, tmp_path, refuse):
    text = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "bad.yaml").write_bytes(text)
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
        change_meta(step, lambda meta: meta.update(task="another"))
        hint = "of the task 'another', which is not known here; valid: separate"
    elif damage == "other layout":
        change_meta(step, lambda meta: meta["obs_layout"].pop(0))
        hint = "observation layout"
    else:
        args, hint = ["--env.observation", "prototype19"], "env.observation"
    before = snapshot(folder)
    for module in ("evaluate", "train"):
        more = ("--checkpoint", "latest", "--total-env-steps", 768, *args)
        assert_refused(run_command(module, *more, cwd=folder), hint)
    assert snapshot(folder) == before


LOST = """
import atexit
from screwpush_jax import cli
from screwpush_sim.errors import DeviceLostError

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
