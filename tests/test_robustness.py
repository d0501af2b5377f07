"""Worlds that a policy was not trained in: each variant is what its name says, and the row what came of it."""

import functools
import json

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from benchmarks import record, robustness, variants
from screwpush_jax import checkpoint_folder, disturbances
from screwpush_jax.config import config_type, from_tree
from screwpush_jax.errors import UsageError
from screwpush_jax.evaluation import Result
from screwpush_jax.outcomes import Outcomes
from screwpush_jax.score import wilson_interval
from screwpush_jax.tasks.records import Records
from screwpush_jax.tasks.registry import TASKS
from screwpush_sim.builders.mjcf import build_mjcf
from screwpush_sim.state import home_state

COUNT = 512


class Made:
    """The world of a variant: MuJoCo's own model of its scene, and what sensors say of it."""

    def __init__(self, task, name):
        variant = variants.VARIANTS[task][name]
        options = variants.options_of(variant, config_type(task)().env)
        self.task, self.disturbance = TASKS[task](options), options.disturbance
        self.scene = variant.scene(self.task.scene("eval"))
        self.model = mujoco.MjModel.from_xml_string(build_mjcf(self.scene))

    @property
    def friction(self):
        """Of whatever may touch something, but for the arm's wrist, which has a friction of its own."""
        meets = (self.model.geom_contype | self.model.geom_conaffinity) != 0
        meets &= [self.model.geom(i).name != "link5_wrist" for i in range(self.model.ngeom)]
        return set(np.round(self.model.geom_friction[meets, 0], 6))

    @property
    def masses_kg(self):
        """Of bodies that can move."""
        return self.model.body_mass[self.model.body_dofnum > 0]

    @property
    def group(self):
        """Vertices of the first group's hull and ends of its capsule, `[V, 3]` m."""
        hull = next(s for s in self.scene.groups[0].shapes if s.kind == "hull")
        shank = next(s for s in self.scene.groups[0].shapes if s.kind == "capsule")
        return np.array([*hull.vertices_m, shank.start_m, shank.end_m]), shank.radius_m

    @functools.cached_property
    def wrong(self):
        """What sensors say of `COUNT` scenes in which all moves at 0.5 m/s and rad/s, minus what is."""
        state = home_state(self.scene, COUNT)
        for name, group in state.bodies.items():
            half = jnp.full_like(group.linvel_w, 0.5)
            state = state.with_bodies(name, linvel_w=half, angvel_w=half)
        control = jnp.zeros((COUNT, len(self.scene.robot.joints)))
        drawn = disturbances.draw(self.task, control, state, jax.random.key(0))
        reads = [
            disturbances.measured(self.task, drawn, state, k)
            for k in jax.random.split(jax.random.key(1))
        ]
        return [jax.tree.map(lambda a, b: np.asarray(a - b), read, state) for read in reads]


def stepped(dt_s, decimation):
    def holds(made, plain):
        physics = made.scene.physics
        assert (physics.dt_s, physics.decimation) == (dt_s, decimation)
        assert made.model.opt.timestep == dt_s
        assert physics.control_dt_s == pytest.approx(plain.scene.physics.control_dt_s)

    return holds


def slides(friction):
    def holds(made, plain):
        assert made.friction == {friction}
        assert plain.friction != {friction}

    return holds


def weighs(factor, of_robot=False):
    def holds(made, plain):
        heavier = made.masses_kg / plain.masses_kg
        own = plain.model.body_dofnum[plain.model.body_dofnum > 0] > (0 if of_robot else 5)
        np.testing.assert_allclose(heavier, np.where(own, factor, 1.0), rtol=1e-6)
        moments = made.model.body_inertia[-1] / plain.model.body_inertia[-1]
        np.testing.assert_allclose(moments, factor, rtol=1e-6)

    return holds


def long(length_m):
    def holds(made, plain):
        corners, radius_m = made.group
        low = corners[:, 0].min() - radius_m
        assert corners[:, 0].max() - low == pytest.approx(length_m, abs=1e-6)

    return holds


def headed(across_m):
    def holds(made, plain):
        corners, _ = made.group
        assert 2 * np.hypot(*corners[:, 1:].T).max() == pytest.approx(across_m)
        assert made.masses_kg[-1] > plain.masses_kg[-1]

    return holds


def late(steps):
    def holds(made, plain):
        state, control = home_state(made.scene, 2), jnp.zeros((2, len(made.scene.robot.joints)))
        drawn, came = disturbances.draw(made.task, control, state, jax.random.key(0)), []
        for number in (1.0, 2.0, 3.0):
            due, drawn = disturbances.late(drawn, control + number)
            came.append(float(due[1, 0]))
        assert came == [max(number - steps, 0.0) for number in (1, 2, 3)]

    return holds


def noisy(std_m, *, lasting):
    def holds(made, plain):
        one, other = (read.bodies["screws"].pos_w for read in made.wrong)
        assert one.std() == pytest.approx(std_m, rel=0.05)
        assert np.array_equal(one, other) == lasting

    return holds


def hidden(made, plain):
    screws = made.wrong[0].bodies["screws"]
    assert (screws.linvel_w == -0.5).all()
    assert (screws.angvel_w == -0.5).all()
    assert (screws.pos_w == 0).all()


def pushed(most_m_s):
    def holds(made, plain):
        state = home_state(made.scene, 20_000)
        after, met = disturbances.pushed(
            made.task, state, jnp.ones(20_000, bool), jax.random.key(0)
        )
        kick = np.asarray(after.robot.base_linvel_w)[np.asarray(met)]
        assert 50 < met.sum() < 400  # of 20,000, one in 120
        assert 0.9 * most_m_s < np.abs(kick).max() <= most_m_s

    return holds


def feels_wrong(made, plain):
    robot = made.wrong[0].robot
    found = [getattr(robot, name).std() for name in ("joint_pos", "joint_vel", "base_linvel_w")]
    assert found == pytest.approx([0.01, 1.5, 0.1], rel=0.06)
    assert robot.base_quat_w.std() > 0.01


def same(made, plain):
    assert made.scene == plain.scene
    assert disturbances.of_task(made.task) is None


LATE = {"1 step late": late(1), "2 steps late": late(2)}
SCREWS = {
    **{"nominal": same, "friction 0.3": slides(0.3), "friction 1.0": slides(1.0)},
    **{"mass x0.5": weighs(0.5), "mass x5": weighs(5.0)},
    **{"length 0.07": long(0.07), "length 0.12": long(0.12), "head 0.026": headed(0.026)},
    **{"0.002 s x 25": stepped(0.002, 25), "0.01 s x 5": stepped(0.01, 5)},
    **LATE,
    "position noise 2 mm": noisy(0.002, lasting=False),
    "position noise 5 mm": noisy(0.005, lasting=False),
    "position bias 5 mm": noisy(0.005, lasting=True),
    "velocities hidden": hidden,
}
HUMANOID = {
    **{"nominal": same, "friction x0.5": slides(0.5), "friction x2": slides(2.0)},
    **{"mass x0.8": weighs(0.8, of_robot=True), "mass x1.2": weighs(1.2, of_robot=True)},
    **{"pushes 0.5 m/s": pushed(0.5), "pushes 1 m/s": pushed(1.0)},
    **LATE,
    "noisy sensors": feels_wrong,
}
HOLDS = {"separate": SCREWS, "goal": SCREWS, "humanoid": HUMANOID}
CASES = [(task, name) for task in variants.VARIANTS for name in variants.VARIANTS[task]]


def test_each_variant_is_examined_here():
    assert {task: set(known) for task, known in HOLDS.items()} == {
        task: set(known) for task, known in variants.VARIANTS.items()
    }


@functools.cache
def made(task, name):
    return Made(task, name)


@pytest.mark.parametrize(("task", "name"), CASES)
def test_a_variant_is_what_its_name_says(task, name):
    HOLDS[task][name](made(task, name), made(task, "nominal"))


def test_names_and_tasks_that_are_not_there_are_told():
    with pytest.raises(UsageError, match="'friction 9'; valid: nominal, friction 0.3"):
        variants.chosen("separate", ["nominal", "friction 9"])
    with pytest.raises(UsageError, match="--task juggle has no variants; valid: separate"):
        variants.chosen("juggle", [])
    assert list(variants.chosen("humanoid", ["pushes 1 m/s"])) == ["pushes 1 m/s"]


def test_a_variant_that_a_run_cannot_have_is_told():
    """A bolt of 0.07 m whose head is 0.065 thick."""
    tree = {"env": {"scene": {"screw": {"head_thickness_m": 0.065}}}}
    options = from_tree(tree, config_type("separate"), config_type("separate")()).env
    with pytest.raises(UsageError, match="--env.scene.screw.length-m 0.07"):
        variants.options_of(variants.VARIANTS["separate"]["length 0.07"], options)


def test_longer_physics_steps_than_trainings_are_allowed_here_alone():
    tree = {"env": {"scene": {"physics": {"train": {"dt_s": 0.002, "decimation": 25}}}}}
    options = from_tree(tree, config_type("separate"), config_type("separate")()).env
    of = variants.VARIANTS["separate"]
    coarse, same = (
        variants.options_of(of[name], options) for name in ("0.01 s x 5", "0.002 s x 25")
    )
    assert coarse.scene.physics.eval.dt_s == 0.01
    assert same == options  # so it is not run again


def test_the_runs_own_disturbances_are_in_no_variant_but_its_critic_is():
    tree = {"env": {"disturbance": {"delay_steps": [0, 2], "asymmetric_critic": True}}}
    options = from_tree(tree, config_type("separate"), config_type("separate")()).env
    of = variants.VARIANTS["separate"]
    told = variants.options_of(of["velocities hidden"], options).disturbance
    assert told.delay_steps == (0, 0)
    assert told.asymmetric_critic
    assert told.hide_body_velocities == 1.0


ENDED = ["success"] * 6 + ["out of area"] * 3 + ["time limit"]


def result():
    low, high = wilson_interval(0.6, 10)
    lengths = np.array([10, 20, 30, 40, 50, 60, 70, 80, 90, 300])
    outcomes = Outcomes(np.array(ENDED), {"episode_len": lengths}, Records(lengths > 0, {}, {}))
    return Result(
        10, 0.6, low, high, {"out_of_area": 0.3}, {"far_m": 0.25}, 0.0, 75.0, 1.0, outcomes
    )


def row(variant, **more):
    known = {"task": "separate", "run": "r", "step": 8, "trained": "mujoco", "engine": "mujoco"}
    return {"variant": variant, **known, **robustness.figures(result()), **more}


def test_a_row_says_what_ended_the_failures():
    found = row("nominal")
    assert found["failures"] == {"out of area": 0.3, "time limit": 0.1}
    assert found["length_median"] == 55.0
    line = " ".join(robustness.table([found]).splitlines()[1].split())
    assert line == "nominal 60.00% 31.27% to 83.18% 30.00% out of area, 10.00% time limit 55 0.25"


def test_the_newest_row_of_each_variant_of_one_checkpoint_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("SCREWPUSH_COMMIT", "none")
    path = tmp_path / "rows.jsonl"
    rows = [
        row("head 0.026"),
        row("nominal", took_s=1),
        row("nominal", step=9),
        row("nominal", took_s=2),
    ]
    record.write(path, rows)
    found = robustness.newest(path, row("nominal"))
    assert [(one["variant"], one.get("took_s")) for one in found] == [
        ("nominal", 2),
        ("head 0.026", None),
    ]
    robustness.draw(found, tmp_path / "rows.png")
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.heavy
def test_a_checkpoint_is_judged_as_evaluation_judges_it(tmp_path, unpack_old_run):
    """A run of an older version with its evaluation, and the same in a world that it was not in."""
    found = checkpoint_folder.find("old", unpack_old_run(2, tmp_path), "separate")
    (then,) = (json.loads(path.read_text()) for path in found.run_dir.glob("eval-*.json"))
    kind = config_type()
    config = from_tree(found.meta["config"], kind, kind())
    episodes = then["learned"]["episodes"]
    plain = robustness.evaluate_variant(
        config, found, variants.VARIANTS["separate"]["nominal"], episodes
    )
    assert plain["success_rate"] == then["learned"]["success_rate"]
    assert plain["failures"].get("out of area", 0.0) == then["learned"]["out_of_area"]
    assert (plain["episodes"], plain["engine"], plain["step"]) == (episodes, "mujoco", found.step)
