"""Several processes as a user starts them: stopping, going on, other numbers of them, kills."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
TWO = ("--num-gpus", 2, "--global-num-envs", 16, "--eval.no-baselines")
STEPS = 128  # an iteration's, of both


def leaves(run: Path, step: int) -> dict[str, np.ndarray]:
    """Every array of a checkpoint, as it lies on disk."""
    import jax

    found = {}
    for item in ("learner", "others"):
        tree = ocp.StandardCheckpointer().restore(run / "checkpoints" / str(step) / item)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            found[item + jax.tree_util.keystr(path)] = np.asarray(leaf)
    return found


@pytest.fixture(scope="module")
def train(run_command, debug_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")

    def run(*args):
        result = run_command("train", *args, cwd=folder)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    run.folder = folder
    run.of = lambda name: next((folder / "runs/separate").glob(f"*-{name}"))
    run.config = ("--config", debug_config)
    return run


@pytest.fixture(scope="module")
def whole(train):
    """A run of six iterations without a stop."""
    train(*train.config, *TWO, "--name", "whole", "--total-env-steps", 6 * STEPS)
    return train.of("whole")


@pytest.fixture(scope="module")
def part(train):
    """One that was trained for three."""
    train(*train.config, *TWO, "--name", "part", "--total-env-steps", 3 * STEPS)
    return train.of("part")


def test_two_go_on_bit_for_bit_and_one_of_them_writes(train, whole, part):
    said = train("--checkpoint", part.name, *TWO, "--total-env-steps", 6 * STEPS, "--device", "cpu")
    assert "[0] restored" in said
    assert "[1] restored" not in said
    found, expected = leaves(part, 6 * STEPS), leaves(whole, 6 * STEPS)
    assert found.keys() == expected.keys()
    assert found["others['bytes']"].shape[0] == 2
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)
    first, second = found["others['bytes']"]
    assert (first != second).mean() > 0.1  # environments of their own
    rows = (part / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 6


@pytest.mark.parametrize(("name", "count"), [("one", 1), ("four", 4)])
def test_another_number_goes_on_with_what_was_learned(train, part, name, count):
    step = part / "checkpoints" / str(3 * STEPS)
    said = train(
        *("--checkpoint", step, "--num-gpus", count, "--name", name, "--device", "cpu"),
        *("--total-env-steps", 4 * STEPS, "--eval.no-baselines"),
    )
    assert f"environments start anew, as 2 processes stepped them and now {count} do" in said
    config = (train.of(name) / "config.yaml").read_text()
    assert f"num_envs: {16 // count}" in config
    assert f"num_gpus: {count}" in config
    assert len((train.of(name) / "metrics.jsonl").read_text().splitlines()) == 1


class Running:
    """A run under way, its launcher and its processes."""

    def __init__(self, start_command, folder: Path, *args: object):
        self._process = start_command("train", *args, cwd=folder)
        self.said = ""

    def until(self, words: str) -> None:
        for line in self._process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(self.said)

    def kill(self, index: int | None, number: int) -> None:
        os.kill(self._process.pid if index is None else self.children()[index], number)

    def children(self) -> dict[int, int]:
        """Process ids by their number."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                if (
                    int((folder / "stat").read_text().rsplit(")")[1].split()[1])
                    == self._process.pid
                ):
                    variables = (folder / "environ").read_bytes().decode().split("\0")
                    index = next(v for v in variables if v.startswith("JAX_PROCESS_ID="))
                    found[int(index.split("=")[1])] = int(folder.name)
        return found

    def end(self) -> tuple[int, float]:
        """Exit code, and seconds until it came."""
        begun = time.monotonic()
        self.said += self._process.communicate(timeout=400)[0]
        return self._process.returncode, time.monotonic() - begun

    def close(self) -> None:
        if self._process.poll() is None:
            for pid in (*self.children().values(), self._process.pid):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        self._process.communicate()


@pytest.fixture
def begin(start_command, debug_config, tmp_path):
    """Starts two processes, which are ended with the test at the latest."""
    with contextlib.ExitStack() as ends:

        def start(*args):
            run = Running(start_command, tmp_path, "--config", debug_config, *TWO, *args)
            ends.callback(run.close)
            return run

        yield start


@pytest.fixture
def endless(begin):
    return begin("--total-env-steps", 10**8, "--checkpoint-every", 2)


@pytest.mark.parametrize("index", [0, 1])
def test_where_one_is_lost_all_end_with_one_error(endless, index):
    endless.until("iteration 1/")
    children = endless.children()
    endless.kill(index, signal.SIGKILL)
    code, seconds = endless.end()
    assert code == 128 + signal.SIGKILL
    assert seconds < 10
    (error,) = [line for line in endless.said.splitlines() if "error" in line.lower()]
    assert f"process {index} of 2 was killed by signal 9, and all were ended" in error
    assert "with: python -m screwpush_jax.train" in error
    assert "Traceback" not in endless.said
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())


@pytest.mark.parametrize("index", [None, 1])
def test_asked_to_stop_all_save_and_end(endless, index):
    endless.until("iteration 1/")
    endless.kill(index, signal.SIGTERM)
    code, _ = endless.end()
    assert code == 128 + signal.SIGTERM
    assert endless.said.count("stopped and saved; go on with:") == 1
    assert "error" not in endless.said.lower()


def test_none_outlives_its_killed_launcher_and_what_was_learned_is_saved(endless, tmp_path):
    endless.until("iteration 1/")
    children = endless.children()
    endless.kill(None, signal.SIGKILL)
    assert endless.end()[0] == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in children.values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (run,) = (tmp_path / "runs/separate").iterdir()
    assert [path for path in (run / "checkpoints").iterdir() if path.name.isdigit()]


def test_a_run_that_is_killed_before_its_first_checkpoint_begins_anew(begin):
    run = begin("--max-restarts", 2, "--total-env-steps", 2 * STEPS, "--name", "early")
    for number in ("1", "2"):
        run.until("[1] device cpu")
        run.kill(1, signal.SIGKILL)
        run.until(f"restart {number} of 2")
    code, _ = run.end()
    assert code == 0, run.said
    assert "iteration 2/2" in run.said


def test_a_killed_run_goes_on_from_its_last_checkpoint(begin, tmp_path):
    run = begin(
        *("--max-restarts", 2, "--total-env-steps", 60 * STEPS, "--checkpoint-every", 1),
        *("--name", "killed"),
    )
    run.until("iteration 1/")
    time.sleep(2)  # the checkpoint after it is written now
    run.kill(1, signal.SIGKILL)
    run.until("restored")
    assert "restart 1 of 2" in run.said
    run.until("compiled in")
    run.kill(0, signal.SIGKILL)
    code, _ = run.end()
    assert code == 0, run.said
    assert len(re.findall("restored .* control steps", run.said)) == 2
    (folder,) = (tmp_path / "runs/separate").iterdir()
    assert (folder / "checkpoints" / str(60 * STEPS)).is_dir()


JOIN = """
from screwpush_jax import dist
own = dist.join()
print(own.index, own.count, dist.tell(f"heard from {own.index}"))
"""
SLURM = {
    "SLURM_JOB_ID": "{port}",
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "{index}",
    "SLURM_LOCALID": "{index}",
}
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "{mpi}.0;tcp://127.0.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "{index}",
    "OMPI_COMM_WORLD_LOCAL_RANK": "{index}",
}
KUBERNETES = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "JAX_COORDINATOR_ADDRESS": "localhost:{port}",
    "JAX_NUM_PROCESSES": "2",
    "JAX_PROCESS_ID": "{index}",
}


@pytest.mark.parametrize("variables", [SLURM, OPEN_MPI, KUBERNETES])
def test_the_variables_of_a_cluster_bring_processes_together(variables):
    port = 20000 + os.getpid() % 4000
    started = []
    for index in range(2):
        words = {"port": port, "index": index, "mpi": port << 12}
        own = {name: value.format(**words) for name, value in variables.items()}
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "JAX_PLATFORMS": "cpu", **own}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", JOIN], env=env, stdout=subprocess.PIPE, text=True
            )
        )
    said = [process.communicate(timeout=120)[0].splitlines()[-1] for process in started]
    assert said == ["0 2 heard from 0", "1 2 heard from 0"]
