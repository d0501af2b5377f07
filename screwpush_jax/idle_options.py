"""Options of a run that begins which would do nothing there: told, before anybody waits for their effect.

A run that goes on, and whoever judges a policy, takes them as they are.
"""

from screwpush_jax import disturbances
from screwpush_jax.algorithms import registry as algorithms
from screwpush_jax.config import Config
from screwpush_jax.errors import UsageError
from screwpush_jax.tasks import registry as tasks


def check(config: Config) -> None:
    """Raises UsageError for an encoder of sets where nothing shows one, and for what a critic is to see
    where there is none."""
    task, algorithm = tasks.find(config.task)(config.env), algorithms.find(config.algorithm)
    encoder = getattr(config.algorithm_options, "set_encoder", None)
    if encoder is not None and encoder != type(encoder)() and not disturbances.obs_sets(task):
        raise UsageError(
            f"--{algorithm.name}.set-encoder: the observation of --task {task.name} has no set as it is"
            " configured; valid: the encoder's defaults, or an observation that has one"
        )
    if disturbances.shows_truth(task) and not algorithm.has_critic:
        raise UsageError(
            f"--env.disturbance.asymmetric-critic: --algorithm {algorithm.name} has no critic; valid:"
            " --env.disturbance.no-asymmetric-critic"
        )
