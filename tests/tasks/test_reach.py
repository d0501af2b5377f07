"""The arm's reach, against the shipped inverse kinematics on a grid, joint limits included."""

import jax
import numpy as np
import pytest
from scipy.optimize import minimize

from screwpush_jax.tasks.screws.kinematics import TipPose, forward_kinematics, inverse_kinematics
from screwpush_jax.tasks.screws.reach import distances_m
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_sim.assets.arm_with_bolts import SceneConfig
from screwpush_sim.assets.bolt import Bolt

EIGHT = [(0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.1), (0.5, 0.9), (0.1, 0.5), (0.9, 0.5)]
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
        config.check_reach()
    except ValueError as error:
        return not str(error).startswith("area_center_m ")
    return True


@pytest.mark.slow
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


def test_the_wrist_s_distances_are_those_of_a_grid(arm):
    rng = np.random.default_rng(1)
    shoulder = np.array(arm.base_pos_w) + arm.offsets_m[0]
    for _ in range(50):
        center, half = rng.uniform(-1, 1, 2), rng.uniform(0.01, 1)
        heights = np.sort(rng.uniform(0, 0.4, 2))  # below, across and above the shoulder's level
        points = grid(center, half, heights) + np.array([0, 0, arm.tip_m])
        distances = np.linalg.norm(points - shoulder, axis=-1)
        near, far = distances_m(arm, tuple(center), half, tuple(heights))
        step = max(half / 10, np.ptp(heights) / 4)
        assert distances.min() - step <= near <= distances.min() + 1e-9
        np.testing.assert_allclose(far, distances.max(), rtol=1e-9)


@pytest.mark.parametrize("count", range(2, 9))
def test_screws_can_be_as_far_apart_as_is_said_and_no_farther(count):
    """Against the best of many searches for points in the unit square with the largest gap."""
    first, second = np.triu_indices(count, 1)

    def gaps(x):
        points = x[:-1].reshape(count, 2)
        return np.sum((points[first] - points[second]) ** 2, axis=-1) - x[-1] ** 2

    def takes(separation_m):
        scene = SceneConfig(num_screws=count, screw=Bolt(shank_radius_m=1e-3))
        config = SeparateConfig(scene, separation_m=separation_m, area_half_m=0.5)
        try:
            config.check_scene()
        except ValueError as error:
            return not str(error).startswith("separation_m ")
        return True

    rng, best = np.random.default_rng(count), 0.0
    bounds = [(0, 1)] * (2 * count) + [(0, 2)]
    for _ in range(100):
        points = rng.uniform(size=(count, 2))
        if count == 8:  # hardly found from anywhere: begin near the four corners and middles
            points = np.array(EIGHT) + rng.normal(0, 0.02, (8, 2))
        start = np.append(points.clip(0, 1), 0.1)
        constraint = {"type": "ineq", "fun": gaps}
        found = minimize(lambda x: -x[-1], start, bounds=bounds, constraints=constraint)
        if found.success and gaps(found.x).min() > -1e-6:
            best = max(best, found.x[-1])
        if not takes(best * (1 + 1e-4)):
            break
    assert not takes(best * (1 + 1e-4)), best
    assert takes(best * (1 - 1e-4)), best
