"""The packages ovphysx and ovstage in this process: loaded once, CPU or GPU once and for all."""

# pyright: reportMissingImports=false, reportPossiblyUnboundVariable=false
# an optional extra

import contextlib
import ctypes
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

from screwpush_sim.engines.physx.overflows import Overflows
from screwpush_sim.errors import DeviceMismatchError, EngineNotInstalledError

SYSTEM_LIBRARIES = {
    **{"libGL.so.1": "libgl1", "libX11.so.6": "libx11-6", "libXt.so.6": "libxt6"},
    **{"libSM.so.6": "libsm6", "libICE.so.6": "libice6"},
}
"""What the packages link to without bringing it, and Debian's package of each: also without a screen."""

_EXPECTED = re.compile(r"EnvIds requested|falling back to ePABP", re.I)  # on the CPU, as meant


OVERFLOWS = Overflows()
_LOGGER = logging.getLogger("screwpush_sim.physx")
_schemas_registered = False


def load(gpu: bool) -> Any:
    """The module ovphysx, its process set to the CPU where `gpu` is false.

    Raises:
      EngineNotInstalledError: a package or a system library is missing.
      DeviceMismatchError: PhysX ran on the other kind of device in this process.
    """
    check_system_libraries(SYSTEM_LIBRARIES)
    try:
        import ovphysx
        import ovstage
        from ovphysx.samples.python_samples.schema_support import physx_schema_paths

        schemas = [*map(str, physx_schema_paths()), str(ovphysx.newton_schema_root())]
    except (ImportError, OSError) as error:  # half an installation
        reason = " ".join(str(error).split())
        raise EngineNotInstalledError(
            f"engine 'physx' cannot load its packages: {reason}"
        ) from None
    cpu_only = bool(ovphysx.PhysX.get_cpu_mode())
    if gpu and cpu_only:
        raise DeviceMismatchError(
            "engine physx: this process stepped PhysX on the CPU, or OVPHYSX_DISABLE_GPU is set, and"
            " neither can be undone; valid: a new process, --physx.pipeline cpu"
        )
    if not gpu and not cpu_only:
        ovphysx.PhysX.set_cpu_mode(True)
    global _schemas_registered
    if not _schemas_registered:
        ovstage.population.register_usd_schemas(schemas)
        _schemas_registered = True
    return ovphysx


def check_system_libraries(packages: dict[str, str]) -> None:
    """Raises EngineNotInstalledError that names the first libraries which this system lacks."""
    missing = []
    for library in packages:
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(library)
    if missing:
        debian = " ".join(packages[library] for library in missing)
        raise EngineNotInstalledError(
            f"engine 'physx' needs the system libraries {', '.join(missing)}, also without a screen:"
            f" apt-get install {debian}"
        )


def set_threads(ovphysx: Any, count: int) -> None:
    """Threads of the instances to come; while one has a stage, what was set first stays."""
    with contextlib.suppress(RuntimeError):
        ovphysx.set_global_config(ovphysx.GlobalConfigKey.NUM_THREADS, count)


def route_log(ovphysx: Any) -> None:
    """PhysX's warnings and errors to `logging`, but for those that are meant."""
    ovphysx.enable_python_logging(_LOGGER.name, min_severity=ovphysx.LogLevel.WARNING)
    ovphysx.set_global_config(ovphysx.GlobalConfigKey.DEFAULT_LOG_OUTPUT, False)
    if OVERFLOWS not in _LOGGER.handlers:
        _LOGGER.addHandler(OVERFLOWS)
        _LOGGER.addFilter(lambda record: not _EXPECTED.search(record.getMessage()))
        _LOGGER.propagate = True


@contextlib.contextmanager
def deprecated() -> Iterator[None]:
    """Around the calls that this engine knows to be deprecated: bindings give one tensor for all joints,
    their successor one for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"screwpush_sim\.")
        for said in ("ovphysx .*deprecated", ".*contact.binding.*deprecated", ".*PhysXConfig"):
            warnings.filterwarnings("ignore", f"(?i){said}", DeprecationWarning)
        yield
