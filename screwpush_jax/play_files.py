"""Where a command puts its file, a video's states beside it; none takes another's place."""

import itertools
import tempfile
from pathlib import Path

import numpy as np

from screwpush_jax.errors import UsageError
from screwpush_jax.side_products import reason


def choose_output(asked: str, run_dir: Path, stem: str, *kinds: str) -> Path:
    """The file's path: the one asked for, or `stem` in the run's folder, numbered if taken.

    `kinds` are what its name may end with, the first one by default.

    Raises:
      UsageError: a bad name, a file that exists, or a folder that cannot be written to. Nothing
        has been created then.
    """
    try:
        path = _free(asked, kinds) if asked else _numbered(run_dir, stem, kinds[0])
        # the nearest folder that exists takes a file without a name, or none at all
        folder = next(p for p in path.absolute().parents if p.exists())
        with tempfile.TemporaryFile(dir=folder):
            return path
    except OSError as error:
        shown = asked or run_dir
        raise UsageError(
            f"--output {shown}: nothing can be written there ({reason(error)});"
            f" valid: a name that ends in {' or '.join(kinds)}, in a folder of your own"
        ) from None


def states_path(video: Path) -> Path:
    """The file of the states beside a video."""
    return video.with_suffix(".npz")


def save_states(video: Path, columns: dict[str, np.ndarray]) -> Path:
    """Writes the states beside the video that is to come; makes its folder.

    Raises:
      UsageError: they cannot be written; no half of a file is left.
    """
    path = states_path(video)
    try:
        video.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            try:
                np.savez_compressed(file, allow_pickle=False, **columns)
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {reason(error)}") from None
    return path


def _numbered(run_dir: Path, stem: str, suffix: str) -> Path:
    numbers = itertools.chain([""], (f"-{n}" for n in itertools.count(2)))
    paths = (run_dir / f"{stem}{number}{suffix}" for number in numbers)
    return next(path for path in paths if _taken(path) is None)


def _free(asked: str, kinds: tuple[str, ...]) -> Path:
    try:
        path = Path(asked).expanduser()
    except RuntimeError as error:  # no such user, no home
        raise UsageError(f"--output {asked}: {reason(error)}") from None
    if not path.name.endswith(kinds) or path.name in kinds:
        raise UsageError(f"--output {asked}; valid: a name that ends in {' or '.join(kinds)}")
    if taken := _taken(path):
        raise UsageError(f"--output {asked}: {taken} exists; take another name")
    return path


def _taken(video: Path) -> Path | None:
    """What is already there under one of the two names."""
    for path in (video, states_path(video)):
        if path.exists() or path.is_symlink():
            return path
    return None
