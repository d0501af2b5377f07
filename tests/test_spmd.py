"""Several processes on this machine's CPU: the learning of one, and what they agree on."""

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow
PROCESS = Path(__file__).parent / "spmd_process.py"
COUNTS = (1, 2, 4)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder: Path, index: int, count: int, port: int) -> "subprocess.Popen[str]":
    place = {
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
        "JAX_NUM_PROCESSES": str(count),
        "JAX_PROCESS_ID": str(index),
    }
    return subprocess.Popen(
        [sys.executable, str(PROCESS), str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **place},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[int, list[dict]]:
    """Of every process of 1, 2 and 4, in their order."""
    folder = tmp_path_factory.mktemp("spmd")
    running = []
    for count in COUNTS:
        port = free_port()
        running += [start(folder, index, count, port) for index in range(count)]
    said = [process.communicate(timeout=300)[0] for process in running]
    assert not any(process.returncode for process in running), "\n".join(said)
    return {
        count: [pickle.loads((folder / f"{i}-of-{count}").read_bytes()) for i in range(count)]
        for count in COUNTS
    }


def test_with_the_batch_fixed_any_number_of_processes_learns_what_one_does(outcomes):
    one = outcomes[1][0]
    for count in COUNTS[1:]:
        found = outcomes[count][0]
        for name, leaf in one["leaves"].items():
            np.testing.assert_allclose(
                found["leaves"][name], leaf, rtol=2e-5, atol=2e-6, err_msg=f"{name} of {count}"
            )
        for name, value in one["metrics"].items():
            if name not in ("episodes", "env/return"):  # given by process here
                assert found["metrics"][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_all_processes_have_learned_the_same_bit_for_bit(outcomes):
    for count in COUNTS:
        for other in outcomes[count][1:]:
            for name, leaf in outcomes[count][0]["leaves"].items():
                np.testing.assert_array_equal(other["leaves"][name], leaf)
            assert other["metrics"] == outcomes[count][0]["metrics"]


def test_the_updates_were_more_than_rounding(outcomes):
    moved = outcomes[1][0]["leaves"]
    assert max(np.abs(x).max() for name, x in moved.items() if "opt_state" in name) > 1e-2
    assert outcomes[1][0]["metrics"]["actor/grad_norm"] > 1e-2


def test_episodes_of_all_processes_are_counted(outcomes):
    for count in COUNTS:
        metrics = outcomes[count][0]["metrics"]
        assert metrics["episodes"] == sum(2 * (i + 1) for i in range(count))
        assert metrics["env/return"] == pytest.approx(3.0)


def test_one_wish_stops_all(outcomes):
    for count in COUNTS[1:]:
        for outcome in outcomes[count]:
            assert outcome["agreed"]["signal"] == 15
            assert outcome["agreed"]["time_is_up"] is True


def test_a_learner_that_differs_is_an_error_that_names_the_leaf(outcomes):
    for count in COUNTS[1:]:
        for outcome in outcomes[count]:
            said = outcome["agreed"]["split"]
            assert ".policy.value_moments.mean" in said
            assert f"of process {count - 1} " in said
            assert "and" not in said.split(".policy")[1].split(" of ")[0]  # that leaf alone
    assert outcomes[1][0]["agreed"]["split"] == ""  # one differs from nobody


def test_what_is_random_is_each_processs_own(outcomes):
    every = [outcome for count in COUNTS for outcome in outcomes[count]]
    assert all(outcome["told"] == "of process 0" for outcome in every)
    for count in COUNTS:
        keys = {tuple(outcome["key"]) for outcome in outcomes[count]}
        seeds = {outcome["seed"] for outcome in outcomes[count]}
        assert len(keys) == len(seeds) == count
        assert outcomes[count][0]["seed"] == 3
        assert 4 not in seeds
