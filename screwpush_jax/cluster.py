"""Who this process is among those that train together, as whoever started it says.

A launcher that JAX knows (SLURM, Open MPI) says it in variables of its own. Any other says it in three:
`JAX_COORDINATOR_ADDRESS` (host:port at which process 0 is reached), `JAX_NUM_PROCESSES` and
`JAX_PROCESS_ID`. Nothing is started here, and JAX is not loaded.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

from screwpush_jax.errors import UsageError

ADDRESS, COUNT, INDEX = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
VISIBLE = "CUDA_VISIBLE_DEVICES"


Pairs = Sequence[tuple[int, int]]
"""Of each process of a machine the numbers of two devices: its simulator's and its learner's."""


class Place(NamedTuple):
    """One process among `count`."""

    index: int = 0
    count: int = 1
    on_host: int | None = None
    """Its number among those of its host, where several are and nobody gave each a GPU."""
    address: str | None = None
    """Where process 0 is reached; None where JAX finds that out."""


ALONE = Place()


def place() -> Place:
    """This process's place; `ALONE` where nobody says otherwise.

    Raises:
      UsageError: what is said does not fit together.
    """
    found = _of_variables() or _of_slurm() or _of_open_mpi() or ALONE
    return found if found.count > 1 else ALONE


def pin(own: Place, pairs: Pairs = ()) -> None:
    """Leaves this process one of its host's GPUs, or a pair; call before anything looks for them."""
    if own.on_host is None:
        return
    visible = visible_gpus()
    if pairs:
        os.environ[VISIBLE] = name_pair(pairs, own.on_host, visible)
        return
    if visible is None:
        os.environ[VISIBLE] = str(own.on_host)
    elif len(visible) > 1:  # one: it was given to it
        if own.on_host >= len(visible):
            raise UsageError(
                f"process {own.index} is number {own.on_host} of its host, and {VISIBLE} is"
                f" {','.join(visible)}; valid: at most {len(visible)} processes on a host"
            )
        os.environ[VISIBLE] = visible[own.on_host]


def visible_gpus() -> list[str] | None:
    """The GPUs that `CUDA_VISIBLE_DEVICES` leaves; None where it leaves all."""
    said = os.environ.get(VISIBLE)
    return None if said is None else [name for name in said.split(",") if name.strip()]


def name_pair(pairs: Pairs, number: int, there: Sequence[str] | None) -> str:
    """What `CUDA_VISIBLE_DEVICES` is for process `number` of a machine with these GPUs (None: whichever).

    Raises:
      UsageError: there are fewer pairs, or GPUs.
    """
    if number >= len(pairs):
        raise UsageError(
            f"process {number} of this machine has no place in --placement.sim and --placement.learner;"
            f" valid: {len(pairs)} processes on a machine"
        )
    if there is None:
        return ",".join(map(str, pairs[number]))
    for option, gpu in zip(("sim", "learner"), pairs[number], strict=True):
        if gpu >= len(there):
            where = f" in {VISIBLE}" if VISIBLE in os.environ else ""
            valid = f"0 to {len(there) - 1}" if there else "none, as this machine has no GPU"
            raise UsageError(
                f"--placement.{option}: there is no GPU {gpu}{where}; valid: {valid}, or --device cpu for"
                " devices of the CPU"
            )
    return ",".join(there[gpu] for gpu in pairs[number])


def processes(num_gpus: int, pairs: Pairs) -> int:
    """How many processes are asked for, by `--num-gpus` or by the two lists of `--placement`.

    Raises:
      UsageError: by both, and not the same number.
    """
    if not pairs or place().count > 1:
        return num_gpus
    if num_gpus not in (1, len(pairs)):
        raise UsageError(
            f"--num-gpus {num_gpus}: --placement.sim names the GPUs of {len(pairs)} processes, each with a"
            f" simulator; valid: {len(pairs)}, or without --num-gpus"
        )
    return len(pairs)


def share(
    num_envs: int, num_gpus: int, in_all: int, before: tuple[int, int] | None
) -> tuple[int, int]:
    """Environments of each process, and the number of processes, with `num_gpus` asked for.

    `in_all` is how many environments all have together, 0 if nobody said so. `before` holds those of
    each process and the number of processes of the run that goes on: it keeps them in all.

    Raises:
      UsageError: others were started than asked for, or the environments cannot be shared out.
    """
    started = place().count
    if started > 1 and num_gpus not in (1, started):
        raise UsageError(
            f"--num-gpus {num_gpus}: {started} processes were started together; valid: {started}"
        )
    count, flag = max(started, num_gpus), "global-num-envs"
    if not in_all and before is not None and num_envs == before[0]:
        in_all, flag = before[0] * before[1], "num-gpus"
    if in_all % count:
        said = f"--{flag} {in_all if flag == 'global-num-envs' else count}"
        good = ", ".join(str(n) for n in range(1, 129) if in_all % n == 0)
        valid = f"a multiple of {count}" if flag == "global-num-envs" else f"as many GPUs as {good}"
        raise UsageError(
            f"{said}: {in_all} environments cannot be shared out to {count} processes; valid: {valid}"
        )
    return (in_all // count if in_all else num_envs), count


def _of_variables() -> Place | None:
    given = [name for name in (COUNT, INDEX) if name in os.environ]
    if not given:
        return None
    missing = [name for name in (ADDRESS, COUNT, INDEX) if name not in os.environ]
    if missing:
        raise UsageError(
            f"{' and '.join(given)} without {' and '.join(missing)}; valid: all three or none of"
            f" {ADDRESS}, {COUNT}, {INDEX}"
        )
    index, count = _index_and_count(INDEX, COUNT)
    return Place(index, count, None, _address())


def _of_slurm() -> Place | None:
    """Of a step that srun started: in the job's own script a single process runs."""
    needed = ("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID")
    if any(name not in os.environ for name in (*needed, "SLURM_JOB_ID")):
        return None
    index, count = _index_and_count("SLURM_PROCID", needed[0])
    return Place(index, count, _number("SLURM_LOCALID"))


def _of_open_mpi() -> Place | None:
    prefix = "OMPI_COMM_WORLD_"
    if f"{prefix}SIZE" not in os.environ:
        return None
    index, count = _index_and_count(f"{prefix}RANK", f"{prefix}SIZE")
    return Place(index, count, _number(f"{prefix}LOCAL_RANK"))


def _index_and_count(index_name: str, count_name: str) -> tuple[int, int]:
    index, count = _number(index_name), _number(count_name)
    if count < 1:
        raise UsageError(f"{count_name}={count}; valid: a whole number from 1")
    if index >= count:
        raise UsageError(
            f"{index_name}={index}; valid: 0 to {count - 1}, as {count_name} is {count}"
        )
    return index, count


def _address() -> str:
    """Where process 0 is reached. A wrong one would be tried for minutes."""
    text = os.environ[ADDRESS]
    host, _, port = text.rpartition(":")
    if not (host and _is_number(port) and 0 < int(port) < 2**16):
        raise UsageError(f"{ADDRESS}={text!r}; valid: HOST:PORT, with a port from 1 to 65535")
    return text


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    if not _is_number(text):
        raise UsageError(f"{name}={text!r}; valid: a whole number from 0")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
