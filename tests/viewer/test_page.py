"""The page in a real browser: it loads, draws, each control acts, and a run that trains is followed.

Needs the extra `view`, the package playwright, and Chromium. The pictures stay in pytest's folder.
"""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

ROOT = Path(__file__).parent.parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
FLAGS = (
    *("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--ignore-gpu-blocklist", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
DEBUG = ("--config", str(ROOT / "configs" / "debug.yaml"), "--headless", "--eval.episodes", "4")


def start(folder, module, *args):
    """Starts a command; its process, and the file of what it says."""
    path = folder / f"{module}.txt"
    with path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", f"screwpush_jax.{module}", *args],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return process, path


def wait_for(what, timeout_s=60.0):
    """The first true value of `what()`."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {timeout_s} s")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the debug configuration was trained, with a few checkpoints."""
    folder = tmp_path_factory.mktemp("page")
    more = ("--name", "watched", "--checkpoint-every", "1")
    process, log = start(folder, "train", *DEBUG, *more)
    assert process.wait(300) == 0, log.read_text()
    return folder


@pytest.fixture(scope="module")
def viewer(folder):
    """`play --view`: its process and its log; Ctrl-C at the end, after which it has to go cleanly."""
    pytest.importorskip("viser")
    process, log = start(
        folder, "play", "--checkpoint", "latest", "--view", "--port", "0", "--scenes", "2"
    )
    try:
        wait_for(lambda: "http://" in log.read_text() or process.poll() is not None, 120)
        yield process, log
    finally:
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()
    said = log.read_text()
    assert "Traceback" not in said, said
    assert said.splitlines()[-1].count("episode") == 1


@pytest.fixture(scope="module")
def page(viewer):
    playwright = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    url = re.search(r"http://localhost:\d+", viewer[1].read_text())
    assert url, viewer[1].read_text()
    with playwright.sync_playwright() as kit:
        try:
            browser = kit.chromium.launch(executable_path=found, args=FLAGS)
        except playwright.Error as error:
            pytest.skip(f"no browser: {error}")
        page = browser.new_page(viewport={"width": 950, "height": 700})
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(url.group())
        page.get_by_text("Play/Pause").wait_for(timeout=60_000)
        yield page
        assert not page.errors
        browser.close()


def text(page):
    """What the panel says."""
    return page.locator("body").inner_text()


def says(page, pattern, timeout_s=120.0):  # the viewer lets everybody else go first
    return wait_for(lambda: re.search(pattern, text(page)), timeout_s)


def pick(page, label, option):
    page.get_by_label(label, exact=True).first.click()
    page.get_by_role("option", name=option, exact=True).click()


def picture(page, folder, name, wait_ms=3000):
    """The scenes without the panel, `[H, W, 3]`."""
    imageio = pytest.importorskip("imageio.v2")
    page.wait_for_timeout(wait_ms)
    path = folder / f"{name}.png"
    page.screenshot(path=path)
    return imageio.imread(path)[:, 300:570, :3].astype(int)


def differ(one, other):
    """Part of the pixels that differ by more than the eye would miss."""
    return float(np.mean(np.abs(one - other).max(axis=-1) > 24))


def becomes(page, folder, name, other, least, most=1.0):
    """The picture, once it differs from `other` in such a part; browsers without a GPU are slow."""
    wait_for(lambda: least < differ(other, picture(page, folder, name, 500)) < most, 60)
    return picture(page, folder, name)


@contextlib.contextmanager
def paused(page):
    page.get_by_text("Play/Pause").click()
    says(page, "paused")
    try:
        page.wait_for_timeout(3000)
        yield
    finally:
        page.get_by_text("Play/Pause").click()
        wait_for(lambda: "paused" not in text(page))


def test_it_draws_arms_that_move(page, folder):
    page.wait_for_timeout(6000)
    first = picture(page, folder, "running")
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 1000
    becomes(page, folder, "later", first, 1e-4)
    assert says(page, r"\d+ of \d+ episodes succeeded")
    assert says(page, r"watched at [\d,]+ control steps")


def test_pause_step_and_reset(page, folder):
    with paused(page):
        still = picture(page, folder, "paused")
        assert differ(still, picture(page, folder, "still paused")) < 1e-4
        for _ in range(4):
            page.get_by_text("Step", exact=True).click()
            page.wait_for_timeout(500)
        stepped = becomes(page, folder, "stepped", still, 1e-4)
        page.get_by_text("Reset", exact=True).click()
        becomes(page, folder, "reset", stepped, 1e-4)
        says(page, "paused")


def test_speed(page):
    field = page.locator("input[inputmode=decimal]")
    for speed in ("0.5", "2"):
        field.fill(speed)
        field.press("Enter")
        says(page, rf"speed {speed}\b")


def test_policy(page):
    for name in ("random", "scripted", "learned"):
        pick(page, "policy", name)
        says(page, f"{name} on mujoco")


def test_checkpoint(page):
    for step in (512, 256):
        pick(page, "checkpoint", str(step))
        says(page, f"at {step} control steps")
    pick(page, "checkpoint", "latest")
    says(page, "at 512 control steps")


def test_where_one_looks_and_what_is_drawn(page, folder):
    with paused(page):
        every = picture(page, folder, "all scenes")
        pick(page, "look at", "scene 2, table")
        becomes(page, folder, "scene 2", every, 0.2)
        near = picture(page, folder, "scene 2", 8000)
        page.get_by_label("drawings", exact=True).click()
        bare = becomes(page, folder, "scene 2 without drawings", near, 1e-3, 0.2)
        page.get_by_label("drawings", exact=True).click()
        again = becomes(page, folder, "scene 2 with drawings", bare, 1e-3, 0.2)
        assert differ(near, again) < 0.02
        pick(page, "look at", "all scenes")


def test_reward_terms(page):
    for term in ("progress", "reach", "success", "failure"):
        assert term in text(page)
    with paused(page):
        for label, option in (("rewards", "of each step"), ("rewards of scene", "2")):
            plot = page.locator(".u-wrap canvas")
            before = plot.evaluate("canvas => canvas.toDataURL()")
            pick(page, label, option)
            wait_for(lambda: plot.evaluate("canvas => canvas.toDataURL()") != before)  # noqa: B023


def test_a_run_that_trains_is_followed_and_notices_nothing(page, folder):
    (run,) = (folder / "runs" / "separate").iterdir()

    def everything():
        return {p: p.stat().st_mtime_ns for p in run.rglob("*")}

    before = everything()
    page.get_by_label("follow", exact=True).click()
    says(page, "following")
    page.wait_for_timeout(3000)
    assert everything() == before
    more = ("--checkpoint", "latest", "--total-env-steps", "12800", "--headless")
    process, log = start(folder, "train", *more)
    steps = set()
    while process.poll() is None:
        steps.add(says(page, r"at ([\d,]+) control steps").group(1))
        time.sleep(0.3)
    assert process.wait() == 0, log.read_text()
    says(page, "at 12,800 control steps")
    assert len(steps) > 3
    assert not (run / "checkpoints" / "512").exists()
