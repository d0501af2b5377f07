"""A disk that takes no more: one line, and what was saved stays."""

import errno
import os
import resource
import shutil

import pytest

from screwpush_jax import cli

pytestmark = pytest.mark.slow


@pytest.fixture
def no_large_files():
    """Processes that are started meanwhile can write files of 16 kB at most, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("processes", [(), ("--num-gpus", "2")], ids=["one", "two"])
def test_a_checkpoint_that_does_not_fit_is_one_line_and_those_before_it_stay(
    trained, run_command, tmp_path, no_large_files, processes
):
    folder = tmp_path / "copy"
    shutil.copytree(trained, folder)
    (before,) = folder.glob("runs/*/*/checkpoints")
    names = {path.name for path in before.iterdir()}
    flags = ("--checkpoint", "latest", "--total-env-steps", "1024", "--compile-cache", "")
    no_large_files()
    result = run_command("train", *flags, *processes, "--log.to", "jsonl", cwd=folder)
    said = [line for line in result.stderr.splitlines() if "error: checkpoint" in line]
    assert result.returncode == 2, result.stdout + result.stderr
    assert len(said) == 1
    assert "cannot be written: File too large; those before it stay: --checkpoint " in said[0]
    assert "Traceback" not in result.stdout + result.stderr
    assert names <= {path.name for path in before.iterdir()}


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "No space left on device"), (errno.EROFS, "Read-only file system")],
)
def test_any_file_that_cannot_be_written_is_one_line(number, said, capsys):
    def main(argv):
        raise OSError(number, os.strerror(number), "runs/config.yaml")

    with pytest.raises(SystemExit) as ended:
        cli.run(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: runs/config.yaml: {said}\n"


def test_another_error_of_the_system_is_shown_whole():
    def main(argv):
        raise OSError(errno.ECONNREFUSED, "Connection refused")

    with pytest.raises(OSError, match="Connection refused"):
        cli.run(main)
