"""What fields of a configuration have to do with each other: what divides what, and what must differ."""

from typing import TYPE_CHECKING

from screwpush_jax.bounds import LARGEST_INT
from screwpush_jax.tasks import registry as tasks
from screwpush_jax.tasks.start_classes import start_classes

if TYPE_CHECKING:
    from screwpush_jax.config import Config


def check(config: "Config") -> None:
    """Raises ValueError, beginning with a field's name, for numbers that do not go together."""
    checks = _check_counts, _check_divisors, _check_groups, _check_shards, _check_seeds
    for each in (*checks, _check_variation):
        each(config)


def _check_counts(config: "Config") -> None:
    """What is counted in 32 bits."""
    steps = config.num_steps
    if config.batch_size > LARGEST_INT:
        raise ValueError(
            f"num_envs {config.num_envs}; valid: at most {LARGEST_INT // steps // config.num_gpus}, as"
            f" num_envs * num_gpus * {steps} steps are samples numbered up to {LARGEST_INT}"
        )
    if config.num_iterations > LARGEST_INT:
        raise ValueError(
            f"total_env_steps {config.total_env_steps}; valid: at most"
            f" {LARGEST_INT * config.batch_size}, as iterations of {config.batch_size} are counted up"
            f" to {LARGEST_INT}"
        )


def _check_divisors(config: "Config") -> None:
    """Environments in stages, those of a stage in groups, samples in minibatches."""
    if config.num_envs % config.pipeline_stages:
        good = [str(n) for n in range(1, 9) if config.num_envs % n == 0]
        raise ValueError(
            f"pipeline_stages {config.pipeline_stages} does not divide num_envs = {config.num_envs};"
            f" valid: {', '.join(good)}"
        )
    of_stage = "num_envs / pipeline_stages" if config.pipeline_stages > 1 else "num_envs"
    of_all = "num_envs * num_gpus" if config.num_gpus > 1 else "num_envs"
    samples = f"{of_all} * {config.num_steps} steps"
    for name, least, whole, what in (
        ("group_size", 2, config.stage_envs, of_stage),
        ("num_minibatches", 1, config.batch_size, samples),
    ):
        if whole % (value := getattr(config.algorithm_options, name)):
            good = [str(n) for n in range(least, min(whole, 128) + 1) if whole % n == 0]
            raise ValueError(
                f"{config.algorithm}.{name} {value} does not divide {what} ="
                f" {whole}; valid: {', '.join(good) or 'another num_envs'}"
            )


def _check_groups(config: "Config") -> None:
    size = config.algorithm_options.group_size
    if size > 1 and start_classes(tasks.find(config.task)(config.env)) > 1:
        raise ValueError(
            f"{config.algorithm}.group_size {size}: a group begins in one start state,"
            " and env.variation.body_size gives its scenes different ones; valid: body_size 1 1"
        )


def _check_shards(config: "Config") -> None:
    shards = config.algorithm_options.num_shards
    if shards % config.num_gpus:
        raise ValueError(
            f"{config.algorithm}.num_shards {shards}; valid: 0, or a multiple of num_gpus {config.num_gpus}"
        )
    shards = shards or config.num_gpus
    if config.all_envs % shards:
        raise ValueError(
            f"{config.algorithm}.num_shards {shards} does not divide num_envs * num_gpus = {config.all_envs};"
            " valid: 0, or a number that does"
        )
    samples, minibatches = config.batch_size // shards, config.algorithm_options.num_minibatches
    if samples % minibatches:
        good = [n for n in range(1, min(samples, 128) + 1) if samples % n == 0]
        raise ValueError(
            f"{config.algorithm}.num_minibatches {minibatches} does not divide a shard's {samples} samples"
            f" ({shards} shards); valid: {', '.join(map(str, good))}"
        )


def _check_seeds(config: "Config") -> None:
    if config.eval.seed == config.seed:
        raise ValueError(
            f"eval.seed {config.eval.seed}; valid: another than --seed, whose start states"
            " training sees"
        )


def _check_variation(config: "Config") -> None:
    variation = getattr(config.env, "variation", None)
    if config.eval.variation and not (variation and variation.varied):
        raise ValueError(
            "eval.variation True: env.variation lets scenes differ in nothing; valid: False, or a range"
            " of env.variation other than 1 1"
        )
