"""The worker's process alone: what it says, and how it ends, with a learner that is a bare channel."""

import os
import platform
import socket
import subprocess
import sys

import pytest

from screwpush_sim.engines.isaacgym.interpreter import worker_environment
from screwpush_sim.engines.isaacgym.worker.handshake import SIZE
from screwpush_sim.engines.isaacgym.worker.messages import PROTOCOL, Channel

from .conftest import LIMIT_S, ROOT, STANDIN


class Talk:
    """One worker with its channel; `end` waits for it and returns exit code and errors."""

    def __init__(self, python_path: str, parent: int):
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        page = os.memfd_create("handshake")
        os.ftruncate(page, SIZE)
        handles = str(theirs.fileno()), str(page), str(parent)
        with theirs, open(page, "rb"):
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker", *handles],
                cwd=ROOT / "sim" / "engines" / "isaacgym",
                env=worker_environment(sys.executable, python_path, ""),
                pass_fds=(theirs.fileno(), page),
                stderr=subprocess.PIPE,
                text=True,
            )

    def end(self) -> tuple[int, str]:
        said = self.process.communicate(timeout=LIMIT_S)[1]
        return self.process.returncode, said


@pytest.fixture
def start():
    """`(python_path, parent) -> Talk`."""
    made = []

    def make(python_path: str = STANDIN, parent: int | None = None) -> Talk:
        made.append(Talk(python_path, os.getpid() if parent is None else parent))
        return made[-1]

    yield make
    for talk in made:
        talk.channel.close()
        talk.process.kill()
        talk.process.communicate()


def test_its_first_words_say_which_python_it_is(start):
    hello = start().channel.receive(LIMIT_S)
    assert hello["hello"] == PROTOCOL
    assert hello["python"] == platform.python_version()
    assert os.path.samefile(hello["path"], sys.executable)


def test_without_a_learner_it_ends_and_says_nothing(start):
    talk = start()
    talk.channel.receive(LIMIT_S)
    talk.channel.close()
    assert talk.end() == (0, "")


def test_a_learner_that_died_before_it_was_up_is_noticed(start):
    """It was started by another process than the one that it is told of."""
    talk = start(parent=1)
    with pytest.raises(EOFError):
        talk.channel.receive(LIMIT_S)
    assert talk.end() == (0, "")


def refusal(talk: Talk, setup: dict) -> str:
    """The error with which the worker answers `setup` and ends."""
    talk.channel.receive(LIMIT_S)
    talk.channel.send(setup)
    answer = talk.channel.receive(LIMIT_S)
    assert answer["traceback"].startswith("Traceback")
    assert answer["traceback"].rstrip().endswith(answer["error"])
    assert talk.end() == (1, "")
    return answer["error"]


def test_another_protocol_is_refused_with_both_versions(start):
    error = refusal(start(), {"protocol": PROTOCOL + 7})
    assert f"the worker speaks {PROTOCOL}, the learner {PROTOCOL + 7}" in error


def test_a_missing_package_is_named_with_the_interpreter(start, tmp_path):
    error = refusal(start(str(tmp_path)), {"protocol": PROTOCOL})
    assert error.startswith("ImportError: No module named 'isaacgym' in ")
    assert f"(Python {platform.python_version()})" in error
    assert "docs/isaacgym.md" in error


def test_torch_that_was_there_first_is_refused(start, site):
    fake = "import sys; sys.modules['torch'] = sys"
    error = refusal(start(site(sitecustomize=fake)), {"protocol": PROTOCOL})
    assert error.startswith("ImportError: torch was imported before isaacgym")


def test_an_error_that_nobody_hears_goes_to_the_log(start):
    talk = start()
    talk.channel.receive(LIMIT_S)
    talk.channel.send({})
    talk.channel.close()
    code, said = talk.end()
    assert code == 1
    assert said.rstrip().endswith("KeyError: 'protocol'")
