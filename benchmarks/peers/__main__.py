"""Our PPO update against the learners that users have today: `python -m benchmarks.peers`.

The same network, batch, epochs and minibatches for all, random data of our task's shapes, and one
process per peer, because PyTorch and JAX would compete for the GPU's memory. Every peer runs as its
users run it: the adaptive learning rate and the observation normaliser that it offers are on. The
time is that of advantages, epochs and minibatches; collecting the rollout is not in it. One more
row, `single_env`, is a whole loop: steps/s of one scene on the CPU with Stable-Baselines3.

The peers are no dependencies of this package; this adds them all, and for Brax also MJX of MuJoCo 3
and Flask, which are never imported here (`pip install --no-deps brax` goes without them):

    pip install -e '.[peers]'
"""

import dataclasses
import importlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import jax
import tyro

from benchmarks import record

Name = Literal["ours", "rsl_rl", "skrl", "brax", "sb3", "single_env"]
MODULES: dict[Name, tuple[str, str]] = {
    "ours": ("ours", "screwpush-jax"),
    "rsl_rl": ("rsl_rl_ppo", "rsl-rl-lib"),
    "skrl": ("skrl_ppo", "skrl"),
    "brax": ("brax_ppo", "brax"),
    "sb3": ("sb3_ppo", "stable-baselines3"),
    "single_env": ("single_env", "stable-baselines3"),
}
"""Module here, and the package whose version is recorded, of each peer."""
_TORCH = ("rsl_rl", "sb3")


@dataclasses.dataclass(frozen=True)
class Args:
    """What to measure."""

    num_envs: int = 4096
    """N: environments in the rollout."""
    num_steps: int = 24
    """T: control steps in the rollout."""
    repeats: int = 20
    """Updates that are timed, after three that are not."""
    only: Name | None = None
    """Measure this one, in this process."""
    device: Literal["auto", "cpu"] = "auto"
    """auto: the first GPU if the peer's framework sees one."""
    out: Path = Path("benchmarks/results/peers.jsonl")
    """File that rows are appended to."""


def main(args: Args) -> int:
    """Exit code: 0 if every peer that is installed was measured."""
    if args.only:
        return _measure(args, args.only)
    failed = [name for name in MODULES if _in_process(name)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _in_process(name: Name) -> int:
    """This command again for one peer; its exit code."""
    command = [sys.executable, "-m", "benchmarks.peers", *sys.argv[1:], "--only", name]
    return subprocess.run(command, check=False).returncode


def _measure(args: Args, name: Name) -> int:
    module, package = MODULES[name]
    version = _version(name, package)
    if version is None:
        print(f"{name}: not installed (pip install {package})", flush=True)
        return 0
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # no peer may spread over several
    if args.device == "cpu" or name == "single_env":
        jax.config.update("jax_platforms", "cpu")
    row = {"benchmark": "peers", "what": name, "version": version}
    peer = importlib.import_module(f"benchmarks.peers.{module}")
    result = _single(peer) if name == "single_env" else _update(args, name, peer)
    record.write(args.out, [row | result])
    return 0


def _version(name: Name, package: str) -> str | None:
    """None if it is not installed; ours runs from a checkout, too."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return record.commit() if name == "ours" else None


def _single(peer) -> dict:
    return {"unit": "steps/s", "num_envs": 1, "num_steps": peer.STEPS, "device": "cpu"} | (
        peer.measure()
    )


def _update(args: Args, name: Name, peer) -> dict:
    from benchmarks.peers import problem as problems  # after JAX's device was chosen

    device = "cpu" if args.device == "cpu" else _device(name)
    problem = problems.make_problem(args.num_envs, args.num_steps, device)
    learner = peer.make(problem, problems.random_data(problem))
    return {
        "ms_per_update": problems.measure(learner, problem, args.repeats),
        "num_envs": args.num_envs,
        "num_steps": args.num_steps,
        "num_epochs": problem.ppo.num_epochs,
        "num_minibatches": problem.ppo.num_minibatches,
        "obs_size": problem.obs_size,
        "action_size": problem.action_size,
        "device": device,
    }


def _device(name: Name) -> str:
    """Where the peer's own framework computes."""
    if name in _TORCH:
        import torch

        return "gpu" if torch.cuda.is_available() else "cpu"
    return "gpu" if jax.default_backend() == "gpu" else "cpu"


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Args)))
