"""Orbax checkpoints: everything that decides the future of a run, and where to find one.

A checkpoint holds the learner, the carry (environments, keys, the rollout at its position), the
start states, the simulator's snapshot, and as JSON the configuration and the counters. Between two
iterations the rollout holds nothing that is still to be used, and is left out. Of processes that train
together the first writes, for all of them: `others` holds what each has beside the learner.
"""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax import struct
from orbax.checkpoint import checkpoint_managers

from screwpush_jax import dist, migrate, run_folder
from screwpush_jax.algorithms.algorithm import Learner
from screwpush_jax.errors import CheckpointError
from screwpush_jax.files import write_atomically
from screwpush_jax.paths import check_run_path
from screwpush_jax.run_folder import CHECKPOINTS
from screwpush_jax.score import Score
from screwpush_jax.tasks.task import Starts
from screwpush_jax.transition import Carry
from screwpush_sim import bridge

FORMAT = 3
"""Raised when what a run needs to go on is laid out anew; the learner of an older one is still read."""
_LAST_VERSION = {1: "0.1.0", 2: "0.2.0"}
"""The version that goes on with runs of an older format."""
_META = {"format", "config", "counters", "engine", "task", "obs_layout", "t"}


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
        best = checkpoint_managers.BestN(get_metric_fn=_rank, n=1)
        policy = checkpoint_managers.AnyPreservationPolicy([newest, best])
        if several := _one_of_several():
            (run_dir / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            best_fn=_rank,
            enable_async_checkpointing=False,
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
          CheckpointError: it was not written, or what was written is not what was given.
        """
        path = self._run_dir / CHECKPOINTS / str(step)
        if path.exists():
            raise CheckpointError(f"checkpoint {path} exists already, and what it holds stays")
        items: dict[str, Any] = {
            "learner": ocp.args.StandardSave(_to_write(_plain(state.learner))),
            "state": ocp.args.StandardSave(_to_write(_to_disk(state))),
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
                f"checkpoint {path} cannot be written: {_reason(error)}"
            ) from error
        if not saved:
            raise CheckpointError(f"checkpoint {path} was not written: Orbax declined it")
        if not self._verified:
            _compare(restore(_open(path), state), state, path)
            self._verified = True

    def close(self) -> None:
        self._manager.close()


def find(
    spec: str, runs_dir: Path, task: str, claim: Callable[[Path], object] | None = None
) -> Found:
    """The checkpoint that `spec` names: latest, best, a run's name or folder, or a step's folder.

    `claim` is called with the run's folder before its checkpoint is chosen: whoever goes on with a
    run keeps others away first, or it may be saved anew in between.

    Raises:
      CheckpointError: there is none, or it cannot be read.
    """
    step = None
    if spec in ("latest", "best"):
        run_dir = _newest_run(spec, runs_dir / task)
    else:
        run_dir, step = run_folder.named(spec, runs_dir / task)
    check_run_path(run_dir)
    if claim is not None:
        claim(run_dir)
    if step is not None:
        return _open(run_dir / CHECKPOINTS / str(step))
    return find_in(run_dir, best=spec == "best")


def find_in(run_dir: Path, best: bool) -> Found:
    """The best or the newest checkpoint of one run. Errors as `find`."""
    known = run_folder.steps(run_dir)
    if not known:
        raise CheckpointError(f"the run {run_dir} has no checkpoint")
    if best:
        scores = {step: score_of(run_dir, step) for step in known}
        known.sort(key=lambda step: (one.low if (one := scores[step]) else -math.inf, step))
    return _open(run_dir / CHECKPOINTS / str(known[-1]))


def at_step(run_dir: Path, step: str) -> Found:
    """The checkpoint of one run at `step`. Errors as `find`."""
    return _open(run_dir / CHECKPOINTS / step)


def rescore(found: Found, score: Score) -> None:
    """Ranks a checkpoint by another score than the one that it was saved with.

    Raises:
      OSError: it cannot be written; the old one stands.
    """
    path = found.run_dir / CHECKPOINTS / str(found.step) / "metrics" / "metrics"
    write_atomically(path, json.dumps(dataclasses.asdict(score)))


def _newest_run(spec: str, task_dir: Path) -> Path:
    """The run that was saved last, by what its checkpoints say: a copy is as old as the original.

    Of a run and its copies the one that still has the name under which it was saved.
    """
    found = [p for p in run_folder.runs(task_dir) if run_folder.steps(p)]
    if not found:
        raise CheckpointError(f"--checkpoint {spec}: no run with a checkpoint in {task_dir}")

    def age(run_dir: Path) -> tuple[int, bool]:
        step_dir = run_dir / CHECKPOINTS / str(run_folder.steps(run_dir)[-1])
        return _saved_at_ns(step_dir), _read_json(_meta(step_dir)).get("run") == run_dir.name

    return max(found, key=age)


def _saved_at_ns(step_dir: Path) -> int:
    """When Orbax finished writing it."""
    stamp = _read_json(step_dir / "_CHECKPOINT_METADATA").get("commit_timestamp_nsecs")
    return stamp if isinstance(stamp, int) else 0


def _read_json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _meta(step_dir: Path) -> Path:
    return step_dir / "meta" / "metadata"


def _rank(metrics: dict[str, Any]) -> float:
    """By what is sure: a lucky few episodes do not beat many."""
    return Score.from_json(metrics).low


def score_of(run_dir: Path, step: int) -> Score | None:
    """What the checkpoint at `step` is rated by; None where nothing that can be read says so."""
    path = run_dir / CHECKPOINTS / str(step) / "metrics" / "metrics"
    try:
        return Score.from_json(_read_json(path))
    except (ValueError, KeyError, TypeError):
        return None


def saved_at_s(run_dir: Path, step: int) -> float | None:
    """When the checkpoint at `step` was written, in seconds of the epoch; None if it does not say."""
    return 1e-9 * _saved_at_ns(run_dir / CHECKPOINTS / str(step)) or None


def _open(step_dir: Path) -> Found:
    meta = _read_json(_meta(step_dir))
    readable = (*_LAST_VERSION, FORMAT)
    if meta.get("format", FORMAT) not in readable:
        valid = ", ".join(map(str, readable))
        raise CheckpointError(
            f"checkpoint {step_dir} has format {meta['format']!r}; valid: {valid}"
        )
    if not meta.keys() >= _META:
        raise CheckpointError(
            f"checkpoint {step_dir} is incomplete or damaged; valid: {_others(step_dir)}"
        )
    config = meta["config"]
    meta["config"] = migrate.config_of_today(config) if isinstance(config, dict) else {}
    return Found(step_dir.parent.parent, int(step_dir.name), meta)


def check_goes_on(found: Found) -> None:
    """Raises CheckpointError if a run of the checkpoint's format cannot go on in this version."""
    kept = found.meta["format"]
    if kept != FORMAT:
        raise CheckpointError(
            f"checkpoint {found.run_dir / CHECKPOINTS / str(found.step)} has format {kept}: its run"
            f" goes on in version {_LAST_VERSION[kept]} of screwpush-jax; here it can be evaluated and"
            " played"
        )


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
    learner = _read(found, "learner", _plain(like.learner))
    stages = [_with_rollout(*pair) for pair in zip(_stages(tree), _own(like), strict=True)]
    first, *others = stages
    state = RunState(learner, first.carry, tree["starts"], first.snapshot, tuple(others))
    return jax.tree.map(_data_to_key, state, like)


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


def processes(found: Found) -> int:
    """How many processes trained together when the checkpoint was saved."""
    return int(found.meta["config"].get("num_gpus", 1))


def stages(found: Found) -> int:
    """In how many stages each process stepped its environments when the checkpoint was saved."""
    return int(found.meta["config"].get("pipeline_stages", 1))


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


def _of_bytes(raw: np.ndarray, like: Any) -> Any:
    array = raw.view(like.dtype).reshape(like.shape)
    return array if isinstance(like, np.ndarray) else jax.device_put(array)


def restore_learner(found: Found, like: Learner) -> Learner:
    """The learner alone, of any format, for those who only act. Errors as `restore` otherwise."""
    version = found.meta["format"]
    saved = _read(found, "learner", _plain(migrate.learner_as_saved(version, like)))
    return jax.tree.map(_data_to_key, migrate.learner_of_today(version, saved), like)


def _read(found: Found, item: str, template: Any) -> Any:
    path = found.run_dir / CHECKPOINTS / str(found.step) / item
    try:
        here = jax.tree.map(_on_this_device, template)
        return ocp.StandardCheckpointer(**_one_of_several()).restore(path.absolute(), here)
    except Exception as error:  # Orbax and TensorStore raise many kinds for a damaged folder
        raise CheckpointError(f"checkpoint {path} cannot be restored: {_reason(error)}") from error


def _one_of_several() -> dict[str, Any]:
    """Has Orbax read and write in this process alone, where several train or trained together."""
    if jax.process_count() == 1:
        return {}
    me = jax.process_index()
    options = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
    )
    return {"multiprocessing_options": options}


def _to_write(tree: Any) -> Any:
    """Where several train together Orbax takes a process's own arrays from the host only; and what it takes
    from a device it asks for that device again, which others may not have."""
    alone = dist.count() == 1 and not dist.is_split()
    return tree if alone else jax.device_get(tree)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _compare(back: RunState, state: RunState, path: Path) -> None:
    """Raises CheckpointError unless `back` is `state`, bit for bit."""
    trees = ((_plain(one.learner), _to_disk(one)) for one in (back, state))
    pairs = zip(*map(jax.tree.leaves, trees), strict=True)
    if not all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs):
        raise CheckpointError(f"checkpoint {path} reads back as something else than was saved")


def _others(step_dir: Path) -> str:
    good = [p for p in step_dir.parent.glob("*") if p != step_dir and (p / "meta").is_dir()]
    return ", ".join(sorted(str(p) for p in good)) or "no other checkpoint in that run"


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
    return _plain({**first, "starts": state.starts, **stages})


def _plain(tree: Any) -> Any:
    """Random keys as their data, which every version of Orbax can store."""
    return jax.tree.map(lambda leaf: _key_to_data(leaf) if _is_key(leaf) else leaf, tree)


def _on_this_device(leaf: Any) -> Any:
    """Without a place of its own Orbax would look for the device that the leaf was saved on."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        place = jax.sharding.SingleDeviceSharding(bridge.device())
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
