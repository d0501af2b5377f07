"""Factors by which scenes differ: what is drawn, and what is refused."""

import dataclasses

import numpy as np
import pytest

from screwpush_sim.assets import humanoid
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.assets.bolt import Bolt
from screwpush_sim.body_size import with_body_size
from screwpush_sim.errors import VariationNotSupportedError
from screwpush_sim.variation import PARAMETERS, Variation, check_can_vary

COUNT = 4000
BOUNDS = (0.5, 3.0)


def test_by_default_nothing_is_varied_and_nothing_drawn():
    assert Variation().varied == ()
    assert Variation().draw(8, 0) == {}


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name != "body_size"])
def test_factors_lie_between_their_bounds_one_for_each_scene(name):
    drawn = Variation(**{name: BOUNDS}).draw(COUNT, 3)
    assert drawn.keys() == {name}
    assert drawn[name].shape == (COUNT,)
    assert drawn[name].dtype == np.float32
    assert (drawn[name] >= BOUNDS[0]).all()
    assert (drawn[name] <= BOUNDS[1]).all()
    assert drawn[name].min() < 1.01 * BOUNDS[0]
    assert drawn[name].max() > 0.99 * BOUNDS[1]


@pytest.mark.parametrize(
    ("distribution", "quarters"),
    [
        ("uniform", [1.125, 1.75, 2.375]),
        ("log_uniform", [0.5 * 6**0.25, 0.5 * 6**0.5, 0.5 * 6**0.75]),
    ],
)
def test_they_are_distributed_as_the_name_says(distribution, quarters):
    """Quartiles by hand; three standard errors of 4,000 draws are less than 0.06 here."""
    drawn = Variation(friction=BOUNDS, distribution=distribution).draw(COUNT, 0)["friction"]
    np.testing.assert_allclose(np.quantile(drawn, [0.25, 0.5, 0.75]), quarters, atol=0.06)


def test_draws_are_of_the_seed_alone_and_of_each_parameter_alone():
    both = Variation(friction=BOUNDS, drive_gain=BOUNDS)
    first = both.draw(64, 7)
    np.testing.assert_array_equal(first["friction"], both.draw(64, 7)["friction"])
    alone = Variation(friction=BOUNDS).draw(64, 7)["friction"]
    np.testing.assert_array_equal(first["friction"], alone)
    assert (first["friction"] != both.draw(64, 8)["friction"]).all()
    assert abs(np.corrcoef(first["friction"], first["drive_gain"])[0, 1]) < 0.4


@pytest.mark.parametrize(
    ("distribution", "sizes"),
    [("uniform", [0.5, 1.25, 2.0]), ("log_uniform", [0.5, 1.0, 2.0])],
)
def test_sizes_are_a_few_in_turn_the_bounds_included_whatever_the_seed(distribution, sizes):
    variation = Variation(body_size=(0.5, 2.0), body_sizes=3, distribution=distribution)
    for drawn in (variation.draw(7, 0), variation.draw(7, 1), variation.draw_sizes(7)):
        np.testing.assert_allclose(drawn["body_size"], (sizes * 3)[:7], rtol=1e-6)
    assert Variation(friction=BOUNDS).draw_sizes(7) == {}
    one = Variation(body_size=(1.2, 1.2), body_sizes=1).draw(3, 0)["body_size"]
    np.testing.assert_array_equal(one, np.float32([1.2] * 3))


def test_a_larger_body_is_one_of_the_same_density():
    """Against the bolt that is made with every length longer, which works its inertia out anew."""
    bolt, factor = Bolt(), 1.4
    lengths = {f.name: factor * getattr(bolt, f.name) for f in dataclasses.fields(bolt)}
    longer = Bolt(**(lengths | {"density": bolt.density}))
    (group,) = with_body_size(ARM, factor).groups
    (wanted,) = make_scene(SceneConfig(screw=longer)).groups
    for one, other in zip(group.shapes, wanted.shapes, strict=True):
        for name, value in dataclasses.asdict(one).items():
            if isinstance(value, str) or value is None or name == "faces":
                assert value == getattr(other, name)
            else:
                np.testing.assert_allclose(value, getattr(other, name), rtol=1e-12)
    assert group.inertia is not None
    for name, value in dataclasses.asdict(group.inertia).items():
        np.testing.assert_allclose(value, getattr(wanted.inertia, name), rtol=1e-12)
    assert (group.start_pos_w, group.visuals) == (ARM.groups[0].start_pos_w, ARM.groups[0].visuals)


def test_equal_bounds_are_one_factor_for_all():
    drawn = Variation(friction=(0.5, 0.5)).draw(4, 0)
    np.testing.assert_array_equal(drawn["friction"], np.float32([0.5] * 4))


ARM = make_scene(SceneConfig())
FIGURE = humanoid.make_scene()


@pytest.mark.parametrize(
    ("scene", "can", "names", "said"),
    [
        (ARM, (), ("friction",), "friction: engine e cannot vary it; valid: none"),
        (
            *(ARM, ("drive_gain", "body_mass"), ("body_mass", "robot_mass")),
            "robot_mass: engine e cannot vary it; valid: body_mass, drive_gain",
        ),
        (
            *(FIGURE, PARAMETERS, ("body_mass",)),
            "body_mass: the scene has no bodies; valid: friction, robot_mass, drive_gain",
        ),
    ],
)
def test_what_cannot_be_varied_is_one_line_with_what_can(scene, can, names, said):
    with pytest.raises(VariationNotSupportedError) as caught:
        check_can_vary("e", can, scene, names)
    assert str(caught.value) == said


def test_what_can_be_varied_passes():
    check_can_vary("e", PARAMETERS, ARM, PARAMETERS)
    check_can_vary("e", (), FIGURE, ())
