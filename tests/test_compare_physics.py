"""The trials that compare engines, against mechanics; what is read off their curves, by hand."""

import dataclasses

import numpy as np
import pytest

from benchmarks import compare_physics
from benchmarks.physics_trials import JUMP_RAD, SAMPLE_S, SAMPLES, TRIALS, run
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.options import MujocoConfig


@pytest.fixture(scope="module")
def curves():
    return run("mujoco", make_scene(SceneConfig(), physics="train"), MujocoConfig(num_threads=2))


def column(name: str) -> int:
    return TRIALS.index(name)


def test_a_bolt_that_is_dropped_falls_freely_and_loses_its_energy(curves):
    fallen = curves.pos_w[0, column("drop"), 2] - curves.pos_w[:, column("drop"), 2]
    flight = curves.time_s < 0.085
    at_half_steps = curves.time_s[flight] * (curves.time_s[flight] + SAMPLE_S)
    np.testing.assert_allclose(fallen[flight], 9.81 / 2 * at_half_steps, atol=1e-4)
    assert compare_physics.energy_share(curves, "drop")[0] == 1.0
    assert abs(compare_physics.energy_share(curves, "drop")[40:]).max() < 0.01


def test_a_bolt_that_slides_stops_about_where_coulomb_says(curves):
    slid = curves.moved_m[-1, column("slide")]
    assert slid == pytest.approx(0.3**2 / (2 * 0.6 * 9.81), rel=0.15)
    assert 0.03 < compare_physics.rest_s(curves, "slide") < 0.2


def test_the_rod_meets_the_bolt_where_it_lies_and_takes_it_along(curves):
    y = curves.pos_w[:, column("push"), 1]
    before = curves.time_s < 0.12
    assert np.ptp(y[before]) < 1e-4
    assert y[-1] > 0.09
    assert curves.overlap_m["rod-bolt"][before].max() == 0.0


def test_what_is_not_sent_off_stays(curves):
    assert curves.moved_m[:, column("drive")].max() < 1e-4
    assert abs(curves.joint_pos[-1] - curves.jump_from - JUMP_RAD).max() < 0.02 * JUMP_RAD


def test_rise_and_overshoot_are_those_of_the_curve(curves):
    """Joints that follow 1 - exp(-t / tau) rise in tau; one goes too far by a tenth."""
    time_s = SAMPLE_S * np.arange(SAMPLES + 1)
    taus = np.array([0.02, 0.03, 0.04, 0.05, 0.06, 0.07])
    share = 1 - np.exp(-time_s[:, None] / taus)
    share[60, 2] = 1.1
    known = curves._replace(time_s=time_s, joint_pos=curves.jump_from + JUMP_RAD * share)
    rises, overshoot = compare_physics.drive(known)
    np.testing.assert_allclose(rises, taus, atol=1.5e-3)
    assert overshoot == pytest.approx(0.1, abs=1e-6)


def test_figures_take_the_place_of_those_between_the_marks(tmp_path, curves):
    page = tmp_path / "physics.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    text = compare_physics.figures({"mujoco, train": curves}) + "\n"
    for _ in range(2):
        compare_physics.insert(page, text)
    assert page.read_text() == f"before\n<!-- figures -->\n{text}<!-- end of figures -->\nafter\n"
    assert "| mujoco, train | " in text
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="lacks the line '<!-- figures -->'"):
        compare_physics.insert(page, text)


def test_a_step_that_does_not_fit_the_samples_is_refused():
    scene = make_scene(SceneConfig())
    physics = dataclasses.replace(scene.physics, dt_s=0.004)
    with pytest.raises(ValueError, match=r"dt_s 0\.004; valid: a part of 0\.01"):
        run("mujoco", dataclasses.replace(scene, physics=physics), MujocoConfig())
