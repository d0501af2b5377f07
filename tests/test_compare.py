"""Runs side by side: grouped where the seed alone differs, their means, and what is left out."""

import json
import math

import numpy as np
import pytest
import yaml
from matplotlib.image import imread

from screwpush_jax import checkpoint_folder, compare, comparison, run_data
from screwpush_jax.config import config_type, from_tree, to_tree
from screwpush_jax.errors import UsageError

Config = config_type()


def write_run(folder, tree=None, rows=3, slope=0.1, engine="mujoco"):
    """A run of `rows` iterations whose success grows by `slope`."""
    folder.mkdir(parents=True)
    config = to_tree(from_tree(tree or {}, Config, Config()))
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    with (folder / "metrics.jsonl").open("w") as file:
        for n in range(1, rows + 1):
            row = {"iteration": n, "env_steps": 1000 * n, "perf/iteration_ms": 500.0}
            row |= {"env/return": 2.0 * n} | ({"env/success_once": slope * n} if n > 1 else {})
            file.write(json.dumps(row) + "\n")
    if engine:
        meta = folder / "checkpoints/1000/meta/metadata"
        meta.parent.mkdir(parents=True)
        content = {"config": {}, "counters": {}, "engine": engine, "task": "separate"}
        content |= {"format": checkpoint_folder.FORMAT, "obs_layout": [], "t": 0}
        meta.write_text(json.dumps(content))
    return folder


def grouped(*folders):
    return comparison.group([run_data.load(folder) for folder in folders])


def test_runs_that_differ_in_seed_name_and_machine_are_a_group(tmp_path):
    groups = grouped(
        write_run(tmp_path / "a", {"seed": 0, "name": "a", "device": "cpu"}),
        write_run(tmp_path / "b", {"seed": 1, "ppo": {"gamma": 0.9}}),
        write_run(tmp_path / "c", {"seed": 2, "runs_dir": "elsewhere", "compile_cache": ""}),
        write_run(tmp_path / "d", {"seed": 3, "physx": {"max_overflow_share": 0.5}}),
    )
    assert [[run.folder.name for run in g.runs] for g in groups] == [["a", "c", "d"], ["b"]]
    assert [g.label for g in groups] == ["A", "B"]
    assert comparison.differences(groups) == {"ppo.gamma": [Config().ppo.gamma, 0.9]}


def test_the_engine_that_ran_counts_and_not_how_it_was_chosen(tmp_path):
    groups = grouped(
        write_run(tmp_path / "a", {"sim": "auto"}),
        write_run(tmp_path / "b", {"sim": "mujoco"}),
        write_run(tmp_path / "c", {"sim": "auto"}, engine="physx"),
        write_run(tmp_path / "d", {"sim": "auto"}, engine="mujoco_warp"),
    )
    assert [[run.folder.name for run in g.runs] for g in groups] == [["a", "b"], ["c"], ["d"]]
    found = comparison.differences(groups)
    assert found.pop("sim") == ["mujoco", "physx", "mujoco_warp"]
    assert {name.split(".")[0] for name in found} <= {"mujoco", "physx", "mujoco_warp"}
    assert all(row.count(None) == 2 for row in found.values())


def test_an_older_versions_configuration_is_todays(tmp_path):
    new, old = (write_run(tmp_path / name) for name in ("new", "old"))
    config = yaml.safe_load((old / "config.yaml").read_text())
    del config["fast_compile"], config["eval"]["baselines"]
    config["gone_engine"] = {"option": 1}
    (old / "config.yaml").write_text(yaml.safe_dump(config))
    assert len(grouped(new, old)) == 1


def test_a_curve_is_what_was_measured_over_steps_or_time(tmp_path):
    run = run_data.load(write_run(tmp_path / "a"))
    np.testing.assert_allclose(run.curve(run.score, over_time=False), [[2000, 0.2], [3000, 0.3]])
    np.testing.assert_allclose(run.curve(run.score, over_time=True), [[1.0, 0.2], [1.5, 0.3]])
    np.testing.assert_allclose(run.curve("env/return", over_time=True)[:, 0], [0.5, 1.0, 1.5])
    assert run.curve("nothing", over_time=True).shape == (0, 2)


def test_the_mean_of_curves_is_over_what_all_of_them_cover():
    first = np.array([[0.0, 0.0], [10.0, 1.0]])
    second = np.array([[4.0, 1.0], [5.0, 1.0], [20.0, 4.0]])
    x, mean, low, high = comparison.mean_curve([first, second])
    assert (x[0], x[-1]) == (4.0, 10.0)
    assert np.all(np.diff(x) > 0)
    one, other = x / 10, np.where(x < 5, 1.0, 1 + (x - 5) / 5)
    np.testing.assert_allclose(mean, (one + other) / 2)
    np.testing.assert_allclose(low, np.minimum(one, other))
    np.testing.assert_allclose(high, np.maximum(one, other))


@pytest.mark.parametrize("ends", [[(0, 1), (2, 3)], [(0, 1), None], []])
def test_curves_that_do_not_overlap_have_no_mean(ends):
    curves = [np.array([[x, 0.0] for x in e]) if e else np.zeros((0, 2)) for e in ends]
    assert all(len(part) == 0 for part in comparison.mean_curve(curves))


def test_curves_of_one_point_have_one():
    assert [part.tolist() for part in comparison.mean_curve([np.array([[2.0, 3.0]])])] == [
        *([2.0], [3.0], [3.0], [3.0])
    ]


@pytest.fixture
def run_compare(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*args):
        compare.main([*map(str, args)])
        return capsys.readouterr()

    return call


@pytest.mark.slow
def test_tables_and_picture_of_several_runs(run_compare, tmp_path):
    for seed, slope in enumerate((0.1, 0.2)):
        write_run(
            tmp_path / f"runs/separate/2026010{seed}-000000-a$^$", {"seed": seed}, slope=slope
        )
    result = {"success_rate": 0.75, "success_low": 0.5, "success_high": 1.0, "episodes": 8}
    made_with = {"step": 1000, "engine": "physx", "physics": "eval", "settings": {}}
    stored = tmp_path / "runs/separate/20260101-000000-a$^$/eval-1000-physx.json"
    stored.write_text(json.dumps(made_with | {"learned": result}))
    other = write_run(tmp_path / "elsewhere/other", {"ppo": {"gamma": 0.5}}, rows=5)
    names = [path.name for path in sorted((tmp_path / "runs/separate").iterdir())]
    said = run_compare(*names, "elsewhere/other", other, "none", tmp_path)
    lines = [line.split() for line in said.out.splitlines()]
    assert ["A", f"{names[0]},", names[1]] in lines
    assert ["B", "other"] in lines
    assert ["runs", "2", "1"] in lines
    assert ["control", "steps", "3,000", "5,000"] in lines
    assert ["success,", "evaluated", "75.00%", "-"] in lines
    assert ["seen", "in", "-,", "physx", "eval", "-"] in lines
    assert ["ppo.gamma", str(Config().ppo.gamma), "0.5"] in lines
    left_out = said.err.splitlines()
    assert len(left_out) == 2
    assert "none: no such run; valid: a run's folder, or a name" in left_out[0]
    assert f"{tmp_path}: no run" in left_out[1]
    picture = imread(tmp_path / "compare.png")[..., :3]
    assert np.sum(np.ptp(picture, axis=-1) > 0.2) > 1000
    again = json.loads(run_compare(names[0], other, "--json").out)
    assert again["picture"] == "compare-2.png"
    assert again["settings"] == {"ppo.gamma": [Config().ppo.gamma, 0.5]}
    assert [g[0]["env_steps"] for g in again["groups"].values()] == [3000, 5000]
    assert math.isclose(again["groups"]["B"][0]["training_s"], 2.5)


DAMAGED = {
    "no configuration": ("config.yaml", None),
    "torn": ("config.yaml", "task: [separate"),
    "a list": ("config.yaml", "[1, 2]"),
    "no task": ("config.yaml", "seed: 1"),
    "unknown task": ("config.yaml", "task: no_such_task"),
    "unknown key": ("config.yaml", "task: separate\nno_such_key: 1"),
    "no text": ("config.yaml", b"\xff\xfe\x00"),
    "no log": ("metrics.jsonl", None),
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_a_damaged_run_is_left_out_in_one_line(fault, run_compare, tmp_path, capsys):
    folder = write_run(tmp_path / "damaged")
    name, content = DAMAGED[fault]
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UsageError, match="nothing to compare"):
        run_compare(folder)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"left out: {folder}: ")
    assert not list(tmp_path.glob("*.png"))


def test_what_cannot_be_done_is_told_before_anything_is_written(run_compare, tmp_path):
    folder = write_run(tmp_path / "run")
    (tmp_path / "taken.png").touch()
    for flags, said in (
        (("--output", "picture.jpg"), "valid: a name that ends in .png"),
        (("--output", "taken.png"), "it exists; take another name"),
        (("--metrics", "env/retrun"), "env/retrun: no run has it; valid: success, env/return"),
        (("--metrics",), "metrics"),
        (("--metrix", "x"), "--metrics"),
    ):
        with pytest.raises(UsageError, match=said):
            run_compare(folder, *flags)
    with pytest.raises(UsageError, match="nothing to compare"):
        run_compare()
    assert [p.name for p in tmp_path.glob("*.png")] == ["taken.png"]


def test_a_name_that_fits_several_runs_is_refused(tmp_path):
    for stamp in ("20260101-000000", "20260102-000000"):
        write_run(tmp_path / f"separate/{stamp}-same")
    with pytest.raises(UsageError, match="2 runs have that name"):
        run_data.find("same", tmp_path)
    found = run_data.find("20260102-000000-same", tmp_path)
    assert found == tmp_path / "separate/20260102-000000-same"
