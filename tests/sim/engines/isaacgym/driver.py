"""A CUDA driver whose device memory is the host's: the calls of `worker.cuda` by their C interface.

It is called as the real library is, so a pointer that is passed as a bare Python number arrives cut
to 32 bits. And it is strict: what the real one leaves undefined is an error here, and what the real
one does later, such as filling memory, is done when it is waited for.
"""

import ctypes
import mmap
import os
import time
import types

_INT, _UINT, _U64, _SIZE = ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_size_t
_TO_INT, _TO_U64 = ctypes.POINTER(_INT), ctypes.POINTER(_U64)
_MAJOR, _MINOR, _MPS, _LAZY_PEER_ACCESS = 75, 76, 133, 1  # as cuda.h numbers them
_DEVICE_MAP, _GEQ, _BARRIER = 2, 0, 0
_OK, _INVALID, _NO_DEVICE, _NO_CONTEXT, _MAPPED = 0, 1, 101, 201, 208
_TEXTS = {
    _INVALID: b"invalid argument",
    _NO_DEVICE: b"invalid device ordinal",
    _NO_CONTEXT: b"invalid device context",
}


class Handle(ctypes.Structure):
    """`CUipcMemHandle`."""

    _fields_ = [("path", ctypes.c_char * 64)]


_CALLS = {
    "cuInit": ("init", _UINT),
    "cuDeviceGet": ("device", _TO_INT, _INT),
    "cuDeviceGetUuid": ("uuid", ctypes.POINTER(ctypes.c_ubyte * 16), _INT),
    "cuDeviceGetAttribute": ("attribute", _TO_INT, _INT, _INT),
    "cuDevicePrimaryCtxRetain": ("retain", ctypes.POINTER(ctypes.c_void_p), _INT),
    "cuCtxSetCurrent": ("enter", ctypes.c_void_p),
    "cuCtxSynchronize": ("synchronize",),
    "cuMemAlloc_v2": ("allocate", _TO_U64, _SIZE),
    "cuMemsetD8_v2": ("fill", _U64, ctypes.c_ubyte, _SIZE),
    "cuMemFree_v2": ("free", _U64),
    "cuMemGetAddressRange_v2": ("find", _TO_U64, ctypes.POINTER(_SIZE), _U64),
    "cuIpcGetMemHandle": ("export", ctypes.POINTER(ctypes.c_ubyte * 64), _U64),
    "cuIpcOpenMemHandle_v2": ("open", _TO_U64, Handle, _UINT),
    "cuIpcCloseMemHandle": ("close", _U64),
    "cuMemHostRegister_v2": ("register", ctypes.c_void_p, _SIZE, _UINT),
    "cuMemHostGetDevicePointer_v2": ("find_registered", _TO_U64, ctypes.c_void_p, _UINT),
    "cuMemHostUnregister": ("unregister", ctypes.c_void_p),
    "cuStreamWriteValue32_v2": ("write", ctypes.c_void_p, _U64, ctypes.c_uint32, _UINT),
    "cuStreamWaitValue32_v2": ("wait", ctypes.c_void_p, _U64, ctypes.c_uint32, _UINT),
    "cuGetErrorString": ("describe", _INT, ctypes.POINTER(ctypes.c_char_p)),
    "cuDriverGetVersion": ("ask_version", _TO_INT),
}


class Memory:
    """A file without a name as one process maps it; never unmapped, so a late access cannot crash."""

    def __init__(self, fd: int):
        self.fd, self.size = fd, os.fstat(fd).st_size
        self._map = mmap.mmap(fd, self.size)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))


class Driver:
    """What one process sees of it; a handle is the way to a file of the process that exports it."""

    CONTEXT = 0x7F00_0000_1000  # wider than 32 bits, as pointers are
    STREAM = 0x7F00_0000_2000

    def __init__(self):
        self.raw_uuid = bytes(range(0, 256, 16))
        self.capability, self.driver_version = (8, 6), 12040
        self.mps: int | None = 0  # an old driver does not know what is asked
        self.current: int | None = None
        self.own: dict[int, Memory] = {}
        self.pool: set[int] = set()  # bases that cannot be exported
        self.mapped: dict[int, bytes] = {}
        self.registered: dict[int, int] = {}  # sizes of the host's memory that the device reaches
        self._kept: list[Memory] = []
        self._queue: list[tuple[int, int, int]] = []
        self._calls = [
            ctypes.CFUNCTYPE(_INT, *kinds)(getattr(self, method))
            for method, *kinds in _CALLS.values()
        ]
        where = [ctypes.cast(call, ctypes.c_void_p).value for call in self._calls]
        untyped = ctypes.CFUNCTYPE(_INT)  # as found in a library, which knows no argument types
        self.library = types.SimpleNamespace(**dict(zip(_CALLS, map(untyped, where), strict=True)))

    def load(self, name: str):
        """In the place of `ctypes.CDLL`."""
        assert name == "libcuda.so.1"
        return self.library

    def init(self, flags):
        self.ready = True
        return _OK

    def device(self, out, ordinal):
        out[0] = 40 + ordinal
        return _OK if self.ready and ordinal in (0, 1) else _NO_DEVICE

    def uuid(self, out, device):
        out[0][:] = self.raw_uuid
        return _OK if device == 40 else _INVALID

    def attribute(self, out, which, device):
        found = {_MAJOR: self.capability[0], _MINOR: self.capability[1], _MPS: self.mps}[which]
        if device != 40 or found is None:
            return _INVALID
        out[0] = found
        return _OK

    def ask_version(self, out):
        out[0] = self.driver_version
        return _OK

    def describe(self, code, out):
        out[0] = _TEXTS.get(code)
        return _OK if code in _TEXTS else _INVALID

    def retain(self, out, device):
        out[0] = self.CONTEXT
        return _OK

    def enter(self, context):
        self.current = context
        return _OK

    def synchronize(self):
        for address, value, size in self._queue:
            ctypes.memset(address, value, size)
        self._queue.clear()
        return self._in_context()

    def allocate(self, out, size):
        memory = Memory(_new_file(size))
        ctypes.memset(memory.address, 0xCD, size)  # new memory holds what was there before
        self.own[memory.address] = memory
        self._kept.append(memory)
        out[0] = memory.address
        return self._in_context()

    def fill(self, address, value, size):
        self._queue.append((address, value, size))
        return self._in_context()

    def free(self, address):
        memory = self.own.pop(address, None)
        return _INVALID if memory is None else self._in_context()

    def find(self, base, size, address):
        for start, memory in self.own.items():
            if start <= address < start + memory.size:
                base[0], size[0] = start, memory.size
                return self._in_context()
        return _INVALID

    def export(self, out, base):
        if base not in self.own or base in self.pool:
            return _INVALID
        out[0][:] = f"/proc/{os.getpid()}/fd/{self.own[base].fd}".encode().ljust(64, b"\0")
        return self._in_context()

    def open(self, out, handle, flags):
        name = handle.path
        if not name.startswith(b"/proc/") or flags != _LAZY_PEER_ACCESS:
            return _INVALID
        if name in self.mapped.values():
            return _MAPPED
        self._kept.append(Memory(os.open(name, os.O_RDWR)))
        out[0] = self._kept[-1].address
        self.mapped[out[0]] = name
        return self._in_context()

    def close(self, base):
        return self._in_context() if self.mapped.pop(base, None) else _INVALID

    def register(self, address, size, flags):
        if address % mmap.PAGESIZE or flags != _DEVICE_MAP or address in self.registered:
            return _INVALID
        self.registered[address] = size
        return self._in_context()

    def find_registered(self, out, address, flags):
        out[0] = address
        return self._in_context() if address in self.registered and flags == 0 else _INVALID

    def unregister(self, address):
        return self._in_context() if self.registered.pop(address, None) else _INVALID

    def write(self, stream, address, value, flags):
        """Done at once: what was queued before has been done, too."""
        word = self._word(stream, address)
        if word is None or flags != _BARRIER:
            return _INVALID
        word.value = value
        return self._in_context()

    def wait(self, stream, address, value, flags):
        """Waits in the caller's place: what is queued later begins later."""
        word = self._word(stream, address)
        if word is None or flags != _GEQ:
            return _INVALID
        while (word.value - value) % (1 << 32) >= 1 << 31:
            time.sleep(1e-4)
        return self._in_context()

    def _word(self, stream, address):
        for start, size in self.registered.items():
            if stream == self.STREAM and start <= address <= start + size - 4 and address % 4 == 0:
                return ctypes.c_uint32.from_address(address)
        return None

    def _in_context(self):
        return _OK if self.current == self.CONTEXT else _NO_CONTEXT


def _new_file(size: int) -> int:
    fd = os.memfd_create("device")
    os.ftruncate(fd, size)
    return fd
