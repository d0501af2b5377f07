"""The contract: scenes whose physics differs by factors behave as mechanics says, the others as ever.

The scene has a stool on the ground, a stool on a table that shows what it carries, and an arm that hangs out
sideways from its only joint: what it sags shows its weight against the strength of its drive.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from screwpush_sim import registry
from screwpush_sim.errors import SnapshotMismatchError, VariationNotSupportedError
from screwpush_sim.scene import (
    BodyGroup,
    Hull,
    Inertia,
    Joint,
    Link,
    Physics,
    PositionDrive,
    RobotModel,
    Scene,
    Sphere,
    TorqueDrive,
)
from screwpush_sim.state import home_state
from screwpush_sim.variation import PARAMETERS

GRAVITY, FRICTION, SPEED_M_S = 9.81, 0.5, 1.0
STOOL_KG, FOOT_M, ARM_KG, ARM_M, STIFFNESS = 0.2, 0.03, 2.0, 0.5, 400.0
FACTORS = {
    "friction": np.float32([1.0, 0.5, 1.6, 1.0, 1.0, 1.0, 1.0, 1.0]),
    "body_mass": np.float32([1.0, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0]),
    "body_size": np.float32([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.5, 0.8]),
    "robot_mass": np.float32([1.0, 1.0, 1.0, 1.0, 1.5, 1.0, 1.0, 1.0]),
    "drive_gain": np.float32([1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0]),
}
NUM_ENVS = 8


@pytest.fixture(
    scope="module",
    params=[
        name if name == "mujoco" else pytest.param(name, marks=pytest.mark.heavy)
        for name, engine in registry.ENGINES.items()
        if engine.varies
    ],
)
def lab(request, make_lab):
    """A laboratory of each engine that varies anything."""
    return make_lab(request.param)


def cuboid(x, y, z) -> tuple[Hull]:
    """Half as wide as said, about the origin."""
    corners = tuple((a * x, b * y, c * z) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1))
    faces = (0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)
    return (Hull("box", corners, faces),)


def feet(radius_m, apart_m) -> tuple[Sphere, ...]:
    """What slides and does not roll: four round feet."""
    half = apart_m / 2
    places = [(a * half, b * half, 0.0) for a in (-1, 1) for b in (-1, 1)]
    return tuple(Sphere(f"foot{n}", place, radius_m) for n, place in enumerate(places))


def make_scene(drive) -> Scene:
    table = Link(
        "table", "", inertia=Inertia(10.0, (0, 0, 0), (1, 1, 1)), shapes=cuboid(0.2, 0.2, 0.2)
    )
    thin = 0.01
    arm = Link(
        "arm",
        "table",
        offset_m=(0.0, 0.0, 1.0),
        inertia=Inertia(ARM_KG, (ARM_M, 0.0, 0.0), (thin, thin, thin)),
        joint=Joint("hinge", (-1.5, 1.5), drive, axis=(0.0, 1.0, 0.0)),
    )
    stools = BodyGroup(
        "stools",
        start_pos_w=((2.0, 0.0, FOOT_M), (0.0, 0.0, 0.2 + FOOT_M)),
        shapes=feet(FOOT_M, 0.1),
        inertia=Inertia(STOOL_KG, (0.0, 0.0, 0.0), (5e-4, 5e-4, 8e-4)),
    )
    return Scene(
        robot=RobotModel("scales", (table, arm), home_rad=(0.0,)),
        physics=Physics(
            *(0.002, 10, FRICTION, "elliptic"), solver_iterations=50, contact_time_s=0.004
        ),
        groups=(stools,),
        contact_links=("table",),
    )


BY_POSITION = make_scene(PositionDrive(STIFFNESS, 28.0, 1000.0))
BY_TORQUE = make_scene(TorqueDrive(50.0))


def varied(lab, factors=FACTORS):
    """The factors that this engine can vary."""
    can = registry.ENGINES[lab.engine].varies
    return {name: value for name, value in factors.items() if name in can}


def state_after(lab, sim, control, seconds: float):
    """Where it all has come to, the stool on the ground pushed along x at first."""
    start = home_state(sim.spec.scene, sim.spec.num_envs)
    speed = jnp.zeros_like(start.bodies["stools"].linvel_w).at[:, 0, 0].set(SPEED_M_S)
    size = np.asarray(sim.params.get("body_size", np.ones(sim.spec.num_envs)))
    place = np.array(start.bodies["stools"].pos_w)
    place[..., 2] += (size[:, None] - 1) * FOOT_M
    lab.put(sim, start.with_bodies("stools", linvel_w=speed, pos_w=place))
    return lab.run(sim, control, round(seconds / sim.spec.control_dt_s))[-1]


@pytest.fixture(scope="module")
def ended(lab):
    """`(params, state after 0.6 s)` of scenes that differ."""
    sim = lab.build(BY_POSITION, NUM_ENVS, varied(lab))
    state = state_after(lab, sim, 0.0, 0.6)
    params = {name: np.asarray(value) for name, value in sim.params.items()}
    sim.close()
    return params, state


def test_the_factors_are_shown_as_they_were_given(lab, ended):
    params, _ = ended
    assert params.keys() == varied(lab).keys()
    for name, value in params.items():
        np.testing.assert_array_equal(value, FACTORS[name])


def test_what_slides_stops_where_its_friction_says(lab, ended):
    params, state = ended
    if "friction" not in params:
        pytest.skip(f"{lab.engine} does not vary friction")
    slid = state.bodies["stools"].pos_w[:, 0, 0] - 2.0
    wanted = SPEED_M_S**2 / (2 * FRICTION * FACTORS["friction"] * GRAVITY)
    np.testing.assert_allclose(slid, wanted, rtol=0.06)


def test_a_body_weighs_on_its_table_as_its_mass_and_size_say(ended):
    params, state = ended
    weight = -state.contact["table"][:, 2]
    factor = params.get("body_mass", 1.0) * params.get("body_size", np.ones(NUM_ENVS)) ** 3
    np.testing.assert_allclose(weight, STOOL_KG * factor * GRAVITY, rtol=0.03)


def test_a_body_of_another_size_rests_at_another_height(ended):
    """Its origin is the feet's radius above the ground."""
    params, state = ended
    height = state.bodies["stools"].pos_w[:, 0, 2]
    wanted = FOOT_M * params.get("body_size", np.ones(NUM_ENVS))
    np.testing.assert_allclose(height, wanted, atol=3e-4)


def test_an_arm_sags_as_its_mass_and_its_drive_say(ended):
    """Where drive and weight balance: stiffness * angle = mass * g * length * cos(angle)."""
    _, state = ended
    sag = state.robot.joint_pos[:, 0]
    pull = ARM_KG * FACTORS["robot_mass"] * GRAVITY * ARM_M
    held = STIFFNESS * FACTORS["drive_gain"] * sag
    np.testing.assert_allclose(held, pull * np.cos(sag), rtol=0.02)


def test_a_torque_is_multiplied(lab):
    """Level at first: angle = (weight + factor * torque) / moment of inertia * time^2 / 2."""
    if "drive_gain" not in varied(lab):
        pytest.skip(f"{lab.engine} does not vary drives")
    factor = np.float32([1.0, 0.5, 0.8])
    sim = lab.build(BY_TORQUE, 3, {"drive_gain": factor})
    lab.put(sim, home_state(sim.spec.scene, 3))
    torque = -2 * ARM_KG * GRAVITY * ARM_M  # twice the weight's, upwards: minus about y
    angle = lab.run(sim, torque, 3)[-1].robot.joint_pos[:, 0]
    sim.close()
    moment = ARM_KG * ARM_M**2 + 0.01
    pull = torque * factor + ARM_KG * GRAVITY * ARM_M
    wanted = pull / moment * (3 * sim.spec.control_dt_s) ** 2 / 2
    np.testing.assert_allclose(angle, wanted, rtol=0.05, atol=1e-5)


def test_scenes_of_factor_1_are_as_in_a_simulator_that_varies_nothing(lab, ended):
    """Bit for bit where an engine is exact."""
    _, state = ended
    sim = lab.build(BY_POSITION, NUM_ENVS, {})
    assert sim.params == {}
    plain = state_after(lab, sim, 0.0, 0.6)
    exact = sim.spec.deterministic and lab.engine == "mujoco"
    sim.close()
    for name in ("pos_w", "quat_w", "linvel_w"):
        one, other = (getattr(s.bodies["stools"], name)[0] for s in (state, plain))
        np.testing.assert_allclose(one, other, atol=0 if exact else 2e-3)
    np.testing.assert_allclose(
        state.robot.joint_pos[0], plain.robot.joint_pos[0], atol=0 if exact else 1e-4
    )


def test_a_snapshot_is_taken_back_by_scenes_of_the_same_physics_alone(lab):
    factors = varied(lab)
    sim = lab.build(BY_POSITION, NUM_ENVS, factors)
    before = lab.read(sim)
    kept = sim.snapshot()
    lab.run(sim, 0.1, 2)
    sim.restore(kept)
    after = lab.read(sim)
    sim.close()
    np.testing.assert_array_equal(after.robot.joint_pos, before.robot.joint_pos)
    name = next(iter(factors))
    for others in ({**factors, name: factors[name][::-1]}, {}):
        other = lab.build(BY_POSITION, NUM_ENVS, others)
        with pytest.raises(SnapshotMismatchError):
            other.restore(kept)
        other.close()


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_an_engine_cannot_vary_is_refused_with_what_it_can(lab, name):
    can = registry.ENGINES[lab.engine].varies
    if name in can:
        pytest.skip("it can")
    with pytest.raises(VariationNotSupportedError) as caught:
        lab.build(BY_POSITION, NUM_ENVS, {name: np.ones(NUM_ENVS, np.float32)})
    assert str(caught.value).startswith(f"{name}: engine {lab.engine}")
    assert str(caught.value).endswith(f"valid: {', '.join(can)}")
