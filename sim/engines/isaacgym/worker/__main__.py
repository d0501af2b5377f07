"""`python -m worker <socket> <page> <learner's pid>`: says hello, builds, serves until asked to end."""

import ctypes
import os
import signal
import socket
import sys
import traceback
from typing import Any, Dict, Tuple

from .block_layout import block_layout_of
from .cuda import Cuda, CudaError
from .handshake import HandshakePage
from .messages import PROTOCOL, Channel, Message

_PR_SET_PDEATHSIG = 1


def main() -> int:
    _die_with(int(sys.argv[3]))
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    try:
        channel.send({"hello": PROTOCOL, "python": sys.version.split()[0], "path": sys.executable})
        _serve(channel, HandshakePage(int(sys.argv[2])))
    except (EOFError, BrokenPipeError):  # the learner is gone: there is nobody to tell
        return 0
    except BaseException as error:
        _send_error(channel, error)
        return 1
    return 0


def _serve(channel: Channel, page: HandshakePage) -> None:
    setup = channel.receive()
    if setup["protocol"] != PROTOCOL:
        raise RuntimeError(
            "protocol version mismatch: the worker speaks {}, the learner {};"
            " both must come from one installation of this package".format(
                PROTOCOL, setup["protocol"]
            )
        )
    _import_gym()
    stepper, reply = prepare(setup)
    from .stepper import serve

    channel.send(reply)
    try:
        while page.wait(True, channel.sock, setup["spin_s"]):
            serve(page, stepper)
        channel.receive()  # the learner's last words, or its end
    finally:
        stepper.close()


def prepare(setup: Message) -> Tuple[Any, Message]:
    """The scenes, ready to be stepped, and what the learner is told of them."""
    # These import isaacgym, and torch after it: not before it is known that both can be had.
    from .readback import not_taken
    from .scene import build
    from .stepper import Stepper

    stage = build(setup)
    stepper = Stepper(stage, _map_block(setup), setup)
    reply = {"ready": True, "not_taken": not_taken(stage, setup), "remarks": stage.remarks}
    if setup["gym"]["pipeline"] == "gpu" and setup["gym"]["handover"] != "arena":
        reply.update(_export(stepper))
    return stepper, reply


def _import_gym() -> None:
    """Isaac Gym has to come before torch, and says so itself only in some builds."""
    where = f"{sys.executable} (Python {sys.version.split()[0]})"
    if "torch" in sys.modules:
        raise ImportError(
            f"torch was imported before isaacgym in {where}: look for a sitecustomize or a .pth file that"
            " imports it"
        )
    try:
        import isaacgym  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{error} in {where}; Isaac Gym Preview 4 has bindings for Python 3.6 to 3.8: docs/isaacgym.md says"
            " how to set it up"
        ) from error


def _map_block(setup: Message) -> Any:
    """The learner's memory."""
    from .memory import map_device, map_host

    layout = block_layout_of(setup["scene"], setup["num_envs"])
    if "fd" in setup["block"]:
        return map_host(setup["block"]["fd"], layout)
    cuda = Cuda()
    if cuda.uuid() != setup["block"]["device"]:
        raise CudaError(
            "the worker's GPU is {}, the learner's {}".format(cuda.uuid(), setup["block"]["device"])
        )
    return map_device(setup["block"]["handle"], layout, cuda)


def _export(stepper: Any) -> Dict[str, Any]:
    """Gym's own tensors for other processes, or why that cannot be."""
    try:
        cuda = Cuda()
        tensors = {"root": stepper.root, "dof": stepper.dof}
        return {"exports": {name: cuda.export(t.data_ptr()) for name, t in tensors.items()}}
    except CudaError as error:
        return {"export_error": str(error)}


def _send_error(channel: Channel, error: BaseException) -> None:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    line = "{}: {}".format(type(error).__name__, " ".join(str(error).split()))
    try:
        channel.send({"error": line, "traceback": text})
    except OSError:
        sys.stderr.write(text)


def _die_with(learner: int) -> None:
    """The kernel ends this process with the learner's, even inside a call that never returns."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != learner:  # it died before the line above
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
