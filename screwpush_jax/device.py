"""What a process takes from the machine: a device for JAX, its settings, its compile cache.

Where simulator and learner are apart (`--placement`), it takes a device for each.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

import jax

from screwpush_jax import cluster, dist
from screwpush_jax.config import Config
from screwpush_jax.errors import UsageError
from screwpush_sim import bridge, registry

_NEEDED = {
    "jax_debug_infs": False,
    "jax_debug_key_reuse": False,
    "jax_debug_nans": False,  # a scene that blew up shows NaN, and is replaced
    "jax_default_prng_impl": "threefry2x32",  # else keys of another shape are in the checkpoints
    "jax_disable_jit": False,
    "jax_enable_x64": False,
    "jax_legacy_prng_key": "allow",
    "jax_no_tracing": False,
    "jax_numpy_dtype_promotion": "standard",  # optax mixes them
    "jax_numpy_rank_promotion": "allow",
    "jax_random_seed_offset": 0,
    "jax_threefry_partitionable": True,
    "jax_transfer_guard": "allow",
    "jax_transfer_guard_device_to_device": "allow",
    "jax_transfer_guard_device_to_host": "allow",
    "jax_transfer_guard_host_to_device": "allow",
}
"""Settings of JAX's that training is made for, where the environment may say otherwise."""
_CACHE_BYTES = 2 << 30


def check_engine(config: Config) -> None:
    """Checks the engine that is named, if one is, before JAX looks for a device.

    Raises:
      UsageError: it cannot use the device.
      SimError: it is not installed, or not known.
    """
    if config.sim == "auto":
        return
    registry.check_installed(config.sim)
    if config.device == "gpu" and registry.steps_on_host(config.sim, getattr(config, config.sim)):
        raise UsageError(
            f"--device gpu: the engine {config.sim} steps on the CPU; valid: auto, cpu"
        )


def use_device(config: Config) -> str:
    """Lets JAX compute where the user asked; call before JAX's first computation.

    Returns:
      The one device that this process uses, in words.

    Raises:
      UsageError: the device is not there, or the engine cannot use it.
      SimError: the engine is not installed.
    """
    check_engine(config)
    # JAX would take most of a GPU's memory at once, and the simulator needs its share
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    _set_what_is_needed()
    jax.config.update("jax_disable_most_optimizations", config.fast_compile)
    _use_cache(config.compile_cache_dir())
    on_host = config.sim != "auto" and registry.steps_on_host(
        config.sim, getattr(config, config.sim)
    )
    split = bool(config.placement.pairs)
    if split:
        jax.config.update("jax_num_cpu_devices", 2)
    if config.device == "cpu" or on_host:
        jax.config.update("jax_platforms", "cpu")
    elif split or "JAX_CUDA_VISIBLE_DEVICES" not in os.environ:
        # the others are for other processes
        jax.config.update("jax_cuda_visible_devices", "0,1" if split else "0")
    place = _device(config)
    if split and len(jax.local_devices()) < 2:
        raise UsageError(
            f"--placement.learner {config.placement.learner}: this process sees one device; valid: two in"
            f" {cluster.VISIBLE}, its simulator's and its learner's"
        )
    dist.learn_on(1 if split else 0)
    registry.check_installed(config.sim)
    return _in_words(place)


def _device(config: Config) -> Any:
    asked = os.environ.get("JAX_PLATFORMS", "")
    because = f" (JAX_PLATFORMS is {asked!r})" if asked else ""
    try:
        place = bridge.device()
    except Exception as error:  # each of JAX's back ends fails in a way of its own
        reason = " ".join(str(error).split())[:200] or "no such device here"
        raise UsageError(f"JAX finds no device{because}: {reason}; valid: --device cpu") from None
    if config.device == "gpu" and place.platform != "gpu":
        raise UsageError(
            f"--device gpu: JAX sees no GPU here{because}; valid: auto, cpu (for a GPU: a CUDA"
            " driver and pip install 'screwpush-jax[cuda13]')"
        )
    if place.platform not in ("gpu", "cpu"):
        raise UsageError(f"JAX computes on a {place.platform}{because}; valid: --device cpu")
    return place


def _in_words(place: Any) -> str:
    if dist.is_split():
        return _pair_in_words(place)
    if place.platform == "gpu" and dist.count() > 1:  # its only one, of those of its host
        number = os.environ.get(cluster.VISIBLE, place.local_hardware_id)
        return f"gpu {number} ({place.device_kind}), process {dist.index()} of {dist.count()}"
    if place.platform == "gpu":
        number = place.local_hardware_id
        return f"gpu {number} ({place.device_kind}; CUDA_VISIBLE_DEVICES chooses another)"
    visible = len(jax.local_devices())
    return "cpu" + (f" {place.id} of {visible}: a process uses one" if visible > 1 else "")


def _pair_in_words(place: Any) -> str:
    learner = dist.learner_device()
    names = os.environ.get(cluster.VISIBLE, "").split(",") if place.platform == "gpu" else []
    sim, own = names if len(names) == 2 else (place.id, learner.id)
    kind = f" ({place.device_kind})" if place.platform == "gpu" else ""
    which = f", process {dist.index()} of {dist.count()}" if dist.count() > 1 else ""
    return f"{place.platform} {sim} for the simulator, {own} for the learner{kind}{which}"


def _set_what_is_needed() -> None:
    for name, value in _NEEDED.items():
        variable = name.upper()
        if variable in os.environ and getattr(jax.config, name) != value:
            print(f"{variable}={os.environ[variable]} is not followed: training needs {value}")
            jax.config.update(name, value)


def _use_cache(folder: Path | None) -> None:
    """Keeps compiled functions in `folder`; beyond 2 GiB the oldest make room."""
    if folder is None or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        prune(folder, _CACHE_BYTES)
    except OSError as error:
        print(f"compiled functions are not kept in --compile-cache {folder}: {error.strerror}")
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def prune(folder: Path, max_bytes: int) -> None:
    """Deletes the oldest files of a flat `folder` until the rest has at most `max_bytes`."""
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process prunes as well
            if path.is_file():
                found.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    excess = sum(size for _, size, _ in found) - max_bytes
    for _, size, path in sorted(found):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size
