"""Configuration: that no field is idle, and what each of them takes."""

import dataclasses
import math
from pathlib import Path
from typing import Annotated

import pytest
from annotated_types import MultipleOf

from screwpush_jax.algorithms.common.config import ClippedConfig
from screwpush_jax.algorithms.registry import ALGORITHMS
from screwpush_jax.bounds import check_section
from screwpush_jax.config import config_type, config_type_of, from_tree, load_yaml, parse
from screwpush_jax.config_text import field_docs, to_yaml
from screwpush_jax.errors import UsageError
from screwpush_jax.tasks.registry import TASKS
from screwpush_jax.yaml_file import load_tree
from screwpush_sim.assets.bolt import Bolt
from screwpush_sim.variation import PARAMETERS

Config = config_type()

ROOT = Path(__file__).parent.parent
INT32, INT64 = 2**31 - 1, 2**63 - 1


def leaf_fields(config, prefix=""):
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaf_fields(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", type(config)


DEFAULTS = {task: config_type(task)() for task in TASKS}
EACH = [*DEFAULTS.values(), *(config_type(algorithm=name)() for name in ALGORITHMS)]
LEAVES = dict(leaf for config in EACH for leaf in leaf_fields(config))


def default_with(*paths):
    """The default configuration of the first task or algorithm that has all these fields."""
    known = ((dict(leaf_fields(config)), config) for config in EACH)
    return next(config for leaves, config in known if set(paths) <= leaves.keys())


def default_of(path):
    value = default_with(path)
    for name in path.split("."):
        value = getattr(value, name)
    return value


def with_values(values):
    """A default configuration with other values, by their paths."""
    config = default_with(*values)
    for path, value in values.items():
        tree = value
        for name in reversed(path.split(".")):
            tree = {name: tree}
        config = from_tree(tree, type(config), config)
    return config


def type_of(path):
    value = default_of(path)
    return type(value[0] if isinstance(value, tuple) else value)


NUMBERS = {path for path in LEAVES if type_of(path) in (int, float)}
FLOATS = sorted(path for path in NUMBERS if type_of(path) is float)

PHYSICS = ("train", "eval", "reference")

ANY_FINITE = {
    "env.area_center_m",
    "env.goal_pos_m",
    *("isaacgym.rest_offset_m", "physx.rest_offset_m"),
    *("ppo.init_log_std", "grpo.init_log_std"),
    *(path for path in NUMBERS if path.startswith("env.reward.")),
}
"""Fields that declare no bound of their own."""

OUTSIDE = {
    **dict.fromkeys(
        (
            *("num_envs", "num_gpus", "checkpoint_every", "keep_checkpoints", "eval.episodes"),
            *("env.horizon", "env.hold_steps"),
            *(f"env.scene.physics.{name}.decimation" for name in PHYSICS),
            *("env.bank_size", "ppo.num_steps", "ppo.num_epochs", "ppo.num_minibatches"),
            *("mujoco_warp.contacts_per_scene", "mujoco_warp.constraints_per_scene"),
            *("mujoco_warp.solver_iterations", "mujoco.solver_iterations", "isaacgym.substeps"),
            *("isaacgym.max_gpu_contact_pairs", "physx.contacts_per_scene"),
            *("physx.patches_per_scene", "physx.pairs_per_scene"),
        ),
        (0, -1, INT32 + 1),
    ),
    **dict.fromkeys(("seed", "eval.seed"), (-1, 2**32, 10**30)),
    "total_env_steps": (0, -5, INT64 + 1),
    "pipeline_stages": (0, 9),
    "max_minutes": (-1e-9,),
    **dict.fromkeys(("video.every", "video.episodes", "ppo.num_shards"), (-1, INT32 + 1)),
    "video.scenes": (0, 17),
    "video.size": ([14, 360], [480, 4098]),
    "stop_at_success": (-1e-9, 1.0),
    "env.scene.num_screws": (1, 9, -3),
    "env.fewest_screws": (-1, 9),
    "ppo.set_encoder.hidden_sizes": ([], [0], [64, -1], [65537]),
    "ppo.set_encoder.num_heads": (0, 65),
    **dict.fromkeys((f"env.scene.physics.{name}.dt_s" for name in PHYSICS), (0.0, -0.005, 0.1001)),
    **dict.fromkeys(
        (f"env.scene.physics.{name}.contact_impedance" for name in PHYSICS),
        ([0.0, 0.9], [0.9, 1.0], [-0.1, 0.5]),
    ),
    **dict.fromkeys(
        (f"env.scene.physics.{name}.solver_iterations" for name in PHYSICS), (-1, INT32 + 1)
    ),
    **dict.fromkeys(
        (
            *(f"env.scene.physics.{name}.contact_time_s" for name in PHYSICS),
            *("env.scene.friction", "env.scene.screw.length_m", "env.scene.screw.shank_radius_m"),
            *("env.scene.screw.head_thickness_m", "env.scene.screw.head_across_corners_m"),
            *("env.scene.screw.density", "env.separation_m", "env.rest_speed_m_s"),
            *("env.max_height_m", "env.area_half_m", "env.max_speed_m_s"),
            *("env.position_step_m", "env.joint_speed_rad_s"),
            *("env.jumble_radius_m", "env.jumble_all_pairs", "env.jumble_height_m"),
            *("env.jumble_speed_m_s", "env.progress_clip", "ppo.clip_eps"),
            *("ppo.value_clip", "ppo.max_grad_norm", "ppo.learning_rate", "ppo.target_kl"),
            *("isaacgym.contact_offset_m", "isaacgym.max_depenetration_m_s"),
            *("isaacgym.buffer_multiplier", "isaacgym.stiffness_scale"),
            *("isaacgym.friction_offset_threshold_m", "isaacgym.friction_correlation_m"),
            *("physx.contact_offset_m", "physx.max_depenetration_m_s"),
            *("physx.friction_offset_threshold_m", "physx.friction_correlation_m"),
        ),
        (0.0, -0.1, 1e-46),  # the last is zero in float32
    ),
    **dict.fromkeys(
        (f"env.variation.{name}" for name in PARAMETERS),
        ([0.0, 1.0], [-0.5, 1.0], [1.0, 100.1], [0.0099, 1.0]),
    ),
    "env.variation.body_size": ([0.0, 1.0], [-0.5, 1.0], [1.0, 10.1], [0.099, 1.0]),
    "env.variation.body_sizes": (0, 65),
    "env.goal_radius_m": (0.0, -0.1, 1e-46),
    "env.start_distance_m": (-1e-9,),
    **dict.fromkeys(("env.success_speed_m_s", "env.min_height_m"), (0.0, -0.1, 1e-46)),
    "env.start_joint_rad": (-1e-9, 0.501),
    "env.start_joint_vel_rad_s": (-1e-9,),
    "env.upright_from": (-1.0001, 1.0001),
    "env.heading_full": (0.0, 1.0001),
    "env.joint_limit_from": (-1e-9, 1.0),
    "env.fall_height_m": (1e-9, 0.05),
    "env.disturbance.delay_steps": ([-1, 0], [0, 9]),
    "env.disturbance.hide_body_velocities": (-1e-9, 1.0001),
    "env.disturbance.push_every_steps": (0, -1, INT32 + 1),
    **dict.fromkeys(
        (
            *("env.disturbance.joint_pos_noise_rad", "env.disturbance.joint_pos_bias_rad"),
            *("env.disturbance.joint_vel_noise_rad_s", "env.disturbance.base_linvel_noise_m_s"),
            *("env.disturbance.base_angvel_noise_rad_s", "env.disturbance.base_tilt_noise_rad"),
            "env.disturbance.push_m_s",
        ),
        (-1e-9, 100.1),
    ),
    **dict.fromkeys(
        ("env.disturbance.body_pos_noise_m", "env.disturbance.body_pos_bias_m"), (-1e-9, 0.1001)
    ),
    **dict.fromkeys(("env.rotation_step_rad", "env.max_tilt_rad"), (-1e-9, 1.501)),
    **dict.fromkeys(("env.tip_height_m", "env.start_tip_height_m"), ([-1e-9, 0.1], [0.01, -0.1])),
    "env.jumble_closest_pair": (0.0, 1.0001),
    "env.settle_s": (0.0, 60.01),
    **dict.fromkeys(
        (
            *("env.drop_spread_m", "env.start_tip_half_m", "ppo.vf_coef"),
            *(
                "ppo.ent_coef",
                "mujoco_warp.max_overflow_share",
                "physx.max_overflow_share",
                "isaacgym.bounce_threshold_m_s",
            ),
            *("isaacgym.damping_scale", "isaacgym.thickness_m"),
        ),
        (-1e-9,),
    ),
    **dict.fromkeys(("ppo.gamma", "ppo.gae_lambda"), (-1e-9, 1.0000001)),
    "ppo.learning_rate_range": ([0.0, 0.1], [0.001, 0.0]),
    "ppo.std_range": ([0.0, 2.0], [0.01, -1.0]),
    "ppo.hidden_sizes": ([], [0], [64, -1], [65537]),
    **dict.fromkeys((f"{e}.num_threads" for e in ("mujoco", "isaacgym", "physx")), (-1, 1025)),
    **dict.fromkeys(("isaacgym.start_timeout_s", "isaacgym.step_timeout_s"), (0.0, 86400.1)),
    "isaacgym.spin_s": (-1e-9, 86400.1),
    **dict.fromkeys(("isaacgym.restarts", "isaacgym.graphics_device"), (-1, INT32 + 1)),
    **dict.fromkeys(("isaacgym.position_iterations", "physx.position_iterations"), (0, 256)),
    **dict.fromkeys(("isaacgym.velocity_iterations", "physx.velocity_iterations"), (-1, 256)),
    "physx.collision_stack_mb": (0, 4096),
    "physx.env_id_bits": (-2, 17),
    "grpo.group_size": (1, 0, -8, INT32 + 1),
    "grpo.kl_coef": (-1e-9,),
}
SHARED = {field.name for field in dataclasses.fields(ClippedConfig)}
OUTSIDE |= {  # what every algorithm can be told
    path.replace("ppo.", "grpo.", 1): values
    for path, values in OUTSIDE.items()
    if path.startswith("ppo.") and path.split(".")[1] in SHARED
}
"""Values next to what each number takes, and beyond, by hand."""

INSIDE = {
    "seed": (2**32 - 1,),
    "eval.seed": (2**32 - 1,),
    "total_env_steps": (1, 10**12),
    "checkpoint_every": (1, INT32),
    "pipeline_stages": (1, 8),
    "stop_at_success": (0.0, 0.999),
    "env.scene.num_screws": (2, 8),
    "env.fewest_screws": (0, 3),
    "ppo.set_encoder.num_heads": (1, 64),
    "env.fall_height_m": (0.0,),
    "env.max_tilt_rad": (0.0, 1.5),
    "env.tip_height_m": ([0.06, 0.10], [0.0, 0.2]),
    "env.start_tip_height_m": ([0.06, 0.06], [0.03, 0.12]),
    "env.start_tip_half_m": (0.0, 0.35),
    "env.hold_steps": (1, 300),
    "env.disturbance.delay_steps": ([0, 8], [2, 2]),
    "env.disturbance.hide_body_velocities": (0.0, 1.0),
    "ppo.gamma": (0.0, 1.0),
    "ppo.gae_lambda": (0.0, 1.0),
    "ppo.vf_coef": (0.0,),
    "ppo.ent_coef": (0.0,),
    "ppo.hidden_sizes": ([1], [8] * 9),
    "ppo.learning_rate": (1e-5, 5e-3),
    "ppo.learning_rate_range": ([1e-3, 1e-3],),
    "ppo.std_range": ([0.1, 0.7],),
    "isaacgym.restarts": (0, 1000),
    "isaacgym.velocity_iterations": (0, 255),
    "isaacgym.rest_offset_m": (-0.01,),
    "isaacgym.thickness_m": (0.0, 0.02),
    "physx.rest_offset_m": (-0.01,),
    "physx.env_id_bits": (-1, 16),
    "grpo.group_size": (2, 4096),
    "grpo.kl_coef": (0.0,),
    "isaacgym.spin_s": (0.0,),
    "mujoco.num_threads": (0, 1024),
}
"""Values at the border that are taken."""


def refusal(values):
    with pytest.raises(UsageError) as caught:
        with_values(values).check()
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("path", [path for path, kind in LEAVES.items() if kind is not Bolt])
def test_each_field_is_explained(path):
    text = field_docs(LEAVES[path])[path.rsplit(".", 1)[-1]]
    assert text.endswith((".", "seen", ")"))
    assert len(text) > 8


def test_default_yaml_says_what_the_code_says():
    """Made anew by `python -m screwpush_jax.train --print-config > configs/default.yaml`."""
    text = (ROOT / "configs" / "default.yaml").read_text()
    assert text == to_yaml(Config())


@pytest.mark.parametrize("task", TASKS)
def test_a_printed_configuration_is_read_back_whole(task, tmp_path):
    changed = from_tree(
        {"seed": 7, "ppo": {"hidden_sizes": [3, 4]}}, config_type(task), DEFAULTS[task]
    )
    (tmp_path / "printed.yaml").write_text(to_yaml(changed))
    assert load_yaml(tmp_path / "printed.yaml", config_type(task), DEFAULTS[task]) == changed


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_each_preset_is_valid(path):
    kind = config_type_of(load_tree(path))
    load_yaml(path, kind, kind()).check()


def test_each_number_has_its_bounds_in_this_file():
    assert OUTSIDE.keys() | ANY_FINITE == NUMBERS
    assert not OUTSIDE.keys() & ANY_FINITE


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_number_outside_its_bounds_is_refused(path):
    for value in OUTSIDE[path]:
        said = refusal({path: value})
        assert said.startswith(f"--{path.replace('_', '-')} ")
        assert "; valid: " in said


@pytest.mark.parametrize("path", INSIDE)
def test_a_number_at_its_bound_is_taken(path):
    for value in INSIDE[path]:
        with_values({path: value}).check()


@pytest.mark.parametrize("path", FLOATS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_a_number_that_is_not_finite_in_float32_is_refused(path, value):
    default = default_of(path)
    pair = isinstance(default, tuple)
    for given in [[value, default[1]], [default[0], value]] if pair else [value]:
        assert refusal({path: given}).startswith(f"--{path.replace('_', '-')} ")


RELATIONS = {
    "minibatches divide": ({"ppo.num_minibatches": 7}, "ppo.num-minibatches 7", "valid: 1, 2, 3"),
    "minibatches divide horizons": (
        {"num_envs": 8, "grpo.num_minibatches": 7, "env.horizon": 20},
        "grpo.num-minibatches 7",
        "num_envs * 20 steps = 160; valid: 1, 2, 4",
    ),
    "groups share a start": (
        {"num_envs": 16, "grpo.num_minibatches": 1, "env.variation.body_size": [0.8, 1.2]},
        "grpo.group-size 8",
        "valid: body_size 1 1",
    ),
    "groups divide": (
        {"num_envs": 12, "grpo.group_size": 8},
        "grpo.group-size 8",
        "num_envs = 12; valid: 2, 3, 4, 6, 12",
    ),
    "no groups of one": (
        {"num_envs": 1, "grpo.group_size": 8},
        "grpo.group-size 8",
        "num_envs = 1; valid: another num_envs",
    ),
    "horizons in int32": ({"num_envs": INT32, "grpo.kl_coef": 0.0}, "num-envs", "at most 7158278"),
    "deviations reversed in grpo": ({"grpo.std_range": [2.0, 0.1]}, "grpo.std-range", "lower bound"),
    "rate above in grpo": ({"grpo.learning_rate": 0.006}, "grpo.learning-rate 0.006", "0.005"),
    "batch in int32": ({"num_envs": INT32}, "num-envs", "at most 89478485"),
    "iterations in int32": (
        {"num_envs": 8, "ppo.num_steps": 1, "total_env_steps": INT32 * 8 + 1},
        "total-env-steps",
        f"at most {INT32 * 8}",
    ),
    "shards and GPUs": (
        {"ppo.num_shards": 6, "num_gpus": 4},
        "ppo.num-shards 6",
        "a multiple of num_gpus 4",
    ),
    "shards of environments": (
        {"ppo.num_shards": 6, "num_envs": 4},
        "ppo.num-shards 6",
        "does not divide num_envs * num_gpus = 4",
    ),
    "minibatches of a shard": (
        {"ppo.num_shards": 4, "num_envs": 4, "ppo.num_steps": 9, "ppo.num_minibatches": 6},
        "ppo.num-minibatches 6",
        "a shard's 9 samples (4 shards); valid: 1, 3, 9",
    ),
    "stages divide": ({"num_envs": 10, "pipeline_stages": 4}, "pipeline-stages 4", "valid: 1, 2, 5"),
    "groups within a stage": (
        {"num_envs": 24, "pipeline_stages": 2, "grpo.group_size": 8},
        "grpo.group-size 8",
        "num_envs / pipeline_stages = 12; valid: 2, 3, 4, 6, 12",
    ),
    "no list of devices": ({"placement.sim": "0,x"}, "placement.sim 0,x", "such as 0-1 or 0,2"),
    "devices backwards": ({"placement.learner": "3-1"}, "placement.learner 3-1", "numbers from 0"),
    "a device twice": ({"placement.sim": "0-1,1"}, "placement.sim 0-1,1", "each once"),
    "placement of one": (
        {"placement.sim": "0-1"},
        "placement.learner (none) names 0 devices and placement.sim 0-1 2",
        "valid: as many in both",
    ),
    "simulator and learner on one": (
        {"placement.sim": "0-1", "placement.learner": "1,2"},
        "placement.learner 1,2 names 1",
        "valid: others than 0-1, or neither option",
    ),
    "odd picture": ({"video.size": [481, 360]}, "video.size 481 360", "two even numbers"),
    "training's seed": ({"seed": 7, "eval.seed": 7}, "eval.seed 7", "another than --seed"),
    "axes twice": ({"env.active_axes": ["x", "x"]}, "env.active-axes x x", "different"),
    "no axes": ({"env.active_axes": []}, "env.active-axes (none)", "one or more"),
    "prototype19": (
        {"env.observation": "prototype19", "env.scene.num_screws": 4},
        "env.observation prototype19",
        "--env.scene.num-screws 3",
    ),
    "one screw": ({"env.fewest_screws": 1}, "env.fewest-screws 1", "0, or 2 to scene.num_screws, 3"),
    "more than there are": ({"env.fewest_screws": 4}, "env.fewest-screws 4", "scene.num_screws, 3"),
    "some in an order": ({"env.fewest_screws": 2}, "env.fewest-screws 2", "--env.observation set"),
    "a bank without some number": (
        {
            **{"env.observation": "set", "env.fewest_screws": 2, "env.bank_size": 7},
            **{"env.variation.body_size": [0.8, 1.2], "env.variation.body_sizes": 4},
        },
        "env.bank-size 7",
        "at least 8",
    ),
    "heads of unequal width": (
        {"ppo.set_encoder.kind": "attention", "ppo.set_encoder.num_heads": 5},
        "ppo.set-encoder.num-heads 5",
        "valid: 1, 2, 4, 8, 16, 32, 64",
    ),
    "deviations reversed": ({"ppo.std_range": [2.0, 0.1]}, "ppo.std-range", "lower bound first"),
    "begins beyond": ({"ppo.std_range": [0.1, 0.5]}, "ppo.init-log-std", "-0.693"),
    "rates reversed": ({"ppo.learning_rate_range": [0.1, 1e-4]}, "ppo.learning-rate-range", "lower"),
    "rate above": ({"ppo.learning_rate": 0.006}, "ppo.learning-rate 0.006", "1e-05 to 0.005"),
    "rate below": ({"ppo.learning_rate": 9e-6}, "ppo.learning-rate 9e-06", "1e-05 to 0.005"),
    "heights reversed": ({"env.tip_height_m": [0.2, 0.1]}, "env.tip-height-m", "lower"),
    "starts reversed": (
        {"env.start_tip_height_m": [0.09, 0.08]},
        "env.start-tip-height-m 0.09 0.08",
        "lower",
    ),
    "start too low": (
        {"env.start_tip_height_m": [0.011, 0.1]},
        "env.start-tip-height-m",
        "0.012 to 0.12",
    ),
    "start too high": (
        {"env.start_tip_height_m": [0.06, 0.121]},
        "env.start-tip-height-m",
        "0.012 to 0.12",
    ),
    "held for ever": ({"env.hold_steps": 301}, "env.hold-steps 301", "horizon, 300"),
    "start outside": ({"env.start_tip_half_m": 0.351}, "env.start-tip-half-m", "0.35"),
    "jumble outside": ({"env.jumble_radius_m": 0.351}, "env.jumble-radius-m", "0.35"),
    "closest not closest": ({"env.jumble_closest_pair": 0.81}, "env.jumble-closest", "0.8"),
    "rest is a blow-up": ({"env.max_speed_m_s": 0.04}, "env.rest-speed-m-s", "0.04"),
    "starts touch": ({"env.jumble_height_m": 0.06}, "env.jumble-height-m", "0.06"),
    "jumble in the table": ({"env.jumble_height_m": 0.006}, "env.jumble-height-m", "0.006"),
    "success in the table": ({"env.max_height_m": 0.006}, "env.max-height-m", "0.006"),
    "shanks in each other": ({"env.separation_m": 0.019}, "env.jumble-closest-pair", "touch"),
    "factors reversed": (
        {"env.variation.friction": [1.67, 0.5]},
        "env.variation.friction 1.67 0.5",
        "the smaller factor first",
    ),
    "a fall when it stands": ({"env.min_height_m": 1.1}, "env.min-height-m 1.1", "stands, 1.1"),
    "success is a blow-up": (
        {"env.success_speed_m_s": 30.0},
        "env.success-speed-m-s 30",
        "less than max_speed_m_s, 30",
    ),
    "settles no step": ({"env.settle_s": 0.049}, "env.settle-s 0.049", "0.05"),
    "no room": (
        {"env.separation_m": 0.363, "env.scene.num_screws": 8},
        "env.separation-m 0.363",
        "at most 0.3623",
    ),
    "far away": ({"env.area_center_m": [5.0, 5.0]}, "env.area-center-m 5 5", "0.375 to 1.3"),
    "huge area": ({"env.area_half_m": 3.0}, "env.area-center-m", "0.375 to 1.3"),
    "too high": ({"env.tip_height_m": [0.01, 2.0]}, "env.area-center-m", "0.375 to 1.3"),
    "behind the arm": ({"env.area_center_m": [0.75, 0.0]}, "env.area-center-m", "joint 1"),
    "short screw": ({"env.scene.screw.length_m": 0.014}, "env.scene.screw.length-m 0.014", "longer than"),
    "small head": ({"env.scene.screw.head_across_corners_m": 0.0119}, "env.scene.screw.head-across", "0.012"),
    "evaluated at another rate": (
        {"env.scene.physics.eval.decimation": 24},
        "env.scene.physics.eval.decimation 24",
        "that of train, 0.05 s",
    ),
    "a reference at another rate": (
        {"env.scene.physics.reference.dt_s": 0.002},
        "env.scene.physics.reference.decimation 50",
        "that of train, 0.05 s",
    ),
    "evaluated in longer steps": (
        {"env.scene.physics.train.dt_s": 0.001, "env.scene.physics.train.decimation": 50},
        "env.scene.physics.eval.dt-s 0.002",
        "at most train.dt_s, 0.001, or set coarse_eval",
    ),
    "softer when deeper": (
        {"env.scene.physics.eval.contact_impedance": [0.95, 0.9]},
        "env.scene.physics.eval.contact-impedance 0.95 0.9",
        "the smaller one first",
    ),
    "eval of nothing that differs": (
        {"eval.variation": True, "env.variation.body_sizes": 4},
        "eval.variation True",
        "valid: False, or a range",
    ),
    "delays reversed": (
        {"env.disturbance.delay_steps": [2, 1]},
        "env.disturbance.delay-steps 2 1",
        "the shorter delay first",
    ),
    "never touches": ({"isaacgym.rest_offset_m": 0.002}, "isaacgym.rest-offset-m 0.002", "less than"),
    "never touches in physx": ({"physx.rest_offset_m": 0.5}, "physx.rest-offset-m 0.5", "less than"),
}  # fmt: skip


@pytest.mark.parametrize("relation", RELATIONS)
def test_fields_that_contradict_each_other_are_refused(relation):
    values, begins, hint = RELATIONS[relation]
    said = refusal(values)
    assert said.startswith(f"--{begins}")
    assert hint in said


@pytest.mark.parametrize(
    "values",
    [
        {"env.separation_m": 0.362, "env.scene.num_screws": 8},
        {"env.area_center_m": [0.0, -0.75]},
        {"env.area_center_m": [0.7, 0.21], "env.area_half_m": 0.2},
        {"ppo.learning_rate": 0.5, "ppo.schedule": "linear"},
        {"env.hold_steps": 300},
        {
            "env.scene.physics.train.dt_s": 0.001,
            "env.scene.physics.train.decimation": 50,
            "env.scene.physics.coarse_eval": True,
        },
        {"env.scene.screw.length_m": 0.0141, "env.jumble_closest_pair": 0.081},
        {"env.observation": "prototype19"},
    ],
)
def test_what_only_just_fits_together_is_taken(values):
    with_values(values).check()


@pytest.mark.parametrize("path", [path for path in LEAVES if isinstance(default_of(path), str)])
def test_text_with_control_characters_is_refused_in_one_line(path):
    assert refusal({path: "a\nb\x1b[31m"}).isprintable()


def test_a_bound_that_nobody_would_hold_is_an_error_of_the_code():
    kind = dataclasses.make_dataclass("Odd", [("even", Annotated[int, MultipleOf(2)], 3)])
    with pytest.raises(TypeError, match="MultipleOf"):
        check_section(kind())


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (["--env.scene.num-screws", "9"], "2 to 8"),
        (["--env.active-axes", "x", "x"], "different"),
        (["--ppo.gamma", "1.5"], "0 to 1"),
        (["--ppo.num-steps", "0"], "greater than 0"),
        (["--ppo.hidden-sizes"], "1 or more values"),
        (["--log.to", "wandb,mlflow"], "--log.to mlflow; valid: any of jsonl, tensorboard, wandb"),
        (["--log.wandb"], r"since 0\.5\.0 log\.to: jsonl, tensorboard, wandb"),
    ],
)
def test_flags_that_cannot_run_are_refused(flags, hint):
    with pytest.raises(UsageError, match=hint):
        parse(Config, flags, Config(), "test", "").check()


@pytest.mark.parametrize(
    ("words", "to"),
    [
        (["--log.to", "tensorboard,wandb,swanlab,jsonl"], ("tensorboard", "wandb", "swanlab", "jsonl")),
        (["--log.to=wandb"], ("wandb",)),
        (["--log.to", "wandb", "swanlab", "--seed", "5"], ("wandb", "swanlab")),
        (["--log.to", "--seed", "5"], ()),
        ([], ("jsonl", "tensorboard")),
    ],
)  # fmt: skip
def test_loggers_are_named_with_commas_or_spaces(words, to):
    config = parse(Config, words, Config(), "test", "")
    config.check()
    assert config.log.to == to


@pytest.fixture
def homeless(monkeypatch):
    """A process without HOME whose user nobody knows, as in a bare container."""
    import pwd

    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_there_is_no_cache_and_no_fault():
    said = []
    assert Config().compile_cache_dir(said.append) is None
    assert said == []
    Config().check()
    assert Config(compile_cache="~/mine").compile_cache_dir(said.append) is None
    assert len(said) == 1
    assert "~/mine" in said[0]
    assert Config(compile_cache="/tmp/mine").compile_cache_dir(said.append) == Path("/tmp/mine")
    assert len(said) == 1


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("path", ["runs_dir", "isaacgym.python", "isaacgym.python_path"])
def test_without_a_home_a_path_that_needs_one_is_refused(path):
    said = refusal({path: "~/mine"})
    assert said.startswith(f"--{path.replace('_', '-')} ~/mine: no such home folder")


def test_a_leading_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Config(runs_dir="~/runs").runs_path == tmp_path / "runs"
    assert Config(compile_cache="~/c").compile_cache_dir() == tmp_path / "c"
    assert Config(compile_cache="").compile_cache_dir() is None
