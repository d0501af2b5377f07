"""What an evaluation leaves on disk, with figures made up and no physics."""

import dataclasses
import json
import os
from types import SimpleNamespace

import pytest

from screwpush_jax import checkpoint_folder, evaluate
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import config_type, from_tree, to_tree
from screwpush_jax.errors import UsageError
from screwpush_jax.evaluation import Result
from screwpush_jax.score import Score
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.errors import DeviceLostError, WorkerError

Config = config_type()

OWN = from_tree({"seed": 3, "eval": {"episodes": 16}, "device": "cpu"}, Config, Config())


class Sim:
    spec = SimpleNamespace(engine="mujoco", scene=make_scene(SceneConfig()))

    def close(self):
        pass


def report(world, found, path, results):
    raise RuntimeError("nothing to draw with")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Evaluates with the flags given; each call's figures are others."""
    found = Found(tmp_path, 512, json.loads(json.dumps({"config": to_tree(OWN)})))
    calls = []

    def examine(*_):
        calls.append(1)
        nan = float("nan")
        shares, means = {"in_pieces": 0.25}, {"speed": 3.5}
        return {"learned": Result(16, len(calls) / 100, 0.0, 1.0, shares, means, 0.0, 9.0, nan)}

    monkeypatch.setattr(evaluate, "make_world", lambda *_: SimpleNamespace(sim=Sim()))
    monkeypatch.setattr(evaluate, "load_policy", lambda *_: None)
    monkeypatch.setattr(evaluate, "examine", examine)
    monkeypatch.setattr(evaluate.eval_report, "write", report)

    def call(tree=None):
        evaluate.run(from_tree(tree or {}, Config, OWN), found)
        return found

    return call


def files(folder):
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.iterdir())}


def test_a_file_says_what_it_was_made_with(run, tmp_path, capsys):
    run()
    (name, content), *others = files(tmp_path).items()
    assert not others
    assert name == "eval-512-mujoco.json"
    figures = content.pop("learned")
    assert content == {
        "step": 512, "engine": "mujoco", "physics": "eval", "seed": 1_000_000, "episodes": 16, "settings": {}
    }  # fmt: skip
    assert figures.pop("return_") is None  # NaN is no JSON
    assert figures == {
        "episodes": 16, "success_rate": 0.01, "success_low": 0.0, "success_high": 1.0,
        "in_pieces": 0.25, "speed": 3.5, "invalid": 0.0, "episode_len": 9.0
    }  # fmt: skip
    assert (
        "), 25.00% in pieces, 0.00% invalid, speed 3.5, 9 steps, return" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("disturbance", "said"),
    [
        ({}, "(seed 1000000):"),
        ({"asymmetric_critic": True}, "(seed 1000000):"),  # nobody acts by it
        ({"delay_steps": [0, 2]}, "(seed 1000000, with env.disturbance):"),
    ],
)
def test_success_among_disturbances_is_not_taken_for_another(run, capsys, disturbance, said):
    run({"env": {"disturbance": disturbance}})
    assert said in capsys.readouterr().out


def test_a_report_that_fails_is_one_line(run, tmp_path, capsys):
    run()
    (said,) = capsys.readouterr().err.splitlines()
    assert said == "the report could not be written: RuntimeError: nothing to draw with"
    assert [*files(tmp_path)] == ["eval-512-mujoco.json"]


OTHERS = {
    "seed": {"eval": {"seed": 7}},
    "episodes": {"eval": {"episodes": 8}},
    "baselines": {"eval": {"baselines": False}},
    "task": {"env": {"horizon": 10, "tip_height_m": [0.02, 0.1]}},
    "scene": {"env": {"scene": {"friction": 0.3, "screw": {"length_m": 0.1}}}},
    "engine": {"mujoco": {"solver_iterations": 3}},
}


def test_other_settings_never_take_a_files_place(run, tmp_path):
    run()
    for tree in OTHERS.values():
        run(tree)
    assert len(files(tmp_path)) == 1 + len(OTHERS)
    before = files(tmp_path)
    assert before["eval-512-mujoco.json"]["learned"]["success_rate"] == 0.01
    said = [content["settings"] for content in before.values()]
    expected = [
        {},
        {"eval.seed": 7},
        {"eval.episodes": 8},
        {"eval.baselines": False},
        {"env.horizon": 10, "env.tip_height_m": [0.02, 0.1]},
        {"env.scene.friction": 0.3, "env.scene.screw.length_m": 0.1},
        {"mujoco.solver_iterations": 3},
    ]
    assert sorted(said, key=str) == sorted(expected, key=str)
    run(OTHERS["seed"])  # the same once more takes its own older place
    after = files(tmp_path)
    assert after.keys() == before.keys()
    changed = [name for name in after if after[name] != before[name]]
    assert [after[name]["seed"] for name in changed] == [7]


@pytest.mark.parametrize(
    "tree",
    [
        {"device": "auto", "fast_compile": True, "runs_dir": "elsewhere", "num_envs": 8},
        {"total_env_steps": 9, "ppo": {"gamma": 0.5}, "log": {"project": "mine"}, "name": "other"},
        {"mujoco": {"num_threads": 1}, "mujoco_warp": {"solver_iterations": 9}},
    ],
)
def test_what_decides_no_figure_makes_no_other_file(tree, run, tmp_path):
    run(tree)
    assert [*files(tmp_path)] == ["eval-512-mujoco.json"]


@pytest.mark.parametrize("older", ['{"step": 512, "engine": "mujoco"}', "{torn", "[]"])
def test_a_file_of_unknown_settings_stays(older, run, tmp_path):
    """Such as an older version wrote, or a killed one."""
    (tmp_path / "eval-512-mujoco.json").write_text(older)
    run()
    run()
    assert (tmp_path / "eval-512-mujoco.json").read_text() == older
    assert len(list(tmp_path.iterdir())) == 2


def test_a_name_that_is_taken_by_chance_is_numbered(run, tmp_path):
    run(OTHERS["seed"])
    (path,) = tmp_path.iterdir()
    path.write_text("something else")
    run(OTHERS["seed"])
    assert path.read_text() == "something else"
    assert (tmp_path / f"{path.stem}-2.json").exists()


def test_training_start_states_are_not_unseen(run, tmp_path, monkeypatch):
    def built(*_):
        pytest.fail("built before it was refused")

    monkeypatch.setattr(evaluate, "make_world", built)
    for tree in ({"eval": {"seed": 3}}, {"eval": {"seed": 3}, "seed": 4}):
        with pytest.raises(UsageError, match="--eval.seed 3: .*valid: any other"):
            run(tree)
    assert not list(tmp_path.iterdir())


def test_results_that_cannot_be_written_are_printed(run, tmp_path, capsys, monkeypatch):
    def read_only(_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "fsync", read_only)
    run()
    said = capsys.readouterr()
    assert "1.00% success" in said.out
    (line,) = said.err.splitlines()
    assert "could not be written" in line
    assert "Read-only" in line
    assert not list(tmp_path.iterdir())


def test_an_engine_that_fails_leaves_the_older_result(run, tmp_path, monkeypatch):
    run()
    before = files(tmp_path)

    def fail(*_):
        raise WorkerError("error 700")

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "examine", fail)
        with pytest.raises(WorkerError):
            run()
    assert files(tmp_path) == before


def test_results_are_kept_when_the_engine_fails_at_its_end(run, tmp_path, capsys, monkeypatch):
    def fail(_):
        raise DeviceLostError("it is gone")

    monkeypatch.setattr(Sim, "close", fail)
    with pytest.raises(DeviceLostError):
        run()
    assert "1.00% success" in capsys.readouterr().out
    assert [*files(tmp_path)] == ["eval-512-mujoco.json"]


def test_results_are_kept_when_nobody_reads_them(run, tmp_path, monkeypatch):
    def closed(*_, **__):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("builtins.print", closed)
    with pytest.raises(BrokenPipeError):
        run()
    assert [*files(tmp_path)] == ["eval-512-mujoco.json"]


def saved(tmp_path, step, low):
    """A checkpoint's folder with nothing in it but what ranks it; training saw a rate of `low`."""
    folder = tmp_path / "checkpoints" / str(step)
    (folder / "meta").mkdir(parents=True)
    (folder / "metrics").mkdir()
    meta = {"config": to_tree(OWN), "counters": {}, "engine": "mujoco", "task": "separate"}
    meta |= {"format": checkpoint_folder.FORMAT, "obs_layout": [], "t": 0}
    (folder / "meta/metadata").write_text(json.dumps(meta))
    score = Score(low, low, 100, "training")
    (folder / "metrics/metrics").write_text(json.dumps(dataclasses.asdict(score)))


@pytest.mark.parametrize(("rates", "best"), [((0.5, 0.75), 300), ((0.75, 0.5), 200)])
def test_the_best_checkpoint_is_chosen_in_the_physics_of_evaluation(
    tmp_path, monkeypatch, rates, best
):
    for step, low in ((100, 0.1), (200, 0.9), (300, 0.2)):
        saved(tmp_path, step, low)
    policies = {200: rates[0], 300: rates[1]}
    built, seeds = [], {}

    def build(config, num_envs, physics, params):
        assert not params
        built.append(physics)
        return SimpleNamespace(sim=Sim())

    def examine(world, policy, seed, baselines, *_):
        seeds.setdefault(seed, []).append(policy)
        return {"learned": Result(16, policy, 0.0, 1.0, {}, {}, 0.0, 9.0, 0.0)}

    monkeypatch.setattr(evaluate, "make_world", build)
    monkeypatch.setattr(evaluate, "load_policy", lambda config, found, world: policies[found.step])
    monkeypatch.setattr(evaluate, "examine", examine)
    results = evaluate.run_best(OWN, tmp_path)
    assert built == ["eval"]
    assert results["learned"].success_rate == max(rates)
    assert checkpoint_folder.find_in(tmp_path, best=True).step == best
    (ranking,) = set(seeds) - {OWN.eval.seed}
    assert ranking != OWN.seed
    assert sorted(seeds[ranking]) == sorted(rates)
    assert (tmp_path / f"eval-{best}-mujoco.json").exists()


def test_the_newest_alone_needs_no_choice(tmp_path, monkeypatch):
    for step, low in ((100, 0.1), (200, 0.9)):
        saved(tmp_path, step, low)
    calls = []

    def examine(world, policy, seed, baselines, *_):
        calls.append(seed)
        return {"learned": Result(16, 0.5, 0.0, 1.0, {}, {}, 0.0, 9.0, 0.0)}

    monkeypatch.setattr(evaluate, "make_world", lambda *_: SimpleNamespace(sim=Sim()))
    monkeypatch.setattr(evaluate, "load_policy", lambda *_: None)
    monkeypatch.setattr(evaluate, "examine", examine)
    evaluate.run_best(OWN, tmp_path)
    assert calls == [OWN.eval.seed]


def test_another_physics_has_files_of_its_own(tmp_path, run):
    found = run()
    evaluate.run(OWN, found, "reference")
    written = files(tmp_path)
    assert written["eval-512-mujoco-reference.json"]["physics"] == "reference"
    assert written["eval-512-mujoco.json"]["physics"] == "eval"
