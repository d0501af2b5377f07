"""The official clients of the services, behind the four calls that are needed of them.

Their own environment variables decide what they decide everywhere: mode (online, offline, disabled),
key, project, folder. Nothing here is called in the process that trains.
"""

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

_VIDEOS = (".mp4", ".gif", ".webm")


class Client(Protocol):
    """One run at a service. Each call may raise anything, and may hang."""

    def __init__(self) -> None:
        """Raises ImportError without its package."""

    def start(
        self, folder: Path, run_id: str, name: str, project: str, config: Mapping[str, Any]
    ) -> bool:
        """Begins the run `run_id`, or goes on with it; what the client keeps lies in `folder`.

        The answer is whether it keeps anything: a service that is disabled takes all and keeps nothing.
        An empty `project` leaves the choice to the service's own settings.
        """
        ...

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None: ...

    def send(self, path: Path, folder: Path) -> None:
        """Uploads the file `path`, a video or a report in the run's `folder`."""

    def finish(self) -> None:
        """Returns when all has arrived."""


class WandB:
    """Weights & Biases."""

    def __init__(self) -> None:
        self._wandb: Any = importlib.import_module("wandb")

    def start(
        self, folder: Path, run_id: str, name: str, project: str, config: Mapping[str, Any]
    ) -> bool:
        given = {"NAME": name, "RUN_ID": run_id, "DIR": str(folder)}
        kept = {k: v for k, v in given.items() if f"WANDB_{k}" not in os.environ}
        self._run = self._wandb.init(
            config=dict(config),
            allow_val_change=True,
            resume="allow",
            settings=self._wandb.Settings(console="off"),
            project=project or None,
            name=kept.get("NAME"),
            id=kept.get("RUN_ID"),
            dir=kept.get("DIR"),
        )
        return not self._run.disabled

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        self._run.log(dict(metrics), step=env_steps)

    def send(self, path: Path, folder: Path) -> None:
        if path.suffix in _VIDEOS:
            shown = self._wandb.Video(str(path), format=path.suffix[1:])
            self._run.log({f"videos/{path.stem}": shown})
        elif path.suffix == ".html":
            self._run.log({path.stem: self._wandb.Html(path.read_text())})
        self._run.save(str(path), base_path=str(folder), policy="now")

    def finish(self) -> None:
        self._run.finish()


class SwanLab:
    """SwanLab; of videos it shows GIFs only, so they are sent as files."""

    def __init__(self) -> None:
        self._swanlab: Any = importlib.import_module("swanlab")

    def start(
        self, folder: Path, run_id: str, name: str, project: str, config: Mapping[str, Any]
    ) -> bool:
        given = {"RUN_ID": run_id, "LOG_DIR": str(folder / "swanlog")}
        kept = {k: v for k, v in given.items() if f"SWANLAB_{k}" not in os.environ}
        self._run = self._swanlab.init(
            config=dict(config),
            resume="allow",
            project=project or None,
            experiment_name=name,
            id=kept.get("RUN_ID"),
            log_dir=kept.get("LOG_DIR"),
        )
        return os.environ.get("SWANLAB_MODE") != "disabled"

    def log(self, metrics: Mapping[str, float], env_steps: int) -> None:
        self._run.log(dict(metrics), step=env_steps)

    def send(self, path: Path, folder: Path) -> None:
        self._run.save(str(path), base_path=str(folder), policy="now")

    def finish(self) -> None:
        self._run.finish()


CLIENTS: dict[str, type[Client]] = {"wandb": WandB, "swanlab": SwanLab}
"""By the name of the package, of the extra, and in `log.to`."""
