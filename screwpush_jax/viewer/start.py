"""From a checkpoint to a session on a screen: what `play --view` does."""

from collections.abc import Callable
from typing import Any

from screwpush_jax import compiled
from screwpush_jax.build import World
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.viewer import loop, page
from screwpush_jax.viewer.checkpoints import Checkpoints
from screwpush_jax.viewer.native import Window
from screwpush_jax.viewer.page import Page
from screwpush_jax.viewer.screen import Screen
from screwpush_jax.viewer.session import Session
from screwpush_jax.viewer.stage import Stage
from screwpush_sim.grid import SceneGrid

_STARTS_EACH = 4
"""Start states for each scene."""


def check(native: bool, host: str, port: int) -> None:
    """Raises UsageError or RendererUnavailableError where there is no window, or no page."""
    if native:
        from screwpush_sim.window import check_display

        check_display()
    else:
        page.check_installed()
        page.check_address(host, port)


def make_session(
    world: World,
    found: Found,
    load: Callable[[Found], Any],
    policy: str,
    seed: int,
    follow: bool = False,
) -> Session:
    """A session in `world` that begins with the checkpoint `found`, from start states of `seed`.

    With `follow` it takes each newer checkpoint of the run, from the beginning.

    Raises:
      CheckpointError: `load` cannot read it.
      StartsError: hardly any state is a start.
      SimError: the physics failed.
    """
    checkpoints = Checkpoints(found, load, follow)
    size = _STARTS_EACH * world.sim.spec.num_envs
    starts = world.task.starts(world.sim, size, seed, compiled.jit)
    session = Session(Stage(world, starts, seed), checkpoints, policy)
    session.set_follow(follow)
    return session


def watch(session: Session, native: bool, host: str, port: int) -> None:
    """Shows the session until the window is closed, or Ctrl-C.

    Raises:
      RendererUnavailableError: there is no window to be had.
      SimError: the physics failed.
    """
    spec = session.stage.spec
    grid = SceneGrid(spec.scene, spec.num_envs)
    screen = _open(session, grid, native, host, port)
    try:
        loop.run(session, screen)
    finally:
        screen.close()
    print("; ".join(session.scoreboard.lines()))


def _open(session: Session, grid: SceneGrid, native: bool, host: str, port: int) -> Screen:
    if native:
        return Window(grid)
    opened = Page(session, grid, host, port)
    for line in page.how_to_reach(host, opened.port):
        print(line)
    return opened
