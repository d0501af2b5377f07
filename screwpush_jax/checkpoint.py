"""Orbax checkpoints: everything that decides the future of a run, and where to find one.

A checkpoint holds the learner, the carry (environments, keys, the rollout at its position), the
bank, the simulator's snapshot, and as JSON the configuration and the counters. Between two
iterations the rollout holds nothing that is still to be used, and is left out.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax import struct
from orbax.checkpoint import checkpoint_managers

from screwpush_jax.errors import CheckpointError
from screwpush_jax.ppo.types import Learner
from screwpush_jax.tasks.task import Bank
from screwpush_jax.transition import Carry

FORMAT = 1
"""Raised when an older checkpoint can no longer be read."""
FOLDER = "checkpoints"


@struct.dataclass
class RunState:
    """The part of a run that lives in arrays."""

    learner: Learner
    carry: Carry
    bank: Bank
    snapshot: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Found:
    """A checkpoint on disk: its run's folder, its step, and its JSON part."""

    run_dir: Path
    step: int
    meta: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one run: the newest few and the best."""

    def __init__(self, run_dir: Path, keep: int):
        newest = checkpoint_managers.LatestN(keep)
        best = checkpoint_managers.BestN(get_metric_fn=lambda metrics: metrics["success_once"], n=1)
        policy = checkpoint_managers.AnyPreservationPolicy([newest, best])
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            best_fn=lambda metrics: metrics["success_once"],
            enable_async_checkpointing=False,
        )
        self._manager = ocp.CheckpointManager((run_dir / FOLDER).absolute(), options=options)

    def save(self, step: int, state: RunState, meta: dict[str, Any], success_once: float) -> None:
        """Writes checkpoint `step` (environment steps); an existing one of that step stays."""
        if step in self._manager.all_steps():
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(
                learner=ocp.args.StandardSave(_plain(state.learner)),
                state=ocp.args.StandardSave(_to_disk(state)),
                meta=ocp.args.JsonSave({"format": FORMAT, **meta}),
            ),
            metrics={"success_once": success_once},
        )

    def close(self) -> None:
        self._manager.close()


def find(spec: str, runs_dir: Path, task: str) -> Found:
    """The checkpoint that `spec` names: latest, best, a run's name or folder, or a step's folder.

    Raises:
      CheckpointError: there is none, or it cannot be read.
    """
    return _open(_step_dir(spec, runs_dir / task))


def find_in(run_dir: Path, best: bool) -> Found:
    """The best or the newest checkpoint of one run. Errors as `find`."""
    return _open(_best_or_latest(run_dir, best))


def _open(step_dir: Path) -> Found:
    try:
        meta = json.loads((step_dir / "meta" / "metadata").read_text())
    except (OSError, ValueError):
        raise CheckpointError(
            f"checkpoint {step_dir} is incomplete or damaged; valid: {_others(step_dir)}"
        ) from None
    if meta.get("format") != FORMAT:
        raise CheckpointError(
            f"checkpoint {step_dir} has format {meta.get('format')!r}; valid: {FORMAT}"
        )
    return Found(step_dir.parent.parent, int(step_dir.name), meta)


def restore(found: Found, like: RunState) -> RunState:
    """The arrays of a checkpoint, in the structure of `like`, whose arrays may be abstract.

    Raises:
      CheckpointError: damaged, or of other shapes than `like`'s.
    """
    whole = int(found.meta["t"]) != 0
    tree = _read(found, "state", _to_disk(like, with_rollout=whole))
    carry = tree["carry"]
    if not whole:
        blank = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like.carry.rollout)
        carry = dataclasses.replace(carry, rollout=jax.device_put(blank))
    learner = _read(found, "learner", _plain(like.learner))
    state = RunState(learner, carry, tree["bank"], tree["snapshot"])
    return jax.tree.map(_data_to_key, state, like)


def restore_learner(found: Found, like: Learner) -> Learner:
    """The learner alone, for those who only act. Errors as `restore`."""
    return jax.tree.map(_data_to_key, _read(found, "learner", _plain(like)), like)


def _read(found: Found, item: str, template: Any) -> Any:
    path = found.run_dir / FOLDER / str(found.step) / item
    try:
        here = jax.tree.map(_on_this_device, template)
        return ocp.StandardCheckpointer().restore(path.absolute(), here)
    except Exception as error:  # Orbax and TensorStore raise many kinds for a damaged folder
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"checkpoint {path} cannot be restored: {reason}") from error


def _step_dir(spec: str, task_dir: Path) -> Path:
    if spec in ("latest", "best"):
        runs = sorted(p for p in task_dir.glob("*") if steps(p))
        if not runs:
            raise CheckpointError(f"--checkpoint {spec}: no run with a checkpoint in {task_dir}")
        return _best_or_latest(runs[-1], best=spec == "best")
    for path in (Path(spec), task_dir / spec, *sorted(task_dir.glob(f"*-{spec}"))):
        if path.is_dir() and path.name.isdigit() and path.parent.name == FOLDER:
            return path
        if steps(path):
            return _best_or_latest(path, best=False)
    names = sorted(p.name for p in task_dir.glob("*") if steps(p))
    known = ", ".join(["latest", "best", *names[-5:]])
    raise CheckpointError(f"--checkpoint {spec}: nothing there; valid: {known}, or a folder")


def _best_or_latest(run_dir: Path, best: bool) -> Path:
    found = steps(run_dir)
    if best:
        found = sorted(found, key=lambda step: (_score(run_dir, step), step))
    return run_dir / FOLDER / str(found[-1])


def _score(run_dir: Path, step: int) -> float:
    try:
        path = run_dir / FOLDER / str(step) / "metrics" / "metrics"
        return float(json.loads(path.read_text())["success_once"])
    except (OSError, ValueError, KeyError):
        return -1.0


def steps(run_dir: Path) -> list[int]:
    """Steps at which the run has a checkpoint, ascending."""
    return sorted(int(p.name) for p in (run_dir / FOLDER).glob("*") if p.name.isdigit())


def _others(step_dir: Path) -> str:
    good = [p for p in step_dir.parent.glob("*") if p != step_dir and (p / "meta").is_dir()]
    return ", ".join(sorted(str(p) for p in good)) or "no other checkpoint in that run"


def _to_disk(state: RunState, with_rollout: bool | None = None) -> Any:
    """All but the learner; the rollout only where something in it is still to be used."""
    if with_rollout is None:
        with_rollout = int(state.carry.t) != 0
    carry = state.carry if with_rollout else dataclasses.replace(state.carry, rollout=None)
    return _plain({"carry": carry, "bank": state.bank, "snapshot": state.snapshot})


def _plain(tree: Any) -> Any:
    """Random keys as their data, which every version of Orbax can store."""
    return jax.tree.map(lambda leaf: _key_to_data(leaf) if _is_key(leaf) else leaf, tree)


def _on_this_device(leaf: Any) -> Any:
    """Without a place of its own Orbax would look for the device that the leaf was saved on."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)
    return leaf


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _key_to_data(leaf: Any) -> Any:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return jax.eval_shape(jax.random.key_data, leaf)
    return jax.random.key_data(leaf)


def _data_to_key(leaf: Any, like: Any) -> Any:
    return jax.random.wrap_key_data(leaf) if _is_key(like) else leaf
