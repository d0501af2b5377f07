"""Strict JAX for every test: no silent promotion of dtypes or ranks; quick compiling on the CPU."""

import contextlib
import os
import shutil
import signal
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

from screwpush_jax.tasks import registry as tasks
from screwpush_sim import registry as engines

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# Most functions run a few times: on two cores all tests took 9:50 instead of 11:09.
if os.environ["JAX_PLATFORMS"] == "cpu":
    jax.config.update("jax_disable_most_optimizations", True)


# Started in the background or under nohup these are ignored, and so in every process that a test starts.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


@pytest.fixture(scope="session", autouse=True)
def ninja(tmp_path_factory) -> Iterator[None]:
    """A `ninja` for workers on the stand-in, which asks for it as Isaac Gym does, where there is none."""
    with pytest.MonkeyPatch.context() as patch:
        if shutil.which("ninja") is None:
            program: Path = tmp_path_factory.mktemp("programs") / "ninja"
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
            patch.setenv("PATH", f"{os.environ.get('PATH', os.defpath)}:{program.parent}")
        yield


@pytest.fixture(scope="session")
def unpack_old_run():
    """`unpack_old_run(version, folder)`: a run of an older checkpoint format and its evaluation, named "old"; the
    folder of its runs."""

    def unpack(version: int, folder: Path) -> Path:
        data = Path(__file__).parent / "data"
        with tarfile.open(data / f"format{version}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        return folder / "runs"

    return unpack


@pytest.fixture(scope="session")
def registered_toys():
    """Within `with registered_toys() as module` the toy task and engine of `outside/toys.py` are registered, as
    another package's would be."""

    @contextlib.contextmanager
    def registered() -> Iterator[ModuleType]:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(Path(__file__).parent / "outside"))
            patch.setattr(tasks, "TASKS", dict(tasks.TASKS))
            patch.setattr(engines, "ENGINES", dict(engines.ENGINES))
            import toys as module

            tasks.register(module.MarkTask)
            engines.register(module.ENGINE)
            yield module
            sys.modules.pop("toys")

    return registered
