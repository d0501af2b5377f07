"""Can Isaac Gym run here, and rightly? `python -m screwpush_sim.engines.isaacgym.doctor --help`.

One line a check: ok and what was found, or what is wrong and what to do. Nothing here was ever run
against the real package by its authors, so what it finds on a user's machine is the evidence.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax

from screwpush_sim.assets.probe import make_probe
from screwpush_sim.engines.isaacgym import interpreter
from screwpush_sim.engines.isaacgym.client import IsaacGym
from screwpush_sim.engines.isaacgym.interpreter import find_python
from screwpush_sim.engines.isaacgym.trials import TRIALS, bench
from screwpush_sim.engines.isaacgym.worker.cuda import Cuda, CudaError
from screwpush_sim.errors import SimError, WorkerError
from screwpush_sim.options import IsaacGymConfig

_PROBE = make_probe()
_HOPPER = 90
_VERSION_S = 20.0
"""Longest wait for an answer that takes a Python a moment."""
_VERSION = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
_IMPORT = (
    "import isaacgym; from isaacgym import gymapi, gymtorch; import torch;"
    " print('torch', torch.__version__, 'sees', torch.cuda.device_count(), 'GPUs')"
)


class Finding(NamedTuple):
    """Outcome of one check."""

    ok: bool
    text: str


class UnfitError(Exception):
    """What a check found wrong, and what to do."""


def main() -> int:
    """Runs all checks; exit code 1 if any is not ok."""
    config = _parse()
    if config.pipeline == "cpu":
        jax.config.update("jax_platforms", "cpu")
    good = True
    for name, finding in examine(config):
        print(f"{'ok  ' if finding.ok else 'FAIL'} {name}: {finding.text}", flush=True)
        good = good and finding.ok
    return 0 if good else 1


def examine(config: IsaacGymConfig) -> Iterator[tuple[str, Finding]]:
    """The checks in order; without an interpreter or a simulation the rest is left out."""
    answered: list[str] = []
    yield "interpreter", _run(lambda: _interpreter(config, answered))
    yield "driver", _run(_driver)
    if config.pipeline == "gpu":
        yield "architecture", _run(_architecture)
        yield "sharing", _run(_sharing)
    if not answered:
        return
    imported = _run(lambda: _import(config))
    yield "import", imported
    if imported.ok:
        yield from _with_sim(config)


def _with_sim(config: IsaacGymConfig) -> Iterator[tuple[str, Finding]]:
    """What a worker on this machine does."""
    made: list[IsaacGym] = []
    try:
        started = _run(lambda: _pipeline(config, made))
        yield "pipeline", started
        if started.ok:
            yield from (("settings", finding) for finding in _settings(made[0]))
            yield "hand-over", _run(lambda: _hand_over(made[0]))
            for name, trial in TRIALS.items():
                yield name, _run(lambda trial=trial: trial(made[0], _PROBE))
        ended = _run(lambda: _close(made))
        if not ended.ok:
            yield "end", ended
    finally:
        _run(lambda: _close(made))  # whoever asks may have stopped asking


def _close(made: list[IsaacGym]) -> str:
    for sim in made:
        sim.close()
    return "closed"


def _run(check: Callable[[], str]) -> Finding:
    """What `check` found. Whatever goes wrong in it is a finding, too: nothing ends the doctor."""
    expected = UnfitError, bench.DiffersError, SimError, CudaError, OSError
    try:
        return Finding(True, check())
    except Exception as error:
        said = str(error).strip().splitlines()[:1]
        if not (isinstance(error, expected) and said):
            said = [type(error).__name__, *said]
        return Finding(False, ": ".join(said))


def _interpreter(config: IsaacGymConfig, answered: list[str]) -> str:
    """Lists the version in `answered` if it is a Python at all."""
    python = find_python(config.python)
    limit_s = min(_VERSION_S, config.start_timeout_s)
    said = interpreter.ask(python, config.python_path, _VERSION, limit_s)
    version = re.fullmatch(r"(\d+)\.(\d+)\.\d+", said)
    if version is None:
        raise UnfitError(f"{python} says {said!r} when asked for its version: it is no Python")
    answered.append(said)
    if not (3, 6) <= (int(version[1]), int(version[2])) <= (3, 8):
        raise UnfitError(
            f"{python} is Python {said}; Isaac Gym Preview 4 has bindings for 3.6 to 3.8: make a"
            " 3.8 environment (docs/isaacgym.md) and name it with --python"
        )
    return f"{python} is Python {said}"


def _driver() -> str:
    try:
        cuda = Cuda()
    except CudaError as error:
        raise UnfitError(
            f"{error}; Isaac Gym needs an NVIDIA driver, for the CPU pipeline too: install one"
        ) from None
    return f"CUDA {cuda.driver_version()}"


def _architecture() -> str:
    cuda = Cuda()
    capability = cuda.compute_capability()
    if capability >= _HOPPER:
        raise UnfitError(
            f"sm_{capability}: newer than what Isaac Gym was built for (up to sm_86); an H100"
            " is reported to crash at the start. If the checks below pass,"
            " try; otherwise take an Ampere or Ada GPU, or --sim mujoco_warp"
        )
    return f"sm_{capability}"


def _sharing() -> str:
    cuda = Cuda()
    try:
        mps = cuda.mps()
    except CudaError:
        return "the driver is too old to say whether NVIDIA's MPS is on"
    if mps:
        return "worker and learner use the GPU side by side, by NVIDIA's MPS"
    return (
        "worker and learner use the GPU one at a time, which costs some 0.3 ms a control step;"
        " NVIDIA's MPS saves most of it (docs/isaacgym.md)"
    )


def _import(config: IsaacGymConfig) -> str:
    python, limit_s = find_python(config.python), config.start_timeout_s
    try:
        return interpreter.ask(python, config.python_path, _IMPORT, limit_s)
    except WorkerError as error:
        raise UnfitError(
            f"{error}; it needs isaacgym from NVIDIA's archive and torch (docs/isaacgym.md); --timeout"
            f" {limit_s:g} is how many seconds the import may take"
        ) from None


def _pipeline(config: IsaacGymConfig, made: list[IsaacGym]) -> str:
    made.append(IsaacGym(_PROBE.scene, bench.NUM_ENVS, config))
    bench.rest(made[0], _PROBE.parked_rad, 1)
    return f"{config.pipeline}, {bench.NUM_ENVS} scenes stepped"


def _settings(sim: IsaacGym) -> Iterator[Finding]:
    """One for each property that does not read as it was set, and what else Isaac Gym said."""
    yield from (Finding(False, line) for line in sim.not_taken)
    if not sim.not_taken:
        yield Finding(True, "shapes, joints and masses read as they were set")
    yield from (Finding(True, line) for line in sim.remarks)


def _hand_over(sim: IsaacGym) -> str:
    steps = 100
    sim.report()
    bench.rest(sim, _PROBE.parked_rad, steps)
    report = sim.report()()
    step_ms, cost_ms = report["perf/sim_ms"] / steps, report["perf/handover_ms"] / steps
    return f"{sim.handover}; {step_ms:.3f} ms a step, {cost_ms:.3f} of them for the hand-shake"


def _parse() -> IsaacGymConfig:
    parser = argparse.ArgumentParser(
        prog="python -m screwpush_sim.engines.isaacgym.doctor", description=__doc__
    )
    parser.add_argument("--python", default="", help="interpreter with isaacgym and torch")
    parser.add_argument("--python-path", default="", help="PYTHONPATH of the worker")
    parser.add_argument("--pipeline", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--handover", choices=("auto", "direct", "arena"), default="auto")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=IsaacGymConfig.start_timeout_s,
        help="seconds that the import, and then the start of a worker, may take; the very first"
        " import compiles an extension (default: %(default)g)",
    )
    args = parser.parse_args()
    return IsaacGymConfig(
        python=args.python,
        python_path=args.python_path,
        pipeline=args.pipeline,
        handover=args.handover,
        start_timeout_s=args.timeout,
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}; valid: seconds, greater than 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
