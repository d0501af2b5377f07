"""A model of an iteration's time on any number of GPUs, fitted to what `scaling` and `communication` measured.

    time(k GPUs, n environments each) = (fixed + each * n) * (1 + jitter * E_k)  +  exchanges

`E_k` is by how many standard deviations the slowest of k is slower than the mean, if their times are normal:
all wait for it once an iteration. An exchange (all-reduce) of B bytes takes

    start + hop * 2 (k_host - 1) + NET_HOP * 2 log2(hosts)  +  B * 2 (k - 1) / k / bandwidth

which is the form of NCCL's own model of a tree (src/graph/tuning.cc).
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

Row = dict[str, Any]

PER_HOST = 8
"""Assumed: GPUs of a host, joined by NVLink."""
NVLINK_HOP_US = 0.6
"""Latency of one hop over NVLink, where it was not measured (it takes more than two GPUs). Assumed: NCCL's own
constant for a tree with its protocol LL, https://github.com/NVIDIA/nccl/blob/master/src/graph/tuning.cc"""
NET_HOP_US = 5.0
"""Latency of one hop between hosts. Assumed: the same file's constant for a network."""
NET_BYTES_PER_US = 50e3
"""Bandwidth of a GPU to other hosts. Assumed: 400 Gb/s of InfiniBand for each, as in NVIDIA's DGX H100,
https://docs.nvidia.com/dgx/dgxh100-user-guide/introduction-to-dgxh100.html"""


class Exchange(NamedTuple):
    """What an update exchanges."""

    step_bytes: tuple[int, ...]
    """Of the all-reduces of one gradient step."""
    once_bytes: tuple[int, ...]
    """Of those beside, once an iteration."""


@dataclasses.dataclass(frozen=True)
class Model:
    """Its constants."""

    fixed_ms: float
    each_ms: float
    jitter: float
    start_us: float
    hop_us: float
    bytes_per_us: float
    exchange: Exchange

    def compute_ms(self, num_envs: int) -> float:
        """Of an iteration on one GPU."""
        return self.fixed_ms + self.each_ms * num_envs

    def waiting_ms(self, gpus: int, num_envs: int) -> float:
        """For the slowest."""
        return self.compute_ms(num_envs) * self.jitter * slowest(gpus)

    def allreduce_us(self, gpus: int, size: float) -> float:
        """Of one of so many bytes; nothing alone."""
        if gpus == 1:
            return 0.0
        hosts = -(-gpus // PER_HOST)
        start = self.start_us + self.hop_us * 2 * (min(gpus, PER_HOST) - 1)
        start += NET_HOP_US * 2 * math.log2(hosts)
        slowest_link = min(self.bytes_per_us, NET_BYTES_PER_US if hosts > 1 else math.inf)
        return start + size * 2 * (gpus - 1) / gpus / slowest_link

    def exchange_ms(self, gpus: int, gradient_steps: int) -> float:
        """Of all exchanges of an iteration."""
        step = sum(self.allreduce_us(gpus, size) for size in self.exchange.step_bytes)
        once = sum(self.allreduce_us(gpus, size) for size in self.exchange.once_bytes)
        return 1e-3 * (gradient_steps * step + once)

    def iteration_ms(self, gpus: int, num_envs: int, gradient_steps: int) -> float:
        waiting = self.waiting_ms(gpus, num_envs)
        return self.compute_ms(num_envs) + waiting + self.exchange_ms(gpus, gradient_steps)


def fit(scaling: Iterable[Row], communication: Sequence[Row], most_gpus: int) -> Model:
    """The model of rows of the part `weak` with at most so many GPUs.

    Raises:
      ValueError: rows that it needs are missing.
    """
    rows = [r for r in scaling if r.get("part") == "weak" and r["gpus"] <= most_gpus]
    alone = [r for r in rows if r["gpus"] == 1]
    if not alone:
        raise ValueError("no row of one GPU: run benchmarks.scaling with --parts weak")
    fixed, each = _compute([r["num_envs"] for r in alone], [time_ms(r) for r in alone])
    start, hop, bandwidth = _allreduce(
        [r for r in communication if r["what"] == "allreduce" and 1 < r["gpus"] <= most_gpus]
    )
    model = Model(fixed, each, 0.0, start, hop, bandwidth, _exchange(communication))
    return dataclasses.replace(model, jitter=_jitter(model, [r for r in rows if r["gpus"] > 1]))


def time_ms(row: Row) -> float:
    """Of an iteration, as it was measured."""
    return row["iteration_ms"]["median"]


def gradient_steps(row: Row) -> int:
    return row["num_epochs"] * row["num_minibatches"]


def slowest(count: int) -> float:
    """The expected maximum of so many independent standard normal numbers."""
    x = np.linspace(-8.0, 8.0, 8001)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    below = 0.5 * (1 + np.array([math.erf(value / math.sqrt(2)) for value in x]))
    return float(np.trapezoid(x * count * density * below ** (count - 1), x))


def _compute(sizes: Sequence[int], ms: Sequence[float]) -> tuple[float, float]:
    """Fixed and for each environment, neither negative; what counts is the error's share."""
    columns = [np.ones(len(sizes)), np.asarray(sizes, float)]
    if len(set(sizes)) == 1:
        columns[0] *= 0.0
    fixed, each = _fit_shares(columns, ms)
    return fixed, each


def _allreduce(rows: Sequence[Row]) -> tuple[float, float, float]:
    """Start (us), hop (us) and bandwidth (bytes/us)."""
    if not rows:
        raise ValueError("no all-reduce of that many GPUs: run benchmarks.communication")
    gpus, size, us = (np.array([r[key] for r in rows], float) for key in ("gpus", "bytes", "us"))
    hops, share = 2 * (gpus - 1), size * 2 * (gpus - 1) / gpus
    if len(set(gpus)) == 1:  # start and hops cannot be told apart
        start, per_byte = _fit_shares([np.ones(len(us)), share], us)
        return max(0.0, start - NVLINK_HOP_US * hops[0]), NVLINK_HOP_US, 1 / max(per_byte, 1e-12)
    start, hop, per_byte = _fit_shares([np.ones(len(us)), hops, share], us)
    return start, hop, 1 / max(per_byte, 1e-12)


def _exchange(communication: Sequence[Row]) -> Exchange:
    rows = [r for r in communication if r["what"] == "update" and r["gpus"] > 1]
    if not rows:
        raise ValueError("no update of two GPUs: run benchmarks.communication")
    row = rows[-1]
    steps = gradient_steps(row)
    kinds = [(size, times) for _, size, times in row["collectives"]]
    return Exchange(
        tuple(size for size, times in kinds if times == steps),
        tuple(size for size, times in kinds for _ in range(times) if times != steps),
    )


def _jitter(model: Model, rows: Sequence[Row]) -> float:
    """What is left of the times of several GPUs, as a share of the computing, for `slowest` of 1."""
    if not rows:
        return 0.0
    columns = [model.compute_ms(r["num_envs"]) * slowest(r["gpus"]) for r in rows]
    left = [
        time_ms(r) - model.iteration_ms(r["gpus"], r["num_envs"], gradient_steps(r)) for r in rows
    ]
    whole = np.array([time_ms(r) for r in rows])
    x, y = np.array(columns) / whole, np.array(left) / whole
    return max(0.0, float(x @ y / (x @ x)))


def _fit_shares(columns: Sequence[np.ndarray], y: Sequence[float] | np.ndarray) -> list[float]:
    """Coefficients, none negative, with which the columns come closest to `y`, each error as a share of it."""
    y = np.asarray(y, float)
    matrix = np.stack(columns, axis=1) / y[:, None]
    active = [i for i in range(len(columns)) if np.any(matrix[:, i])]
    while True:
        found = np.linalg.lstsq(matrix[:, active], np.ones(len(y)), rcond=None)[0]
        if (found >= 0).all() or len(active) == 1:
            break
        del active[int(np.argmin(found))]
    result = [0.0] * len(columns)
    for i, value in zip(active, found, strict=True):
        result[i] = max(0.0, float(value))
    return result
