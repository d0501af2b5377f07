"""What is refused in one line before anything starts, and what is said to who wants to look."""

import socket
import sys
from types import SimpleNamespace

import pytest

from screwpush_jax import play
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import config_type
from screwpush_jax.errors import UsageError
from screwpush_jax.play import PlayArgs
from screwpush_jax.viewer import page
from screwpush_sim.errors import RendererUnavailableError


@pytest.fixture
def watch(monkeypatch, tmp_path):
    """Plays with these arguments; fails where a simulator would be built."""
    found = Found(tmp_path, 512, {})

    def call(*argv, **changes):
        seen = []

        def configure(kind, args, *_):
            seen.extend(args)
            view = args[args.index("--view") + 1]
            return config_type(kind=PlayArgs)(**{"view": view} | changes), found

        def build(*_):
            raise AssertionError("a simulator was built")

        monkeypatch.setattr(play.cli, "configure", configure)
        monkeypatch.setattr(play, "make_world", build)
        monkeypatch.setattr(play.os, "nice", lambda by: seen.append(by))
        play.main(argv)
        return seen

    return call


@pytest.mark.parametrize(
    ("argv", "read"),
    [
        (["--view"], ["--view", "browser"]),
        (["--view", "--port", "0"], ["--view", "browser", "--port", "0"]),
        (["--view", "native"], ["--view", "native"]),
        (["--port", "0", "--view", "none"], ["--port", "0", "--view", "none"]),
        (["--view=native"], ["--view=native"]),
        (["--policy", "random"], ["--policy", "random"]),
        ([], []),
    ],
)
def test_view_alone_is_a_browser(argv, read):
    assert play.with_view(argv) == read


@pytest.mark.parametrize("missing", ["viser", "mjviser"])
def test_without_the_extra_one_line_names_it(missing, watch, monkeypatch):
    for name in ("viser", "mjviser"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else SimpleNamespace())
    with pytest.raises(UsageError, match=r"pip install 'screwpush-jax\[view\]'") as refused:
        watch("--view")
    assert "\n" not in str(refused.value)


@pytest.fixture
def installed(monkeypatch):
    for name in ("viser", "mjviser"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())


def test_a_port_that_is_taken_is_refused(watch, installed):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port}.*in use") as refused:
            watch("--view", port=port)
    assert "\n" not in str(refused.value)


def test_an_address_of_another_machine_is_refused(watch, installed):
    with pytest.raises(UsageError, match=r"--host 192.0.2.1"):
        watch("--view", host="192.0.2.1", port=0)


@pytest.mark.skipif(sys.platform != "linux", reason="displays have these names on Linux")
def test_without_a_display_there_is_no_window(watch, monkeypatch):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(RendererUnavailableError, match="--view native needs a display") as refused:
        watch("--view", "native")
    assert "\n" not in str(refused.value)


def test_a_policy_that_is_none_is_refused(watch, installed):
    with pytest.raises(UsageError, match="--policy 'lucky'; valid: learned, random, scripted"):
        watch("--view", policy="lucky", port=0)


def test_who_wants_to_look_is_told_how():
    here, tunnel = page.how_to_reach("localhost", 8080)
    assert "http://localhost:8080" in here
    assert "ssh -L 8080:localhost:8080 " in tunnel
    here, warning = page.how_to_reach("0.0.0.0", 9)
    assert "http://localhost:9" in here
    assert "ssh" not in warning
