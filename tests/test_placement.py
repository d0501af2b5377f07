"""Simulator and learner on devices of their own: which process gets which."""

import dataclasses
import os
import subprocess

import pytest

from screwpush_jax import cluster, launch
from screwpush_jax.cli import CommandArgs
from screwpush_jax.cluster import Place
from screwpush_jax.config import config_type
from screwpush_jax.errors import UsageError
from screwpush_jax.placement import PlacementConfig
from screwpush_jax.train import TrainArgs
from screwpush_sim import gpu

CHOSEN = ("JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES", "JAX_PROCESS_ID", "JAX_NUM_PROCESSES")


@pytest.fixture(autouse=True)
def four_gpus(monkeypatch):
    """A machine of four GPUs, and nobody who says anything."""
    for name in CHOSEN:
        monkeypatch.setenv(name, "")  # undone at the end
        monkeypatch.delenv(name)
    monkeypatch.setattr(gpu, "count", lambda: 4)


def config(sim, learner, **more):
    placement = PlacementConfig(sim, learner)
    return dataclasses.replace(config_type()(), placement=placement, **more)


@pytest.mark.parametrize(
    ("sim", "learner", "pairs"),
    [
        ("", "", ()),
        ("0", "1", ((0, 1),)),
        ("0-1", "2-3", ((0, 2), (1, 3))),
        ("3,0-1", "5,4,2", ((3, 5), (0, 4), (1, 2))),
    ],
)
def test_the_lists_pair_simulators_with_learners(sim, learner, pairs):
    made = PlacementConfig(sim, learner)
    made.check()
    assert made.pairs == pairs


@pytest.fixture
def started(monkeypatch):
    """What `CUDA_VISIBLE_DEVICES` was of each process that the launcher started, which ends at once."""
    seen = []

    class Ended:
        pid, stdout, stderr, returncode = 0, (), (), 0

        def __init__(self, command, env, **_):
            seen.append(env.get("CUDA_VISIBLE_DEVICES"))

        def poll(self):
            return 0

        def wait(self):
            return 0

    monkeypatch.setattr(subprocess, "Popen", Ended)
    return seen


@pytest.mark.parametrize(
    ("visible", "device", "given"),
    [
        (None, "auto", ["1,2", "0,3"]),
        ("4,5,6,7", "auto", ["5,6", "4,7"]),
        ("GPU-a,GPU-b,GPU-c,GPU-d", "gpu", ["GPU-b,GPU-c", "GPU-a,GPU-d"]),
        (None, "cpu", [None, None]),
    ],
)
def test_each_process_is_started_on_its_pair(monkeypatch, started, visible, device, given):
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monkeypatch.setattr(gpu, "count", lambda: 8)
    assert launch.run(config("1,0", "2,3", num_gpus=2, device=device), [], 0) == 0
    assert started == given


def test_one_process_takes_its_pair_itself(monkeypatch):
    launch.pin(config("", ""))
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    launch.pin(config("3", "1"))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,1"


def test_of_those_that_a_scheduler_started_each_takes_the_pair_of_its_number(monkeypatch):
    cluster.pin(Place(5, 8, 1), ((0, 2), (1, 3)))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,3"
    with pytest.raises(UsageError, match="process 2 of this machine has no place in .* valid: 2"):
        cluster.pin(Place(6, 8, 2), ((0, 2), (1, 3)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    with pytest.raises(
        UsageError, match="learner: there is no GPU 3 in CUDA_VISIBLE_DEVICES; valid: 0 to 2"
    ):
        cluster.pin(Place(5, 8, 1), ((0, 2), (1, 3)))


@pytest.mark.parametrize(
    ("there", "visible", "hint"),
    [
        (2, None, r"--placement.learner: there is no GPU 2; valid: 0 to 1, or --device cpu"),
        (1, None, r"--placement.learner: there is no GPU 2; valid: 0 to 0, or --device cpu"),
        (
            0,
            None,
            r"--placement.sim: there is no GPU 0; valid: none, as this machine has no GPU",
        ),
        (
            8,
            "0,5,7",
            r"--placement.learner: there is no GPU 3 in CUDA_VISIBLE_DEVICES; valid: 0 to 2",
        ),
    ],
)
def test_gpus_that_are_not_there_are_one_line(monkeypatch, started, there, visible, hint):
    monkeypatch.setattr(gpu, "count", lambda: there)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    asked = config("0-1", "2-3", num_gpus=2)
    for begin in (lambda: launch.run(asked, [], 0), lambda: launch.pin(asked)):
        with pytest.raises(UsageError, match=hint):
            begin()
    assert started == []


def test_the_lists_say_how_many_processes_there_are(monkeypatch):
    pairs = ((0, 2), (1, 3))
    assert cluster.processes(3, ()) == 3
    assert cluster.processes(1, pairs) == cluster.processes(2, pairs) == 2
    with pytest.raises(
        UsageError, match="--num-gpus 3: .* of 2 processes, .* valid: 2, or without"
    ):
        cluster.processes(3, pairs)
    for name in ("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID"):
        monkeypatch.setenv(name, "4")
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert cluster.processes(1, pairs) == 1  # of two machines: whoever started them knows


def settled(kind, **more):
    args = config_type(kind=kind)(placement=PlacementConfig("0-1", "2-3"), **more).settled(None)
    return args.num_gpus, args.num_envs, args.placement.pairs


def test_training_takes_the_number_from_the_lists_and_nothing_else_is_split():
    pairs = ((0, 2), (1, 3))
    assert settled(TrainArgs, num_envs=64) == (2, 64, pairs)
    assert settled(TrainArgs, global_num_envs=64) == (2, 32, pairs)
    assert settled(TrainArgs, test=True, num_envs=64) == (1, 64, ())
    assert settled(CommandArgs, num_envs=64) == (1, 64, ())
    with pytest.raises(UsageError, match="--placement.learner 1,2 names 1, as"):
        config_type(kind=TrainArgs)(placement=PlacementConfig("0-1", "1,2")).settled(None)
