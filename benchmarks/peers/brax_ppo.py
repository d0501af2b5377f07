"""Brax's PPO update: its loss, networks and normaliser, jitted as in its training step.

Brax keeps the step inside `ppo.train`, around environments of its own, so the loop over epochs and
minibatches is written again here, line by line from `brax/training/agents/ppo/train.py`.
"""

import functools
import importlib.util
import math
import sys
import types
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen

from benchmarks.peers.problem import Data, Peer, Problem


def _import_training_only() -> None:
    """Brax's top level wants the MJX of MuJoCo 3, which its learners do not use."""
    spec = importlib.util.find_spec("brax")
    if spec and "brax" not in sys.modules:
        sys.modules["brax"] = types.ModuleType("brax")
        sys.modules["brax"].__path__ = list(spec.submodule_search_locations)


_import_training_only()

from brax.training import gradients  # noqa: E402
from brax.training import types as brax_types  # noqa: E402
from brax.training.acme import running_statistics, specs  # noqa: E402
from brax.training.agents.ppo import losses, networks, optimizer  # noqa: E402


class _State(NamedTuple):
    """What one update changes."""

    opt_state: Any
    params: losses.PPONetworkParams
    normalizer: running_statistics.RunningStatisticsState
    key: jax.Array


def make(problem: Problem, data: Data) -> Peer:
    network = _network(problem)
    adam = optax.inject_hyperparams(optax.adam)(learning_rate=problem.ppo.learning_rate)
    adam = optax.chain(optax.clip_by_global_norm(problem.ppo.max_grad_norm), adam)
    training_step = jax.jit(
        functools.partial(_training_step, problem, _loss(problem, network), adam), donate_argnums=0
    )
    transitions = jax.device_put(_transitions(problem, data))
    held = {"state": _init(problem, network, adam)}

    def update() -> None:
        held["state"], metrics = training_step(held["state"], transitions)
        jax.block_until_ready((held["state"], metrics))

    return Peer(lambda: None, update, lambda: int(held["state"].opt_state[1].count))


def _network(problem: Problem) -> networks.PPONetworks:
    return networks.make_ppo_networks(
        problem.obs_size,
        problem.action_size,
        preprocess_observations_fn=running_statistics.normalize,
        policy_hidden_layer_sizes=problem.ppo.hidden_sizes,
        value_hidden_layer_sizes=problem.ppo.hidden_sizes,
        activation=linen.elu,
        distribution_type="normal",
        noise_std_type="log",
        init_noise_std=math.exp(problem.ppo.init_log_std),
    )


def _loss(problem: Problem, network: networks.PPONetworks):
    ppo = problem.ppo
    loss = functools.partial(
        losses.compute_ppo_loss,
        ppo_network=network,
        entropy_cost=ppo.ent_coef,
        discounting=ppo.gamma,
        gae_lambda=ppo.gae_lambda,
        clipping_epsilon=ppo.clip_eps,
        vf_coefficient=ppo.vf_coef,
        clipping_epsilon_value=ppo.value_clip,
    )
    return gradients.loss_and_pgrad(loss, pmap_axis_name=None, has_aux=True)


def _init(problem: Problem, network: networks.PPONetworks, adam) -> _State:
    actor_key, critic_key, key = jax.random.split(jax.random.key(0), 3)
    params = losses.PPONetworkParams(
        policy=network.policy_network.init(actor_key), value=network.value_network.init(critic_key)
    )
    spec = specs.Array((problem.obs_size,), jnp.dtype("float32"))
    return _State(adam.init(params), params, running_statistics.init_state(spec), key)


def _transitions(problem: Problem, data: Data) -> brax_types.Transition:
    """Trajectories `[N, T, ...]`, which Brax shuffles whole."""
    rows = {name: x.swapaxes(0, 1) for name, x in data._asdict().items() if name != "next_obs"}
    following = jnp.concatenate([rows["obs"][:, 1:], data.next_obs[:, None]], axis=1)
    mean = jnp.zeros_like(rows["action"])
    extras = {
        "log_prob": rows["log_prob"],
        "raw_action": rows["action"],
        "distribution_params": (mean, jnp.full_like(mean, math.exp(problem.ppo.init_log_std))),
        "value": rows["value"],
    }
    return brax_types.Transition(
        observation=rows["obs"],
        action=rows["action"],
        reward=rows["reward"],
        discount=1.0 - (rows["terminated"] | rows["truncated"]).astype("float32"),
        next_observation=following,
        extras={
            "policy_extras": extras,
            "state_extras": {"truncation": rows["truncated"].astype("float32")},
        },
    )


def _training_step(problem: Problem, loss_and_grad, adam, state: _State, data):
    """`training_step` of Brax after its unroll, with its adaptive learning rate."""
    num_minibatches = problem.ppo.num_minibatches

    def minibatch_step(carry, batch):
        opt_state, params, key = carry
        key, loss_key = jax.random.split(key)
        (_, metrics), grads = loss_and_grad(params, state.normalizer, batch, loss_key)
        opt_state, metrics["learning_rate"] = optimizer.adaptive_kl_learning_rate(
            opt_state, metrics["kl_mean"], problem.ppo.target_kl
        )
        change, opt_state = adam.update(grads, opt_state)
        return (opt_state, optax.apply_updates(params, change), key), metrics

    def sgd_step(carry, _):
        opt_state, params, key = carry
        key, order_key, grad_key = jax.random.split(key, 3)

        def shuffle(x):
            x = jax.random.permutation(order_key, x)
            return x.reshape(num_minibatches, -1, *x.shape[1:])

        (opt_state, params, _), metrics = jax.lax.scan(
            minibatch_step, (opt_state, params, grad_key), jax.tree.map(shuffle, data)
        )
        return (opt_state, params, key), metrics

    carry, metrics = jax.lax.scan(sgd_step, state[:2] + state[3:], length=problem.ppo.num_epochs)
    normalizer = running_statistics.update(state.normalizer, data.observation)
    return _State(*carry[:2], normalizer, carry[2]), jax.tree.map(jnp.mean, metrics)
