"""Signals: heard while the compiler runs, saved between steps, and never twice."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from screwpush_jax.stopping import Stopper

ROOT = str(Path(__file__).parent.parent)
PROGRAM = """
import hashlib, signal, sys, time
from screwpush_jax.stopping import Stopper
{before}
def compiler():  # deaf for many seconds, as XLA is: no handler of Python's runs in there
    print("in", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 30_000_000)

with Stopper(lambda: "cleaned up") as stopper:
{body}
print("end", stopper.exit_code, flush=True)
sys.exit(stopper.exit_code)
"""
COMPILING = "    with stopper.nothing_to_save():\n        compiler()"
RUNNING = """
    with stopper.nothing_to_save():
        pass
    print("in", flush=True)
    while not stopper.requested:
        time.sleep(0.01)
    print("saving", flush=True)
    time.sleep(0.5)
"""
LATE = """
    print("in", flush=True)
    while not stopper.requested:
        time.sleep(0.01)
    with stopper.nothing_to_save():
        compiler()
"""


def start(body, before=""):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body, before=before)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "in\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_while_something_compiles_the_end_is_at_once(number):
    process = start(COMPILING)
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 3.0
    assert (process.returncode, out, err) == (128 + number, "", "stopped: cleaned up\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0), (signal.SIGHUP, 129)]
)
def test_a_step_is_finished_and_saved_whoever_is_impatient(number, code):
    process = start(RUNNING)
    process.send_signal(number)
    assert process.stdout.readline() == "saving\n"
    for again in (signal.SIGINT, number, signal.SIGTERM):
        process.send_signal(again)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (code, f"end {code}\n", "")


def test_a_request_before_something_compiles_ends_there():
    process = start(LATE)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == ("", "stopped: cleaned up\n")
    assert process.returncode == 143


@pytest.mark.slow
def test_under_nohup_a_closed_terminal_is_ignored():
    process = start(RUNNING, "signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143


def test_handlers_are_given_back():
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    threads = threading.active_count()
    with Stopper(lambda: ""):
        pass
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert threading.active_count() == threads


def test_it_works_outside_the_main_thread():
    said = []

    def other():
        with Stopper(lambda: "") as stopper:
            said.append(stopper.requested)
            stopper.request(signal.SIGTERM)
            said.extend((stopper.requested, stopper.exit_code))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert said == [False, True, 143]
