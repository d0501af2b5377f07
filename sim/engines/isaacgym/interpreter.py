"""The worker's interpreter: which one, what it sees of this process's environment, and asking it.

Users name all kinds of things: folders, scripts, programs that are no Python or never end. Whatever
it is, the answer here is one line, in time.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from screwpush_sim.errors import EngineNotInstalledError, WorkerError

VARIABLE = "SCREWPUSH_ISAACGYM_PYTHON"
"""Environment variable that names the worker's interpreter."""
_NEW = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
_MOST_BYTES = 1 << 16


def find_python(asked: str) -> str:
    """The worker's interpreter: `asked`, or the environment variable, or python3.8 on the path.

    Raises:
      EngineNotInstalledError: none of them is there.
    """
    named = asked or os.environ.get(VARIABLE, "")
    found = shutil.which(os.path.expanduser(named or "python3.8"))
    if found is None:
        what = f"no interpreter {named!r}{_why(named)}" if named else "no python3.8 on the path"
        raise EngineNotInstalledError(
            f"engine 'isaacgym': {what}; set --isaacgym.python or {VARIABLE} to a Python 3.8 in"
            " which isaacgym and torch are installed (docs/isaacgym.md)"
        )
    return os.path.abspath(found)


def _why(named: str) -> str:
    path = Path(named).expanduser()
    if path.is_dir():
        return " (a folder: name the program in it)"
    return " (a file that may not be executed)" if path.is_file() else ""


def worker_environment(python: str, python_path: str, gpu: str) -> dict[str, str]:
    """This process's environment without what belongs to its own interpreter."""
    kept = {name: value for name, value in os.environ.items() if name not in _NEW}
    library = Path(python).resolve().parent.parent / "lib"  # Isaac Gym loads libpython itself
    paths = [str(library), os.environ.get("LD_LIBRARY_PATH", "")]
    # Isaac Gym calls `ninja`, which pip puts beside the interpreter (a virtual environment's is a link)
    programs = [os.path.dirname(os.path.abspath(python)), os.environ.get("PATH", os.defpath)]
    new = {
        "LD_LIBRARY_PATH": ":".join(filter(None, paths)),
        "PATH": ":".join(filter(None, programs)),
        "PYTHONNOUSERSITE": "1",
    }
    if python_path:  # absolute: the worker runs in a folder of its own
        parts = map(os.path.expanduser, python_path.split(":"))
        new["PYTHONPATH"] = ":".join(map(os.path.abspath, parts))
    if gpu or "CUDA_VISIBLE_DEVICES" in os.environ:
        new["CUDA_VISIBLE_DEVICES"] = gpu or os.environ["CUDA_VISIBLE_DEVICES"]
    return kept | new


def ask(python: str, python_path: str, code: str, timeout_s: float) -> str:
    """The last line that `code` prints in the interpreter, as far as it can be read.

    Raises:
      WorkerError: it cannot be started, fails, prints nothing, or is not done within `timeout_s`.
    """
    # files and not pipes: whatever it starts and leaves behind would keep a pipe open
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start([python, "-c", code], python_path, "", stdout=out, stderr=err)
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            hint = lock_hint()
            raise WorkerError(f"{python} was not done after {timeout_s:g} s{hint}") from None
        finally:
            end(process)
        said, complaint = (_last_line(file) for file in (out, err))
    if status:
        said = f"({complaint or 'nothing said'}){cause_hint(complaint)}"
        raise WorkerError(f"{python} {how_it_ended(status)} {said}")
    if not said:
        raise WorkerError(f"{python} printed nothing when it was asked to: it is no Python")
    return said


def start(
    command: list[str], python_path: str, gpu: str, **options: Any
) -> "subprocess.Popen[bytes]":
    """Starts the interpreter `command[0]` in a session of its own: Ctrl-C is the learner's to handle.

    Raises:
      WorkerError: the system cannot run it.
    """
    try:
        process: Any = subprocess.Popen(
            command,
            env=worker_environment(command[0], python_path, gpu),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )
        return process
    except OSError as error:
        reason = error.strerror or str(error)
        raise WorkerError(f"{command[0]} cannot be run ({reason}): it is no Python") from None


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ends it and what it has started, and leaves no zombie. May be called again."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def how_it_ended(status: int) -> str:
    """How a process ended, by its exit status."""
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:  # real-time signals have no name
        return f"was killed by signal {-status}"


_CAUSES = {
    "GLIBCXX_": "a C++ library older than the compiler's is found first: conda install -c conda-forge"
    " 'libstdcxx-ng>=13' in the worker's environment",
    "inja is required": "`ninja` is on no path of the worker's: pip install ninja with its"
    " interpreter",
}


def cause_hint(complaint: str) -> str:
    """What to do about a failed import, by what it says; empty for what is not known."""
    return "".join(f"; {hint}" for said, hint in _CAUSES.items() if said in complaint)


def lock_hint() -> str:
    """What to do about the locks under which torch builds Isaac Gym's extension, if there are any.

    One is left behind by a process that is ended while it builds, and whoever imports next waits.
    """
    now, found = time.time(), []
    for path in _locks():
        with contextlib.suppress(OSError):  # it is given back just now
            found.append(f"{path}, {max(now - path.stat().st_mtime, 0) / 60:.0f} minutes old")
    if not found:
        return ""
    return (
        "; Isaac Gym's extension is locked as if it were being built: if no other process builds it,"
        f" remove {' and '.join(found)}"
    )


def _locks() -> list[Path]:
    """As `torch.utils.cpp_extension` places them: of any version of Python and CUDA by default."""
    named = os.environ.get("TORCH_EXTENSIONS_DIR")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    root = Path(named) if named else Path(cache) / "torch_extensions"
    return sorted(root.glob("gymtorch/lock" if named else "*/gymtorch/lock"))


def _last_line(file) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MOST_BYTES))
    text = file.read().decode(errors="replace").strip()
    line = text.splitlines()[-1] if text else ""
    return "".join(c if c.isprintable() else "?" for c in line)[:200]
