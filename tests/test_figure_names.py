"""Figures in words, with the unit that their names end with."""

import pytest

from screwpush_jax.figure_names import with_value, words_and_unit

NAMES = {
    "speed_m_s": "speed 2.50 m/s",
    "spin_rad_s": "spin 2.50 rad/s",
    "closest_pair_m": "closest pair 2.50 m",
    "D_m": "D 2.50 m",
    "settle_s": "settle 2.50 s",
    "upright": "upright 2.50",
    "m": "m 2.50",
    "out_of_area": "out of area 2.50",
    "rooms": "rooms 2.50",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_said_in_words_with_its_unit(name):
    assert with_value(name, "2.50") == NAMES[name]


def test_words_and_unit_come_apart():
    assert words_and_unit("joint_vel_rad_s") == ("joint vel", "rad/s")
    assert words_and_unit("upright") == ("upright", "")
