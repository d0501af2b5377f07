"""The contract: what moves freely does so as the laws of mechanics say, in the world frame.

Bodies, and the base of a robot that stands on no foot: both kinds of scenes. What is steady about a
principal axis is shown by bodies alone, which have no joints.
"""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from screwpush_sim.assets.bolt import Bolt

GRAVITY = 9.81
BIG_TILT = Rotation.from_euler("xyz", [0.4, -0.9, 2.2])
WXYZ = [3, 0, 1, 2]


def wxyz(rotation: Rotation) -> np.ndarray:
    return rotation.as_quat()[..., WXYZ]


def rotation(quat_wxyz: np.ndarray) -> Rotation:
    return Rotation.from_quat(quat_wxyz[..., [1, 2, 3, 0]])


@pytest.fixture
def aloft():
    """Positions of three screws high above the table and away from the arm, in two scenes."""
    pos = np.zeros((2, 3, 3))
    pos[..., 0], pos[..., 1], pos[..., 2] = 0.6, [-0.3, 0.0, 0.3], 1.5
    return pos


def no_control(world) -> np.ndarray:
    """The controls `[2, U]` that leave a robot in the air alone."""
    return world.lab.hold(world.shared(), world.aloft())


def test_what_is_free_falls_as_galileo_says(world):
    """In free fall no joint feels the weight, so a robot stays stiff and its base falls as its mass."""
    sim, start = world.shared(), world.aloft()
    world.lab.put(sim, start)
    for count, state in enumerate(world.lab.run(sim, no_control(world), 8), start=1):
        time = count * sim.spec.control_dt_s
        fallen = world.where(state) - world.where(start)
        np.testing.assert_allclose(fallen[..., :2], 0, atol=1e-4)
        # a step takes the velocity of its end: half a physics step ahead
        ahead = GRAVITY * time * sim.spec.scene.physics.dt_s / 2
        np.testing.assert_allclose(fallen[..., 2], -GRAVITY * time**2 / 2, atol=1.1 * ahead + 1e-4)
        np.testing.assert_allclose(world.free(state).linvel_w[..., 2], -GRAVITY * time, rtol=2e-3)
        np.testing.assert_allclose(state.robot.joint_pos, start.robot.joint_pos, atol=2e-3)


def test_what_is_thrown_drifts_along_the_world_axis_asked_for(world):
    sim, velocity = world.shared(), np.array([0.5, -0.3, 0.0])
    start = world.aloft(wxyz(BIG_TILT), linvel_w=velocity)
    world.lab.put(sim, start)
    state = world.lab.run(sim, no_control(world), 4)[-1]
    drift = (world.where(state) - world.where(start))[..., :2]
    wanted = 4 * sim.spec.control_dt_s * velocity[:2]
    np.testing.assert_allclose(drift, np.broadcast_to(wanted, drift.shape), atol=1e-3)
    linvel = world.free(state).linvel_w[..., :2]
    np.testing.assert_allclose(linvel, np.broadcast_to(velocity[:2], linvel.shape), atol=1e-3)


@pytest.mark.parametrize("axis", range(3))
def test_what_spins_turns_about_the_world_axis_asked_for(world, axis):
    """For a moment: what spins about another axis than a principal one does not keep it for long."""
    sim, omega = world.shared(), 1.5 * np.eye(3)[axis]
    world.lab.put(sim, world.aloft(wxyz(BIG_TILT), angvel_w=omega))
    free = world.free(world.lab.run(sim, no_control(world), 2)[-1])
    turned = rotation(free.quat_w.reshape(-1, 4)) * BIG_TILT.inv()
    wanted = np.broadcast_to(2 * sim.spec.control_dt_s * omega, (len(turned), 3))
    np.testing.assert_allclose(turned.as_rotvec(), wanted, atol=0.02)
    spin = free.angvel_w.reshape(-1, 3)
    np.testing.assert_allclose(spin, np.broadcast_to(omega, spin.shape), atol=0.4)


def test_the_velocity_is_that_of_the_origin_wherever_the_centre_of_mass_lies(world):
    """Against central differences of the positions shown; a body's centre of mass is 4 mm off."""
    sim, omega = world.shared(), [0.0, 8.0 if world.size else 3.0, 0.0]
    world.lab.put(sim, world.aloft(wxyz(BIG_TILT), angvel_w=omega))
    states = world.lab.run(sim, no_control(world), 6)
    pos = np.array([world.where(state) for state in states])
    shown = np.array([world.free(state).linvel_w for state in states])
    difference = (pos[2:] - pos[:-2]) / (2 * sim.spec.control_dt_s)
    # a step takes the velocity of its end, or of moments within it: the difference runs ahead by up to
    # half a physics step
    ahead, most = shown[1:-1] - difference, GRAVITY * sim.spec.scene.physics.dt_s / 2
    np.testing.assert_allclose(ahead[..., :2], 0, atol=0.02)
    assert (ahead[..., 2] > -0.02).all()
    assert (ahead[..., 2] < most + 0.02).all()


@pytest.mark.parametrize("start", [Rotation.identity(), BIG_TILT], ids=["level", "tilted"])
@pytest.mark.parametrize("principal_axis", [0, 1, 2])
def test_a_spinning_screw_turns_about_the_world_axis_asked_for(
    lab, make_state, parked, aloft, start, principal_axis
):
    """A spin about a principal axis is steady, so the turn after t is omega t about it."""
    sim = lab.shared()
    omega = 6.0 * start.as_matrix()[:, principal_axis]
    lab.put(sim, make_state(aloft, wxyz(start), angvel_w=omega))
    for count, state in enumerate(lab.run(sim, parked, 4), start=1):
        turned = Rotation.from_rotvec(omega * count * sim.spec.control_dt_s) * start
        error = (rotation(state.bodies["screws"].quat_w[0, 1]) * turned.inv()).magnitude()
        assert error < 0.01
        np.testing.assert_allclose(state.bodies["screws"].angvel_w[0, 1], omega, atol=0.02)


def test_a_screw_may_spin_as_fast_as_a_shank_rolls_before_the_rod(lab, make_state, parked, aloft):
    """The rod moves by 0.4 m/s along x and y, and a shank of 6 mm radius turns by 94 rad/s then."""
    sim = lab.shared()
    omega = 94.0 * BIG_TILT.as_matrix()[:, 0]
    lab.put(sim, make_state(aloft, wxyz(BIG_TILT), angvel_w=omega))
    for state in lab.run(sim, parked, 3):
        np.testing.assert_allclose(
            state.bodies["screws"].angvel_w[0], np.tile(omega, (3, 1)), atol=0.5
        )


def test_the_velocity_written_is_that_of_the_body_origin(lab, make_state, parked, aloft):
    """The centre of mass, not the origin, flies straight: with v + omega x r of the start."""
    sim = lab.shared()
    com_b = np.array([Bolt().inertia()[1], 0.0, 0.0])
    linvel, omega = np.array([0.3, 0.1, 0.0]), 12.0 * BIG_TILT.as_matrix()[:, 1]
    lab.put(sim, make_state(aloft, wxyz(BIG_TILT), linvel, omega))
    states = lab.run(sim, parked, 6)
    com = np.array(
        [
            s.bodies["screws"].pos_w[0, 0] + rotation(s.bodies["screws"].quat_w[0, 0]).apply(com_b)
            for s in states
        ]
    )
    com0 = aloft[0, 0] + BIG_TILT.apply(com_b)
    com_velocity = linvel + np.cross(omega, BIG_TILT.apply(com_b))
    time = sim.spec.control_dt_s * np.arange(1, 7)[:, None]
    np.testing.assert_allclose((com - com0)[:, :2], (time * com_velocity)[:, :2], atol=1.5e-3)


def test_the_velocity_shown_is_that_of_the_body_origin(lab, make_state, parked, aloft):
    """Against central differences of the positions shown, about the steady centre of mass."""
    sim = lab.shared()
    omega, com_b = 12.0 * BIG_TILT.as_matrix()[:, 1], np.array([Bolt().inertia()[1], 0.0, 0.0])
    lab.put(sim, make_state(aloft, wxyz(BIG_TILT), angvel_w=omega))
    states = lab.run(sim, parked, 8)
    pos = np.array([s.bodies["screws"].pos_w[0, 0, :2] for s in states])
    shown = np.array([s.bodies["screws"].linvel_w[0, 0, :2] for s in states])
    com_velocity = np.cross(omega, BIG_TILT.apply(com_b))[:2]
    step = sim.spec.control_dt_s
    difference = (pos[2:] - pos[:-2]) / (2 * step)
    # a central difference of a circular motion is short by sin(x) / x, x = omega dt
    short = np.sin(12.0 * step) / (12.0 * step)
    assert np.ptp(shown, axis=0).max() > 0.05, "nothing to see: the origin does not circle"
    np.testing.assert_allclose(
        difference - com_velocity, short * (shown[1:-1] - com_velocity), atol=0.005
    )
