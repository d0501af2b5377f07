"""The doctor's trials: what real PhysX and MuJoCo do passes, and each way of being wrong is noticed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest

from screwpush_sim import registry
from screwpush_sim.assets.probe import make_probe
from screwpush_sim.builders import mjcf
from screwpush_sim.engines.isaacgym import doctor
from screwpush_sim.engines.isaacgym.trials import TRIALS, bench
from screwpush_sim.errors import EngineNotInstalledError
from screwpush_sim.options import MujocoConfig, PhysxConfig

from .conftest import ROOT, STANDIN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(jax.default_backend() != "cpu", reason="engines of the host"),
]

PROBE = make_probe()
ENGINES = {"mujoco": MujocoConfig(), "physx": PhysxConfig(num_threads=2)}


def built(engine: str, options: object):
    try:
        return registry.make_simulator(engine, PROBE.scene, bench.NUM_ENVS, options)
    except EngineNotInstalledError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=ENGINES)
def sim(request):
    made = built(request.param, ENGINES[request.param])
    yield made
    made.close()


@pytest.mark.parametrize("trial", TRIALS)
def test_what_the_doctor_asks_for_is_what_physics_does(sim, trial):
    finding = doctor._run(lambda: TRIALS[trial](sim, PROBE))
    assert finding.ok, finding.text


def test_physx_holds_a_bolt_that_should_roll_where_friction_acts_far_from_contacts():
    """At the threshold of NVIDIA's own tasks with bolts, which is why the default is another."""
    sim = built("physx", PhysxConfig(num_threads=2, friction_offset_threshold_m=0.01))
    finding = doctor._run(lambda: TRIALS["rolling"](sim, PROBE))
    sim.close()
    assert not finding.ok
    assert "friction-offset-threshold-m" in finding.text


def test_the_bodies_that_fall_through_begin_inside_the_wrist():
    """By MuJoCo's kinematics; the tool sweeps across one body and ends beyond it."""
    model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(PROBE.scene))
    data = mujoco.MjData(model)

    def place(name: str, joints) -> np.ndarray:
        data.qpos[:6] = joints
        mujoco.mj_kinematics(model, data)
        return data.geom(name).xpos.copy()

    np.testing.assert_allclose(place("link5_wrist", PROBE.parked_rad), PROBE.inside_w, atol=1e-4)
    spot = PROBE.scene.groups[0].start_pos_w[PROBE.swept]
    begin, end = (place("tool_rod", joints)[:2] - spot[:2] for joints in PROBE.sweep_rad)
    np.testing.assert_allclose([begin, end], [[0, -0.0525], [0, 0.0525]], atol=3e-3)


@pytest.fixture(scope="module")
def said():
    """What the doctor says of each stand-in: trials by name, and a list of settings."""
    path = [str(Path(__file__).parent), STANDIN, os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "in_process.py")],
        env={
            **os.environ,
            **{"PYTHONPATH": ":".join(filter(None, path)), "JAX_PLATFORMS": "cpu"},
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


AS_SET = "read as they were set"
NOTICED = {  # by what is wrong: the one trial that fails, and what it says
    "wxyz quaternions": ("frames", "not xyzw"),
    "mirrored spin": ("frames", "angular velocity"),
    "half the velocity": ("frames", "linear velocity"),
    "velocity of the origin": ("origin", "not the centre of mass's"),
    "no gyroscopic forces": ("tumbling", "gyroscopic forces are off"),
    "a limit on spins": ("spin", "what rolls will slide"),
    "thick shapes": ("lying", "shapes have a skin"),
    "no friction": ("contact", "the friction is not as given"),
    "friction far from contacts": ("rolling", "what should roll is held"),
    "short capsules": ("capsule", "capsules made of cylinders"),
    "bolts that do not meet": ("bodies", "bodies do not meet each other"),
    "dead drives": ("drives", "its drive is dead"),
    "a rod that meets nothing": ("tool", "robot and bodies do not meet"),
    "filters without effect": ("filters", "filters do not keep apart"),
    "writes to the next scene": ("reset", "indexed writes reach other actors"),
}
NOT_TAKEN = {  # by what is wrong with a property, what its line says
    "armature in the links": "body inertia: 6 of 11 did not take; link1 has [1.1579,",
    "masses that cannot be read": "mass properties cannot be read: RuntimeError: not on this pipeline",
    "shape filter": "shape filter: 8 of 8 did not take; shape 0 of robot has 0, set was 15",
    "shape friction": "shape friction: 8 of 8 did not take; shape 0 of robot has 1.5, set was 1.4",
    "shape restitution": "shape restitution: 8 of 8 did not take",
    "shape contact_offset": "shape contact_offset: 8 of 8 did not take; shape 0 of robot has 0.02,",
    "shape rest_offset": "shape rest_offset: 8 of 8 did not take",
    "joint driveMode": "joint driveMode: 6 of 6 did not take; joint 0 has 0.0, set was 1",
    "joint stiffness": "joint stiffness: 6 of 6 did not take; joint 0 has 0.0, set was 40000.0",
    "joint damping": "joint damping: 6 of 6 did not take",
    "joint effort": "joint effort: 6 of 6 did not take",
    "joint velocity": "joint velocity: 6 of 6 did not take",
    "joint armature": "joint armature: 6 of 6 did not take",
    "body mass": "body mass: 4 of 11 did not take; base has 2.0, set was 1.0",
    "body com": "body com: 4 of 11 did not take; base has [0.001,",
    "body inertia": "body inertia: 4 of 11 did not take; base has [0.01, 0.01, 0.015]",
}


def failed(found: dict) -> set[str]:
    return {name for name, finding in found.items() if name != "settings" and not finding[0]}


def test_the_stand_in_as_it_is_passes_everything(said):
    assert failed(said["as it is"]) == set()
    assert len(said["as it is"]) == 1 + len(TRIALS)
    [[ok, text]] = said["as it is"]["settings"]
    assert ok
    assert AS_SET in text


def test_there_is_a_wrong_stand_in_for_every_trial_and_every_one_is_looked_at(said):
    assert {trial for trial, _ in NOTICED.values()} == set(TRIALS)
    others = {"as it is", "an aggregate that fails", "thickness 0.02", "friction 0.01"}
    assert said.keys() == NOTICED.keys() | NOT_TAKEN.keys() | others


@pytest.mark.parametrize("wrong", NOTICED)
def test_a_stand_in_that_is_wrong_in_one_way_fails_the_trial_for_it_alone(said, wrong):
    trial, hint = NOTICED[wrong]
    assert failed(said[wrong]) == {trial}
    assert hint in said[wrong][trial][1]


@pytest.mark.parametrize("wrong", NOT_TAKEN)
def test_a_property_that_did_not_take_is_one_line(said, wrong):
    [[ok, text]] = said[wrong]["settings"]
    assert not ok
    assert text.startswith(NOT_TAKEN[wrong])


def test_an_aggregate_that_ends_badly_is_told_and_is_no_fault(said):
    (taken, remark) = said["an aggregate that fails"]["settings"]
    assert taken[0]
    assert AS_SET in taken[1]
    assert remark[0]
    assert re.search("end_aggregate answered with failure", remark[1])


@pytest.mark.parametrize(
    ("options", "trial"), [("thickness 0.02", "lying"), ("friction 0.01", "rolling")]
)
def test_the_options_reach_the_physics(said, options, trial):
    """Those of other tasks, for which bolts of this size are too small."""
    assert trial in failed(said[options])
