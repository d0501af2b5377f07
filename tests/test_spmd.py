"""Several processes on this machine's CPU: the learning of one, and what they agree on."""

import functools
import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from screwpush_jax import dist

pytestmark = pytest.mark.slow
PROCESS = Path(__file__).parent / "spmd_process.py"
SEVERAL = (4, pytest.param(2, marks=pytest.mark.heavy))  # two are no cheaper to start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def place(index: int, count: int, address: str) -> dict[str, str]:
    """The variables that tell a process who it is."""
    return {
        "JAX_COORDINATOR_ADDRESS": address,
        "JAX_NUM_PROCESSES": str(count),
        "JAX_PROCESS_ID": str(index),
    }


def start(
    folder: Path, algorithm: str, index: int, count: int, port: int
) -> "subprocess.Popen[str]":
    own = place(index, count, f"127.0.0.1:{port}")
    return subprocess.Popen(
        [sys.executable, str(PROCESS), str(folder), algorithm],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def outcomes_of(tmp_path_factory):
    """`(count, algorithm) -> outcomes` of so many processes, in their order."""

    @functools.cache
    def run(count: int, algorithm: str = "ppo") -> list[dict]:
        folder, port = tmp_path_factory.mktemp("spmd"), free_port()
        running = [start(folder, algorithm, index, count, port) for index in range(count)]
        said = [process.communicate(timeout=300)[0] for process in running]
        assert not any(process.returncode for process in running), "\n".join(said)
        return [pickle.loads((folder / f"{i}-of-{count}").read_bytes()) for i in range(count)]

    return run


@pytest.fixture(scope="module")
def alone(outcomes_of) -> dict:
    """The outcome of one process."""
    return outcomes_of(1)[0]


@pytest.fixture(scope="module", params=SEVERAL)
def outcomes(request, alone, outcomes_of) -> list[dict]:
    """The outcomes of several processes."""
    return outcomes_of(request.param)


IN_VAIN = """
from screwpush_jax import cli, dist
dist._QUIET_S, dist._JOIN_S = 0.2, 2
cli.run(lambda argv: dist.join())
"""


@pytest.mark.parametrize(("index", "whom"), [(0, "the others"), (1, "the first")])
def test_who_waits_in_vain_says_for_whom_and_ends(index, whom):
    address = f"127.0.0.1:{free_port()}"
    done = subprocess.run(
        [sys.executable, "-c", IN_VAIN],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **place(index, 2, address)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"process {index} of 2 waits for {whom} at {address}, 2 s at most",
        f"error: process {index} of 2 does not meet {whom} at {address} within 2 s",
    ]


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (jax.errors.JaxRuntimeError("UNKNOWN: Gloo all-reduce failed: closed by peer"), True),
        (ValueError("UNKNOWN: Gloo all-reduce failed: [pair.cc] closed by peer"), True),
        (jax.errors.JaxRuntimeError("INTERNAL: NCCL operation failed"), True),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"), False),
        (ValueError("shapes do not fit"), False),
        (OSError("Gloo"), False),
    ],
)
def test_an_error_of_the_exchange_means_that_another_one_is_lost(error, is_one):
    assert dist.is_loss(error) is is_one


def assert_same(one: dict, other: dict) -> None:
    """Learner and metrics, but for rounding."""
    for name, leaf in one["leaves"].items():
        np.testing.assert_allclose(other["leaves"][name], leaf, rtol=2e-5, atol=2e-6, err_msg=name)
    for name, value in one["metrics"].items():
        if name not in ("episodes", "env/return"):  # given by process here
            assert other["metrics"][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_with_the_batch_fixed_several_processes_learn_what_one_does(alone, outcomes):
    assert_same(alone, outcomes[0])


@pytest.mark.heavy
@pytest.mark.parametrize("count", [2, 4])
def test_so_do_those_that_compare_groups(outcomes_of, count):
    (alone,) = outcomes_of(1, "grpo")
    assert 0 < alone["metrics"]["rollout/live_steps"] < 1
    assert alone["metrics"]["actor/reference_kl"] > 1e-3
    assert_same(alone, outcomes_of(count, "grpo")[0])


def test_the_updates_were_far_more_than_rounding(alone):
    assert alone["metrics"]["actor/grad_norm"] > 1e-2
    moments = [x for name, x in alone["leaves"].items() if "opt_state" in name]
    assert max(np.abs(x).max() for x in moments) > 1e-2


def test_all_processes_have_learned_the_same_bit_for_bit(outcomes):
    for other in outcomes[1:]:
        for name, leaf in outcomes[0]["leaves"].items():
            np.testing.assert_array_equal(other["leaves"][name], leaf)
        assert other["metrics"] == outcomes[0]["metrics"]


def test_episodes_of_all_processes_are_counted(outcomes):
    metrics = outcomes[0]["metrics"]
    assert metrics["episodes"] == sum(2 * (index + 1) for index in range(len(outcomes)))
    assert metrics["env/return"] == pytest.approx(3.0)


def test_one_wish_stops_all(outcomes):
    for outcome in outcomes:
        assert outcome["agreed"]["signal"] == 15
        assert outcome["agreed"]["time_is_up"] is True


def test_a_learner_that_differs_is_an_error_that_names_the_leaf(alone, outcomes):
    for outcome in outcomes:
        said = outcome["agreed"]["split"]
        assert ": .policy.value_moments.mean of process" in said  # that leaf alone
        assert f"of process {len(outcomes) - 1} is not that of process 0" in said
    assert alone["agreed"]["split"] == ""  # one differs from nobody


def test_what_is_random_is_each_processs_own(alone, outcomes):
    assert {outcome["told"] for outcome in outcomes} == {"of process 0"}
    keys = {tuple(outcome["key"]) for outcome in outcomes}
    seeds = {outcome["seed"] for outcome in outcomes}
    assert len(keys) == len(seeds) == len(outcomes)
    assert (outcomes[0]["key"], outcomes[0]["seed"]) == (alone["key"], alone["seed"]) == ([0, 0], 3)
    assert 4 not in seeds


def test_those_that_part_are_alone_and_a_gpus_runtime_still_finds_whom_it_asks(alone, outcomes):
    first, *others = (outcome["parted"] for outcome in outcomes)
    assert first == {"count": 1, "is_answered": True}
    assert others == [{"count": 1, "is_answered": None}] * (len(outcomes) - 1)
    assert alone["parted"] == {"count": 1, "is_answered": None}


def test_a_learner_on_a_device_of_its_own_learns_the_same_bit_for_bit(alone):
    apart = alone["apart"]
    assert apart["devices"] == [{1}, {0}]  # the learner; its policy, where it acts
    assert apart["metrics"] == alone["metrics"]
    for name, leaf in alone["leaves"].items():
        np.testing.assert_array_equal(apart["leaves"][name], leaf, err_msg=name)
