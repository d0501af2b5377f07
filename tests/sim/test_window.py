"""The native window on a virtual display: it opens, shows the scenes, and goes. Needs Xvfb."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

PROGRAM = textwrap.dedent("""
    import os, subprocess, sys
    import numpy as np
    from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
    from screwpush_sim.grid import SceneGrid
    from screwpush_sim.state import home_state
    from screwpush_sim.window import Plot, SceneWindow, Stroke

    grid = SceneGrid(make_scene(SceneConfig()), 2)
    window = SceneWindow(grid)
    window.look(np.array([-3.0, -3.0, 2.0]), np.array([-0.5, -1.0, 0.3]))
    corners = grid.borders_w()[0]
    red = (1.0, 0.0, 0.0)
    strokes = [Stroke(corners[0], corners[1], red, "a side", 0.05), Stroke(*corners[[2, 2]], red, "a corner", 0.0)]
    curve = Plot("a curve", ["up"], np.arange(5) * 0.1, np.arange(5.0)[:, None])
    for number in range(5):
        window.say(("left", "right"), curve)
        window.show(home_state(grid.scene, 2), strokes)
    assert window.is_open()
    if sys.argv[1:]:
        subprocess.run(["import", "-window", "root", sys.argv[1]], check=True)
    window.close()
    print("closed")
""")


@pytest.fixture
def display():
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("no Xvfb")
    read, write = os.pipe()
    flags = ("-displayfd", str(write), "-screen", "0", "1000x700x24", "+extension", "GLX")
    with subprocess.Popen([program, *flags], pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as number:
            yield f":{number.readline().strip()}"
        server.terminate()


def test_a_window_shows_the_scenes(display, tmp_path):
    picture = tmp_path / "window.png"
    shoots = shutil.which("import") is not None
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *([str(picture)] if shoots else [])],
        env=os.environ | {"DISPLAY": display},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["closed"]
    if shoots:
        imageio = pytest.importorskip("imageio.v2")
        pixels = imageio.imread(picture)[..., :3].astype(int)
        assert len({tuple(p) for p in pixels[::8, ::8].reshape(-1, 3)}) > 100
        red = (pixels[..., 0] > 120) & (pixels[..., 1:].max(axis=-1) < 60)
        assert red.sum() > 50  # the border
