"""Where runs live: claimed by one process, found by name.

A run is the folder `<runs_dir>/<task>/<time>-<name>`, its checkpoints are in `checkpoints/<step>`
there. It belongs to the process that holds the kernel's lock on it (flock): one that is gone,
however it went, holds none.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from screwpush_jax.errors import CheckpointError, UsageError
from screwpush_jax.paths import expand

CONFIG_FILE = "config.yaml"
CHECKPOINTS = "checkpoints"
METRICS_FILE = "metrics.jsonl"
_LOCK_FILE = ".lock"
_STAMP = re.compile(r"\d{8}-\d{6}-")
_UNSAVED = ".unsaved"
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


class RunFolder:
    """A run that this process alone may write to, until `release` or the process's end."""

    def __init__(self, path: Path, made: Sequence[Path] = ()):
        """Takes the lock of the existing folder `path`; `made` are those above it made for it alone.

        Raises:
          UsageError: another process trains this run, or the folder cannot be written.
        """
        self.path, self._made = path, made
        self._lock = _lock(path / _LOCK_FILE, f"the run {path} is being trained by")

    def release(self) -> None:
        """Lets others have it; what was never saved nor measured is removed. May be called again."""
        if self._lock is None:
            return
        self.remove_if_empty()
        os.close(self._lock)
        self._lock = None

    def remove_if_empty(self) -> None:
        """Removes the folder of a run that was neither saved nor measured."""
        metrics = self.path / METRICS_FILE
        if steps(self.path) or (metrics.exists() and metrics.stat().st_size):
            return
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in self._made:
            with contextlib.suppress(OSError):  # others may have runs there now
                folder.rmdir()

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def create(parent: Path, name: str, without: str = "ppo") -> RunFolder:
    """A new run's folder under `parent`; without a `name` the time and `without` name it.

    Of several processes that ask for one name, one gets it. A name is free again where a run has
    ended, or was killed, before its first checkpoint.

    Raises:
      UsageError: the name is taken, or nothing can be written there.
    """
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(parent):
            for taken in (p for p in runs(parent) if name and run_name(p) == name):
                _set_aside(taken, name)
            return RunFolder(_new_folder(parent, name or without), made)
    except OSError as error:
        raise UsageError(
            f"no run can be made in {parent} ({error.strerror}); valid for --runs-dir: a folder that"
            " can be written"
        ) from None


def runs(task_dir: Path) -> list[Path]:
    """The runs of one task, by name; with or without checkpoints."""
    if not task_dir.is_dir():
        return []
    return sorted(p for p in task_dir.iterdir() if p.is_dir() and p.suffix != _UNSAVED)


def run_name(run_dir: Path) -> str:
    """A run's name: that of its folder without the time."""
    return _STAMP.sub("", run_dir.name, count=1) if _STAMP.match(run_dir.name) else run_dir.name


def steps(run_dir: Path) -> list[int]:
    """Steps at which the run has a checkpoint, ascending."""
    try:
        names = os.listdir(run_dir / CHECKPOINTS)
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def trainer(run_dir: Path) -> int | None:
    """The process that trains the run now, as far as this machine's kernel tells; takes no lock."""
    try:
        return _holder_pid((run_dir / _LOCK_FILE).stat().st_ino)
    except OSError:
        return None


def named(spec: str, task_dir: Path) -> tuple[Path, int | None]:
    """The run that `spec` names (a run's name or folder, or the folder of one step), and the step.

    Raises:
      CheckpointError: none with a checkpoint, or several of that name.
    """
    for path in (expand(spec, "checkpoint"), task_dir / spec):
        if path.name.isdigit() and path.parent.name == CHECKPOINTS and path.is_dir():
            return path.parent.parent, int(path.name)
        if steps(path):
            return path, None
    fitting = [p for p in runs(task_dir) if run_name(p) == spec and steps(p)]
    if len(fitting) == 1:
        return fitting[0], None
    if fitting:
        raise CheckpointError(
            f"--checkpoint {spec}: {len(fitting)} runs have that name; valid: "
            + ", ".join(p.name for p in fitting[-5:])
        )
    known = [p.name for p in runs(task_dir) if steps(p)]
    valid = ", ".join(["latest", "best", *known[-5:]])
    raise CheckpointError(f"--checkpoint {spec}: nothing there; valid: {valid}, or a folder")


def _new_folder(parent: Path, name: str) -> Path:
    """Made here and now, so that it is nobody else's."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        path = parent / (f"{stamp}-{name}" if number == 1 else f"{stamp}-{name}-{number}")
        with contextlib.suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise UsageError(f"{parent} holds a thousand runs of this second; take a --name")


def _set_aside(run_dir: Path, name: str) -> None:
    """Frees the name of a run that ended before it was saved. Raises UsageError if it is in use."""
    if steps(run_dir):
        raise UsageError(
            f"--name {name}: the run {run_dir} exists; take another name, or go on with it:"
            f" --checkpoint {run_dir.name}"
        )
    try:
        dead = RunFolder(run_dir)
    except UsageError as error:
        raise UsageError(f"--name {name}: {error}; take another name") from None
    dead.release()
    if run_dir.exists():  # it has metrics, which are kept
        aside = run_dir.with_name(run_dir.name + _UNSAVED)
        for number in range(2, 1000):
            if not aside.exists():
                break
            aside = run_dir.with_name(f"{run_dir.name}-{number}{_UNSAVED}")
        run_dir.rename(aside)


@contextlib.contextmanager
def _one_at_a_time(parent: Path):
    """Between looking which names are taken and taking one, nobody else takes it."""
    fd = os.open(parent, os.O_RDONLY)  # the folder itself: in it are runs and nothing else
    try:
        with contextlib.suppress(OSError):  # without locks `mkdir` alone decides
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _lock(path: Path, whose: str) -> int:
    """An open file that is locked. Raises UsageError, `whose` and who it is, if it already is."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UsageError(
            f"the run {path.parent} cannot be written ({error.strerror}); go on with a copy of it"
        ) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = _holder(os.fstat(fd).st_ino)
        os.close(fd)
        raise UsageError(f"{whose} {owner}") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(f"{path.parent}: this file system has no locks; nothing keeps a second trainer away")
    return fd


def _holder(inode: int) -> str:
    """Who holds the lock on that file, in words."""
    pid = _holder_pid(inode)
    return "another process" if pid is None else f"process {pid}"


def _holder_pid(inode: int) -> int | None:
    """Who holds the lock on that file, as far as this machine's kernel tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            if line.split()[-3].endswith(f":{inode}"):
                return int(line.split()[-4])
    return None
