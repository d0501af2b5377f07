"""Orbax checkpoints: everything that decides the future of a run.

A checkpoint holds the learner, the carry (environments, keys, the rollout at its position), the
start states, the simulator's snapshot, and as JSON the configuration and the counters. Between two
iterations the rollout holds nothing that is still to be used, and is left out. Of processes that train
together the first writes, for all of them: `others` holds what each has beside the learner.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from flax import struct
from orbax.checkpoint import checkpoint_managers

from screwpush_jax import dist, migrate, orbax_trees, run_folder
from screwpush_jax.algorithms.algorithm import Learner
from screwpush_jax.checkpoint_folder import FORMAT, Found, at_step, check_goes_on, processes
from screwpush_jax.errors import CheckpointError
from screwpush_jax.run_folder import CHECKPOINTS
from screwpush_jax.score import Score
from screwpush_jax.tasks.task import Starts
from screwpush_jax.transition import Carry


@struct.dataclass
class RunState:
    """The part of a run that lives in arrays."""

    learner: Learner
    carry: Carry
    starts: Starts
    snapshot: dict[str, np.ndarray]
    others: tuple["StageState", ...] = ()
    """The other stages, where there are several: a default run's checkpoint names no such thing."""


@struct.dataclass
class StageState:
    """What a stage has of its own."""

    carry: Carry
    snapshot: dict[str, np.ndarray]


class CheckpointStore:
    """The checkpoints of one run: the newest few and the best."""

    def __init__(self, run_dir: Path, keep: int):
        orbax_trees.hush_writers()
        newest = checkpoint_managers.LatestN(keep)
        best = checkpoint_managers.BestN(get_metric_fn=_rank, n=1)
        policy = checkpoint_managers.AnyPreservationPolicy([newest, best])
        if several := orbax_trees.one_process():
            (run_dir / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            best_fn=_rank,
            enable_async_checkpointing=False,
            cleanup_tmp_directories=True,  # of a save that was cut off; nobody else trains this run
            create=not several,  # Orbax would wait for the others
            **several,
        )
        self._run_dir, self._verified = run_dir, False
        self._manager = ocp.CheckpointManager((run_dir / CHECKPOINTS).absolute(), options=options)

    def save(
        self,
        step: int,
        state: RunState,
        meta: dict[str, Any],
        score: Score,
        others: np.ndarray | None = None,
    ) -> None:
        """Writes checkpoint `step` (environment steps); the first one is read back and compared.

        `others` is what `gather` made of the states of several processes.

        Raises:
          CheckpointError: it cannot be written (those before it stay), exists already, or reads back as
            something else.
        """
        path = self._run_dir / CHECKPOINTS / str(step)
        if path.exists():
            raise CheckpointError(f"checkpoint {path} exists already, and what it holds stays")
        items: dict[str, Any] = {
            "learner": ocp.args.StandardSave(
                orbax_trees.to_write(orbax_trees.plain(state.learner))
            ),
            "state": ocp.args.StandardSave(orbax_trees.to_write(_to_disk(state))),
            "meta": ocp.args.JsonSave({"format": FORMAT, **meta}),
        }
        if others is not None:
            items["others"] = ocp.args.StandardSave({"bytes": others})
        try:
            saved = self._manager.save(
                step,
                args=ocp.args.Composite(**items),
                metrics=dataclasses.asdict(score),
            )
        except Exception as error:  # a full disk or a lost mount has many names in there
            raise CheckpointError(
                f"checkpoint {path} cannot be written: {orbax_trees.reason(error)}{self._go_on()}"
            ) from error
        if not saved:
            raise CheckpointError(f"checkpoint {path} was not written: Orbax declined it")
        if not self._verified:
            _compare(restore(at_step(self._run_dir, str(step)), state), state, path)
            self._verified = True

    def _go_on(self) -> str:
        """What is left, if anything is."""
        if not run_folder.steps(self._run_dir):
            return ""
        return f"; those before it stay: --checkpoint {self._run_dir} goes on from them"

    def close(self) -> None:
        self._manager.close()


def _rank(metrics: dict[str, Any]) -> float:
    """By what is sure: a lucky few episodes do not beat many."""
    return Score.from_json(metrics).low


def restore(found: Found, like: RunState) -> RunState:
    """The arrays of a checkpoint, in the structure of `like`, whose arrays may be abstract.

    Raises:
      CheckpointError: damaged, of an older format, or of other shapes than `like`'s.
    """
    check_goes_on(found)
    whole = int(found.meta["t"]) != 0
    return _assemble(found, _read(found, "state", _to_disk(like, with_rollout=whole)), like)


def _assemble(found: Found, tree: Any, like: RunState) -> RunState:
    """The learner of a checkpoint with what else was read of it."""
    learner = _read(found, "learner", orbax_trees.plain(like.learner))
    stages = [_with_rollout(*pair) for pair in zip(_stages(tree), _own(like), strict=True)]
    first, *others = stages
    state = RunState(learner, first.carry, tree["starts"], first.snapshot, tuple(others))
    return orbax_trees.with_keys(state, like)


def _with_rollout(stage: StageState, like: StageState) -> StageState:
    """With a blank one where none was saved."""
    if stage.carry.rollout is not None:
        return stage
    blank = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like.carry.rollout)
    carry = dataclasses.replace(stage.carry, rollout=jax.device_put(blank))
    return dataclasses.replace(stage, carry=carry)


def _own(state: RunState) -> list[StageState]:
    """Of each stage what is its own."""
    return [StageState(state.carry, state.snapshot), *state.others]


def _stages(tree: Any) -> list[StageState]:
    """The same of what was read."""
    parts = (tree, *tree.get("stages", ()))
    return [StageState(part["carry"], part["snapshot"]) for part in parts]


def gather(state: RunState) -> np.ndarray:
    """What every process has beside the learner, as bytes `[processes, B]`; all call it together."""
    leaves = jax.tree.leaves(_to_disk(state, with_rollout=False))
    raw = [np.ascontiguousarray(jax.device_get(leaf)).reshape(-1).view(np.uint8) for leaf in leaves]
    return dist.gather(np.concatenate(raw))


def restore_own(found: Found, like: RunState) -> RunState:
    """As `restore`, for one of as many processes as saved the checkpoint: its own part of it."""
    check_goes_on(found)
    template = _to_disk(like, with_rollout=False)
    leaves, tree = jax.tree.flatten(template)
    sizes = [int(np.prod(x.shape)) * np.dtype(x.dtype).itemsize for x in leaves]
    shape = jax.ShapeDtypeStruct((processes(found), sum(sizes)), np.uint8)
    mine = np.asarray(_read(found, "others", {"bytes": shape})["bytes"][dist.index()])
    parts = np.split(mine, np.cumsum(sizes)[:-1])
    plain = jax.tree.unflatten(tree, [_of_bytes(*pair) for pair in zip(parts, leaves, strict=True)])
    return _assemble(found, plain, like)


def _read(found: Found, item: str, template: Any) -> Any:
    path = found.run_dir / CHECKPOINTS / str(found.step) / item
    try:
        return orbax_trees.read(path, template)
    except CheckpointError as error:
        if item == "learner":
            raise
        raise CheckpointError(  # as after a reward term more, which the environments add up
            f"{error}; --init-from {path.parent} begins a new run with its policy alone"
        ) from error


def _of_bytes(raw: np.ndarray, like: Any) -> Any:
    array = raw.view(like.dtype).reshape(like.shape)
    return array if isinstance(like, np.ndarray) else jax.device_put(array)


def restore_learner(found: Found, like: Learner) -> Learner:
    """The learner alone, of any format, for those who only act. Errors as `restore` otherwise."""
    version = found.meta["format"]
    saved = _read(found, "learner", orbax_trees.plain(migrate.learner_as_saved(version, like)))
    return orbax_trees.with_keys(migrate.learner_of_today(version, saved), like)


def _compare(back: RunState, state: RunState, path: Path) -> None:
    """Raises CheckpointError unless `back` is `state`, bit for bit."""
    trees = ((orbax_trees.plain(one.learner), _to_disk(one)) for one in (back, state))
    pairs = zip(*map(jax.tree.leaves, trees), strict=True)
    if not all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs):
        raise CheckpointError(f"checkpoint {path} reads back as something else than was saved")


def _to_disk(state: RunState, with_rollout: bool | None = None) -> Any:
    """All but the learner; the rollout only where something in it is still to be used."""
    if with_rollout is None:
        with_rollout = int(state.carry.t) != 0
    first, *others = (
        {
            "carry": own.carry if with_rollout else dataclasses.replace(own.carry, rollout=None),
            "snapshot": own.snapshot,
        }
        for own in _own(state)
    )
    stages = {"stages": others} if others else {}
    return orbax_trees.plain({**first, "starts": state.starts, **stages})
