"""The arm's reach, against the shipped inverse kinematics on a grid, joint limits included."""

import jax
import numpy as np
import pytest

from screwpush_jax.tasks.kinematics import TipPose, forward_kinematics, inverse_kinematics
from screwpush_jax.tasks.separate.config import SeparateConfig

DOWN = np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]], np.float32)


@pytest.fixture(scope="module")
def is_reached(arm):
    """Whether the arm puts its tip on each of `[n, 3]` (m), the rod straight down."""
    limit = np.array(arm.range_rad, np.float32)
    home = np.array(arm.home_rad, np.float32)

    @jax.jit
    def error_m(points):
        def one(point):
            joints = inverse_kinematics(arm, TipPose(point, DOWN), home)
            return forward_kinematics(arm, joints.clip(-limit, limit)).pos_w - point

        return jax.vmap(one)(points)

    return lambda points: np.linalg.norm(error_m(points.astype(np.float32)), axis=-1) < 1e-3


def grid(center, half, heights):
    steps = np.linspace(-half, half, 21)
    x, y, z = np.meshgrid(center[0] + steps, center[1] + steps, np.linspace(*heights, 5))
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=-1)


def is_accepted(arm, center, half, heights):
    config = SeparateConfig(area_center_m=center, area_half_m=half, tip_height_m=heights)
    try:
        config.check_reach(arm)
    except ValueError as error:
        return not str(error).startswith("area_center_m ")
    return True


def test_an_area_is_taken_if_the_arm_reaches_all_of_it(arm, is_reached):
    rng = np.random.default_rng(0)
    taken = refused = 0
    for _ in range(60):
        angle, radius = rng.uniform(0.7, 2 * np.pi - 0.7), rng.uniform(0.3, 1.2)
        center = (float(radius * np.cos(angle)), float(radius * np.sin(angle)))
        half, heights = float(rng.uniform(0.02, 0.3)), (0.012, float(rng.uniform(0.05, 0.4)))
        if is_accepted(arm, center, half, heights):
            assert is_reached(grid(center, half, heights)).all()
            taken += 1
        elif center[0] + half < 0.0:  # not for the seam behind the arm
            assert not is_reached(grid(center, half, heights)).all()
            refused += 1
    assert min(taken, refused) > 8


def test_the_task_s_own_area_is_taken_and_the_seam_is_not(arm):
    assert is_accepted(arm, (-0.75, 0.0), 0.35, (0.012, 0.12))
    assert is_accepted(arm, (0.7, 0.21), 0.2, (0.012, 0.12))
    assert not is_accepted(arm, (0.7, 0.19), 0.2, (0.012, 0.12))
    assert is_accepted(arm, (-0.7, 0.19), 0.2, (0.012, 0.12))
    assert not is_accepted(arm, (0.0, 0.0), 0.35, (0.012, 0.12))
