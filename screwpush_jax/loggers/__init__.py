"""Where the metrics of a run go: files in its folder, and services on the net.

`run_loggers` are the files, written in the thread that trains: the run's own metrics.jsonl, and
TensorBoard's. `services` are Weights & Biases and SwanLab: for each a process of its own (`worker`)
follows the folder of the run and hands what is new there to the official client (`clients`).
"""

from screwpush_jax.loggers.metrics_file import read_metrics

__all__ = ["read_metrics"]
