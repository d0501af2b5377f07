"""Pictures of recorded states, whatever engine made them: MuJoCo poses the scene and draws it."""

# pyright: reportAttributeAccessIssue=false
# mujoco's names come from a compiled module without stubs.

import atexit
import importlib
import os
import sys
from typing import final

import numpy as np

from screwpush_sim.builders import mjcf
from screwpush_sim.engines.mujoco_layout import make_layout
from screwpush_sim.errors import RendererUnavailableError, SimClosedError
from screwpush_sim.scene import Scene
from screwpush_sim.state import SimState

_HELP = (
    "run with MUJOCO_GL=egl, which on Debian and Ubuntu needs "
    "`apt-get install libegl1 libgl1-mesa-dri`"
)

try:
    import mujoco
except (AttributeError, OSError) as error:  # MUJOCO_GL names a library that is not there
    raise RendererUnavailableError(f"no OpenGL library ({error}); {_HELP}") from error


@final
class SceneRenderer:
    """Draws the scene from one of its cameras."""

    def __init__(self, scene: Scene, width: int, height: int, camera: str):
        """Opens an off-screen picture of `width` x `height` pixels.

        Raises:
          RendererUnavailableError: this machine gives no OpenGL context.
          ValueError: no such camera.
        """
        names = [known.name for known in scene.cameras]
        if camera not in names:
            raise ValueError(f"camera {camera!r} does not exist; valid: {', '.join(names)}")
        model = mujoco.MjModel.from_xml_string(mjcf.build_mjcf(scene, with_visuals=True))
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        self._model, self._data, self._camera = model, mujoco.MjData(model), camera
        self._option = mujoco.MjvOption()
        self._option.sitegroup[:] = 0
        self._pack = make_layout(scene).pack
        self._renderer: mujoco.Renderer | None = _open_renderer(model, width, height)
        # An open context would be freed after OpenGL itself was, with noise on stderr.
        atexit.register(self.close)

    def frame(self, state: SimState) -> np.ndarray:
        """The picture `[H, W, 3]` uint8 of the state of one scene: `SimState` without its axis `N`."""
        if self._renderer is None:
            raise SimClosedError("this renderer was closed; make a new one")
        self._data.qpos[:] = np.asarray(self._pack(state)["qpos"])
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        for _ in range(2):  # an endless floor is laid about where the last scene's camera stood
            self._renderer.update_scene(self._data, self._camera, self._option)
        return self._renderer.render()

    def close(self) -> None:
        """Frees the OpenGL context. May be called again."""
        atexit.unregister(self.close)
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = None


def _open_renderer(model: mujoco.MjModel, width: int, height: int) -> mujoco.Renderer:
    try:
        _prefer_egl_without_display()
        return mujoco.Renderer(model, height, width)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RendererUnavailableError(f"no OpenGL context ({reason}); {_HELP}") from error


def _prefer_egl_without_display() -> None:
    """MuJoCo reads MUJOCO_GL when it is first imported, which may be long past."""
    shown = any(os.environ.get(name) for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"))
    if sys.platform != "linux" or shown:
        return
    os.environ["MUJOCO_GL"] = "egl"
    try:
        importlib.reload(importlib.import_module("mujoco.rendering.classic.gl_context"))
    finally:
        del os.environ["MUJOCO_GL"]
