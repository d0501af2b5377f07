"""One of several processes for `test_spmd.py`: `spmd_process.py FOLDER ALGORITHM`, placed by its environment.

Three updates on its part of one fixed rollout, then, with PPO, what all agree on; the outcome is a file each.
"""

import dataclasses
import json
import os
import pickle
import socket
import sys
from pathlib import Path

import jax
import numpy as np

from screwpush_jax import cluster, compiled, dist
from screwpush_jax.accord import Accord
from screwpush_jax.algorithms.common.types import Rollout
from screwpush_jax.algorithms.grpo.algorithm import GRPO
from screwpush_jax.algorithms.grpo.config import GRPOConfig
from screwpush_jax.algorithms.ppo.algorithm import PPO
from screwpush_jax.algorithms.ppo.config import PPOConfig
from screwpush_jax.errors import SplitError
from screwpush_jax.transition import Tally

NUM_ENVS, T, OBS, ACTION = 16, 4, 3, 2


def rollout() -> Rollout:
    """The same numbers in every process."""
    rng = np.random.default_rng(5)
    shape = (T, NUM_ENVS)
    by_env = np.arange(NUM_ENVS, dtype=np.float32)  # environments differ, hence so do parts

    def normal(*more: int) -> np.ndarray:
        return rng.normal(size=(*shape, *more)).astype(np.float32)

    return Rollout(
        obs={"policy": 3.0 * normal(OBS) + by_env[:, None]},
        action=normal(ACTION),
        records={"log_prob": normal() - 2.0, "value": normal(), "next_value": normal()},
        reward=normal() + by_env,
        terminated=rng.uniform(size=shape) < 0.2,
        truncated=rng.uniform(size=shape) < 0.1,
    )


def rollout_of_groups() -> Rollout:
    """The same, of whole episodes: some end before the others of their group, and wait."""
    plain = rollout()
    lengths = np.random.default_rng(6).integers(1, T + 1, NUM_ENVS)
    step = np.arange(T)[:, None]
    live, last = step < lengths, step == lengths - 1
    records = {
        "log_prob": plain.records["log_prob"],
        "live": live,
        "return": np.cumsum(np.where(live, plain.reward, 0.0), axis=0, dtype=np.float32),
    }
    ends = {"terminated": last & (lengths < T), "truncated": last & (lengths == T)}
    return dataclasses.replace(plain, records=records, **ends)


def learn_ppo(num_shards: int) -> tuple[dict, dict, object]:
    """See `learn`."""
    ppo = PPOConfig(
        num_steps=T, num_epochs=2, num_minibatches=4, num_shards=num_shards, hidden_sizes=(5,)
    )
    return learn(PPO(ppo, {"policy": OBS}, ACTION), rollout())


def learn_grpo(num_shards: int) -> tuple[dict, dict, object]:
    """See `learn`; with all that GRPO can be told."""
    counts = {"num_epochs": 2, "num_minibatches": 4, "num_shards": num_shards, "group_size": 4}
    rest = {"kl_coef": 0.1, "reference": "first", "schedule": "adaptive", "hidden_sizes": (5,)}
    return learn(
        GRPO(GRPOConfig(**counts, **rest), T, {"policy": OBS}, ACTION), rollout_of_groups()
    )


def learn(algorithm: PPO | GRPO, whole: Rollout) -> tuple[dict, dict, object]:
    """Every leaf of the learner after three updates, the last metrics, and the learner."""
    own = NUM_ENVS // dist.count()
    part = slice(dist.index() * own, (dist.index() + 1) * own)
    learner = compiled.place_learner(compiled.jit(algorithm.init)(jax.random.key(1)))
    data = compiled.place(jax.tree.map(lambda x: x[:, part], whole))
    ended = np.float32(2 * (dist.index() + 1))  # episodes of this process, each of a return of 3
    tally = compiled.place(Tally({"env/return": 3.0 * ended}, ended))
    update = compiled.update_ahead(algorithm, 10, learner, data, tally)
    for _ in range(3):
        learner, metrics = update(learner, data, tally)
    leaves = {
        jax.tree_util.keystr(path): np.asarray(
            jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x
        )
        for path, x in jax.tree_util.tree_leaves_with_path(learner)
    }
    return leaves, {name: float(x) for name, x in metrics.items()}, learner


def learn_apart(num_shards: int) -> dict:
    """The same with the learner on another device than the rollout, and which devices that took."""
    dist.learn_on(1)
    leaves, metrics, learner = learn_ppo(num_shards)
    acting = compiled.to_simulator(learner.policy)
    devices = [{d.id for x in jax.tree.leaves(t) for d in x.devices()} for t in (learner, acting)]
    dist.learn_on(0)
    return {"leaves": leaves, "metrics": metrics, "devices": devices}


def agree(learner) -> dict:
    """What comes of wishes that differ, and of a learner that differs in the last process."""
    accord, last = Accord(), dist.index() == dist.count() - 1
    accord.ask(100, 15 if last else 0, not last, learner)
    accord.hear()
    said = {"signal": accord.signal, "time_is_up": accord.time_is_up, "split": ""}
    if last:
        policy = learner.policy
        mean = policy.value_moments.mean + np.float32(1e-6)
        moments = policy.value_moments.replace(mean=mean)
        learner = learner.replace(policy=policy.replace(value_moments=moments))
    accord.compare(200, learner)
    try:
        accord.hear()
    except SplitError as error:
        said["split"] = str(error)
    return said


def is_answered() -> bool | None:
    """Whether somebody listens where the first process is met; None in the others."""
    if cluster.place().count == 1 or cluster.place().index:
        return None
    host, _, port = os.environ[cluster.ADDRESS].partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except ConnectionRefusedError:
        return False
    return True


def main(folder: Path, algorithm: str) -> None:
    dist.join()
    jax.config.update("jax_num_cpu_devices", 2)
    jax.config.update("jax_disable_most_optimizations", True)
    name = f"{dist.index()}-of-{dist.count()}"
    if algorithm == "grpo":
        leaves, metrics, _ = learn_grpo(num_shards=4)
        (folder / name).write_bytes(pickle.dumps({"leaves": leaves, "metrics": metrics}))
        return
    leaves, metrics, learner = learn_ppo(num_shards=8)
    keys = jax.random.key_data(dist.own_key(jax.random.key(0))).tolist()
    outcome = {
        "leaves": leaves,
        "metrics": metrics,
        "agreed": agree(learner),
        "told": dist.tell(f"of process {dist.index()}"),
        "key": keys,
        "seed": dist.own_seed(3, 4),
    }
    count = dist.count()
    dist.leave()
    outcome["parted"] = {"count": dist.count(), "is_answered": is_answered()}
    if count == 1:
        outcome["apart"] = learn_apart(num_shards=8)
    (folder / name).write_bytes(pickle.dumps(outcome))
    print(json.dumps(outcome["agreed"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
