"""A service's own process: `python -m screwpush_jax.loggers.worker SERVICE FOLDER PROJECT`.

It follows the folder of a run and hands what is new there to the service's client, until its standard
input ends; then it sends the rest, finishes, and goes. What a person should know it says on its
standard output, a line each; what the client prints goes to its standard error.

A point or a file that was sent is noted in the folder, so a run that goes on sends each one once, and a
service that is added later gets the whole curve.
"""

import contextlib
import fcntl
import os
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from screwpush_jax.loggers.clients import CLIENTS, Client
from screwpush_jax.loggers.metrics_file import Tail
from screwpush_jax.loggers.notes import NOTES, Notes, read_mapping
from screwpush_jax.side_products import reason

_FILES = ("report*.html", "report*.png", "videos/*.mp4", "videos/*.gif")
_EVERY_S = 2.0


class Follower:
    """Hands one service what is new in a run's folder. Each method may raise anything."""

    def __init__(
        self,
        client: Client,
        service: str,
        run_dir: Path,
        project: str,
        complain: Callable[[str], None],
    ):
        """`complain` takes what went wrong with a single file."""
        self._client, self._run_dir, self._project = client, run_dir, project
        self._service, self._complain = service, complain
        self._notes = Notes(run_dir, service)
        self._rows, self._stamps = Tail(run_dir), dict[str, list[int]]()
        self._started = self._kept = False

    def turn(self, last: bool) -> None:
        """Sends what is new; a file only when it stands still, or this is the `last` turn."""
        new = 0
        for row in self._rows.new_rows():
            env_steps = int(row["env_steps"])
            if env_steps > self._notes.env_steps:
                metrics = {k: v for k, v in row.items() if k != "env_steps"}
                self._running().log(metrics, env_steps)
                self._notes.env_steps, new = env_steps, new + 1
        for path, name, stamp in self._files_to_send(last):
            client = self._running()
            self._notes.files[name] = stamp
            try:
                client.send(path, self._run_dir.absolute())
            except Exception as error:
                self._complain(f"{name} does not go to {self._service}: {reason(error)}")
            new += 1
        if new and self._kept:
            self._notes.write()

    def finish(self) -> None:
        if self._started:
            self._client.finish()

    def _running(self) -> Client:
        """The client, its run begun: one that has nothing to say leaves no empty run."""
        if not self._started:
            config = read_mapping(self._run_dir / "config.yaml")
            config |= {"provenance": read_mapping(self._run_dir / "provenance.json")}
            folder, name = self._run_dir.absolute(), self._run_dir.name
            start = self._client.start
            self._kept = start(folder, self._notes.run_id, name, self._project, config)
            self._started = True
        return self._client

    def _files_to_send(self, last: bool) -> list[tuple[Path, str, list[int]]]:
        """Each with its path in the run's folder, and its size and time (ns)."""
        found = []
        for path in sorted(p for pattern in _FILES for p in self._run_dir.glob(pattern)):
            with contextlib.suppress(OSError):  # gone again
                stat, name = path.stat(), str(path.relative_to(self._run_dir))
                stamp, before = [stat.st_size, stat.st_mtime_ns], self._stamps.get(name)
                self._stamps[name] = stamp
                if self._notes.files.get(name) != stamp and (last or before == stamp):
                    found.append((path, name, stamp))
        return found


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits until the process that served the run before is done with it."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_over() -> bool:
    """Whether the process that trains has closed the pipe, after a pause."""
    readable, _, _ = select.select([sys.stdin], [], [], _EVERY_S)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1024)


def _own_output() -> TextIO:
    """The standard output; whatever others print there goes to the standard error from now on."""
    ours = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return ours


def main(service: str, folder: str, project: str) -> int:
    said = _own_output()

    def tell(line: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            said.write(f"{line}\n")
            said.flush()

    os.nice(10)  # it never takes a core from training
    run_dir = Path(folder)
    try:
        client = CLIENTS[service]()
        with _alone(run_dir / NOTES / f"{service}.lock"):
            follower, over = Follower(client, service, run_dir, project, tell), False
            while not over:
                over = _is_over()
                follower.turn(last=over)
            follower.finish()
    except (Exception, SystemExit) as error:
        tell(f"no more metrics go to {service}: {reason(error)}")
        return 1
    return 0


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # a client's own clean-up may hang
