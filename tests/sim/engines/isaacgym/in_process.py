"""The engine with its worker in this process: for stand-ins that are wrong in one way, one after the other.

Run as a program it prints, as JSON, what the doctor's trials and the settings that were read back say of
each of them. Isaac Gym has to come before torch, so it is a process of its own, with the stand-in and
this folder on its path.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator

import wrong_standins

from isaacgym import gymapi
from screwpush_sim.assets.probe import make_probe
from screwpush_sim.engines.isaacgym import client, doctor
from screwpush_sim.engines.isaacgym.trials import TRIALS, bench
from screwpush_sim.engines.isaacgym.worker import __main__ as worker
from screwpush_sim.engines.isaacgym.worker.handshake import SIZE, HandshakePage
from screwpush_sim.engines.isaacgym.worker.stepper import serve
from screwpush_sim.options import IsaacGymConfig

PROBE = make_probe()


class Here:
    """In the place of `process.Worker`."""

    pid, failure = 0, ""

    def __init__(self, *args):
        gymapi.acquire_gym()._sim = None  # the last one has ended
        page = os.memfd_create("page")
        os.ftruncate(page, SIZE)
        self.page = HandshakePage(page)

    def ask(self, message, timeout_s, doing):
        self.stepper, reply = worker.prepare(message)
        return json.loads(json.dumps(reply))

    def wait(self, request, timeout_s):
        serve(self.page, self.stepper)

    def check(self):
        pass

    def close(self):
        pass


client.Worker = Here


@contextlib.contextmanager
def running(**options) -> Iterator[client.IsaacGym]:
    """The probe's scenes on the stand-in as it is now."""
    config = IsaacGymConfig(python=sys.executable, pipeline="cpu", **options)
    sim = client.IsaacGym(PROBE.scene, bench.NUM_ENVS, config)
    try:
        yield sim
    finally:
        sim.close()


def examine(trials: list[str], **options) -> dict[str, list]:
    """By trial whether it is passed, and what it said; and what is said of the settings."""
    with running(**options) as sim:
        found = {name: doctor._run(lambda n=name: TRIALS[n](sim, PROBE)) for name in trials}
        return {**found, "settings": list(doctor._settings(sim))}


def main() -> None:
    said = {"as it is": examine(list(TRIALS))}
    for name, (trial, options) in OPTIONS.items():
        said[name] = examine([trial], **options)
    for name, wrong in wrong_standins.WRONG.items():
        with wrong.made():
            said[name] = examine(wrong.trials)
    json.dump(said, sys.stdout)


OPTIONS = {
    "thickness 0.02": ("lying", {"thickness_m": 0.02}),
    "friction 0.01": ("rolling", {"friction_offset_threshold_m": 0.01}),
}
"""Those of other tasks, on the stand-in as it is, and the trial that is asked."""


if __name__ == "__main__":
    main()
