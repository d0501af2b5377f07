"""Who a process is among several, how many environments it has, and which GPU."""

import dataclasses

import pytest

from screwpush_jax import cluster, launch
from screwpush_jax.cluster import ALONE, Place, pin, place, share
from screwpush_jax.config import config_type
from screwpush_jax.errors import UsageError
from screwpush_sim import gpu

SLURM = {
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_NODELIST": "node[01-02]",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_NTASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
}
GIVEN = {
    "JAX_COORDINATOR_ADDRESS": "trainer-0.trainer:1234",
    "JAX_NUM_PROCESSES": "2",
    "JAX_PROCESS_ID": "1",
}


@pytest.fixture(autouse=True)
def nobody_says_anything(monkeypatch):
    for name in ({**SLURM, **OPEN_MPI, **GIVEN}, ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS")):
        for one in name:
            monkeypatch.delenv(one, raising=False)


@pytest.fixture
def said(monkeypatch):
    def say(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return say


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ALONE),
        (SLURM, Place(5, 8, 1)),
        ({**SLURM, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, ALONE),
        ({k: v for k, v in SLURM.items() if "STEP" not in k}, ALONE),  # the job's script itself
        (OPEN_MPI, Place(3, 4, 1)),
        (GIVEN, Place(1, 2, None, "trainer-0.trainer:1234")),
        ({**SLURM, **GIVEN}, Place(1, 2, None, "trainer-0.trainer:1234")),
        ({"JAX_COORDINATOR_ADDRESS": "a:1"}, ALONE),
    ],
)
def test_who_it_is(said, variables, expected):
    said(variables)
    assert place() == expected


@pytest.mark.parametrize(
    ("variables", "hint"),
    [
        (
            {"JAX_PROCESS_ID": "0"},
            "without JAX_COORDINATOR_ADDRESS and JAX_NUM_PROCESSES; valid: all",
        ),
        ({**GIVEN, "JAX_PROCESS_ID": "2"}, "JAX_PROCESS_ID=2; valid: 0 to 1"),
        ({**GIVEN, "JAX_NUM_PROCESSES": "0"}, "JAX_NUM_PROCESSES=0; valid: a whole number from 1"),
        ({**SLURM, "SLURM_PROCID": "8"}, "SLURM_PROCID=8; valid: 0 to 7, as SLURM_STEP_NUM_TASKS"),
        ({**OPEN_MPI, "OMPI_COMM_WORLD_RANK": "4"}, "COMM_WORLD_RANK=4; valid: 0 to 3, as OMPI_CO"),
        ({**GIVEN, "JAX_COORDINATOR_ADDRESS": "trainer-0"}, "='trainer-0'; valid: HOST:PORT"),
        ({**GIVEN, "JAX_COORDINATOR_ADDRESS": "a:99999"}, "a port from 1 to 65535"),
        ({**GIVEN, "JAX_NUM_PROCESSES": "two"}, "JAX_NUM_PROCESSES='two'; valid: a whole number"),
    ],
)
def test_what_does_not_fit_together_is_one_line(said, variables, hint):
    said(variables)
    with pytest.raises(UsageError, match=hint):
        place()


@pytest.mark.parametrize(
    ("visible", "own", "left"),
    [
        (None, 1, "1"),
        ("4,6", 1, "6"),
        ("GPU-a,GPU-b", 0, "GPU-a"),
        ("6", 1, "6"),  # given by the one who started it
        ("4,6", None, "4,6"),
    ],
)
def test_each_process_of_a_host_sees_one_gpu(said, monkeypatch, visible, own, left):
    if visible is not None:
        said({"CUDA_VISIBLE_DEVICES": visible})
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # undone at the end
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    pin(Place(3, 4, own))
    assert ",".join(cluster.visible_gpus() or []) == left


def test_more_processes_than_gpus_of_a_host_is_one_line(said):
    said({"CUDA_VISIBLE_DEVICES": "4,6"})
    with pytest.raises(UsageError, match="valid: at most 2 processes"):
        pin(Place(2, 3, 2))


@pytest.mark.parametrize(
    ("num_envs", "num_gpus", "in_all", "before", "expected"),
    [
        (4096, 1, 0, None, (4096, 1)),
        (4096, 4, 0, None, (4096, 4)),
        (4096, 4, 8192, None, (2048, 4)),
        (4096, 2, 0, (4096, 4), (8192, 2)),  # a run keeps what it had in all
        (4096, 1, 0, (4096, 4), (16384, 1)),
        (1024, 2, 0, (4096, 1), (1024, 2)),  # asked for another number
    ],
)
def test_environments_are_shared_out(num_envs, num_gpus, in_all, before, expected):
    assert share(num_envs, num_gpus, in_all, before) == expected


def test_who_started_several_need_not_say_how_many(said):
    said(SLURM)
    assert share(512, 1, 0, None) == share(512, 8, 0, None) == (512, 8)
    with pytest.raises(UsageError, match="num-gpus 2: 8 processes were started together; valid: 8"):
        share(512, 2, 0, None)


@pytest.mark.parametrize(
    ("num_gpus", "in_all", "before", "hint"),
    [
        (3, 1000, None, "global-num-envs 1000: .* to 3 processes; valid: a multiple of 3"),
        (3, 0, (8, 2), "num-gpus 3: 16 environments .* valid: as many GPUs as 1, 2, 4, 8, 16"),
    ],
)
def test_what_cannot_be_shared_out_is_one_line(num_gpus, in_all, before, hint):
    with pytest.raises(UsageError, match=hint):
        share(8, num_gpus, in_all, before)


@pytest.fixture
def lose(monkeypatch, tmp_path):
    """Runs two processes of which one is lost each time; the arguments with which they were started."""

    def run(argv, max_restarts):
        started = []

        class Lost:
            run_dir, lost, killed = str(tmp_path), "process 1 was killed", True

            def __init__(self, count, gpus, argv):
                started.append(list(argv))

            def wait(self):
                return 137

        monkeypatch.setattr(launch, "Crew", Lost)
        config = dataclasses.replace(config_type()(), num_gpus=2, device="cpu")
        assert launch.run(config, argv, max_restarts) == 137
        return started

    return run


@pytest.mark.parametrize("flag", [["--init-from", "older"], ["--init_from=older"]])
def test_a_run_that_is_started_again_goes_on_with_its_own_weights(lose, capsys, tmp_path, flag):
    (tmp_path / "checkpoints" / "8").mkdir(parents=True)
    again = ["--seed", "3", "--checkpoint", str(tmp_path)]
    assert lose([*flag, "--seed", "3"], 1) == [[*flag, "--seed", "3"], again]
    assert (
        f"; go on with: python -m screwpush_jax.train {' '.join(again)}" in capsys.readouterr().err
    )


def test_a_run_that_has_saved_nothing_is_not_said_to_go_on(lose, capsys):
    assert lose(["--seed", "3"], 0) == [["--seed", "3"]]
    said = capsys.readouterr().err
    assert "; no checkpoint was written yet; begin anew with: python -m screwpush_jax.train" in said
    assert "go on" not in said


@pytest.mark.parametrize(
    ("there", "visible", "hint"),
    [
        (2, None, "--num-gpus 4: this machine has 2; valid: at most that"),
        (0, None, "--num-gpus 4: this machine has 0; valid: at most that, or --device cpu"),
        (8, "0,1,2", "--num-gpus 4: this machine has 3 in CUDA_VISIBLE_DEVICES; valid"),
        (2, "0,1,2,7", "CUDA_VISIBLE_DEVICES names GPU 2, 7; valid: 0 to 1"),
    ],
)
def test_gpus_that_are_not_there_are_one_line_before_anything_starts(
    said, monkeypatch, there, visible, hint
):
    monkeypatch.setattr(gpu, "count", lambda: there)
    if visible is not None:
        said({"CUDA_VISIBLE_DEVICES": visible})
    config = dataclasses.replace(config_type()(), num_gpus=4)
    with pytest.raises(UsageError, match=hint):
        launch.run(config, [], 0)
