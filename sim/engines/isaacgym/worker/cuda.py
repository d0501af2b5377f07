"""The few calls of the CUDA driver that share memory between processes, and let a stream of one wait
for the other, without any library.

Only plain allocations can be exported: no memory pools, no managed or virtual memory. An address
inside an allocation is exported as the allocation's handle and the offset from its base.
"""

import ctypes
from typing import NamedTuple

_PEER_ACCESS, _DEVICE_MAP = 1, 2
_AT_LEAST = 0  # modulo 2^32: what is less than 2^31 ahead counts as more
_COMPUTE_MAJOR, _COMPUTE_MINOR, _MPS = 75, 76, 133


class CudaError(Exception):
    """The driver is missing or refused a call."""


class Export(NamedTuple):
    """A piece of device memory as another process can open it."""

    handle: str  # 64 bytes in hexadecimal
    offset: int  # bytes from the start of the allocation


class _Handle(ctypes.Structure):
    _fields_ = [("reserved", ctypes.c_ubyte * 64)]


class Cuda:
    """The driver, with the primary context (torch's, JAX's and Warp's) of one device current.

    Args:
      ordinal: number of the device among those visible to this process.

    Raises:
      CudaError: no driver, or no such device.
    """

    def __init__(self, ordinal: int = 0) -> None:
        try:
            self._lib = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise CudaError(f"no CUDA driver: {error}") from None
        # libcuda takes device addresses as 64-bit numbers and this one structure by value
        self._lib.cuIpcOpenMemHandle_v2.argtypes = [ctypes.c_void_p, _Handle, ctypes.c_uint]
        self._call("cuInit", 0)
        self._device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(self._device), ordinal)
        self._context = ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._device)

    def allocate(self, num_bytes: int) -> int:
        """Address of new zeroed device memory that can be exported."""
        address = ctypes.c_uint64()
        self._enter()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(num_bytes))
        self._call("cuMemsetD8_v2", address, ctypes.c_ubyte(0), ctypes.c_size_t(num_bytes))
        self.synchronize()
        return address.value

    def free(self, address: int) -> None:
        self._enter()
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def export(self, address: int) -> Export:
        """Raises CudaError if the memory is of a kind that cannot be shared."""
        base, size, handle = ctypes.c_uint64(), ctypes.c_size_t(), _Handle()
        self._enter()
        self._call(
            "cuMemGetAddressRange_v2",
            ctypes.byref(base),
            ctypes.byref(size),
            ctypes.c_uint64(address),
        )
        self._call("cuIpcGetMemHandle", ctypes.byref(handle), base)
        return Export(bytes(handle.reserved).hex(), address - base.value)

    def open(self, handle: str) -> int:
        """Maps another process's allocation; returns its base address here."""
        address = ctypes.c_uint64()
        wire = _Handle.from_buffer_copy(bytes.fromhex(handle))
        self._enter()
        self._call(
            "cuIpcOpenMemHandle_v2", ctypes.byref(address), wire, ctypes.c_uint(_PEER_ACCESS)
        )
        return address.value

    def close(self, base: int) -> None:
        """Unmaps what `open` mapped. To be called before the exporter frees it."""
        self._enter()
        self._call("cuIpcCloseMemHandle", ctypes.c_uint64(base))

    def register(self, address: int, num_bytes: int) -> int:
        """Lets the device reach whole pages of the host's memory; returns their address there."""
        there = ctypes.c_uint64()
        self._enter()
        pages = ctypes.c_void_p(address)
        self._call("cuMemHostRegister_v2", pages, ctypes.c_size_t(num_bytes), _DEVICE_MAP)
        self._call("cuMemHostGetDevicePointer_v2", ctypes.byref(there), pages, 0)
        return there.value

    def unregister(self, address: int) -> None:
        """Takes back what `register` did."""
        self._enter()
        self._call("cuMemHostUnregister", ctypes.c_void_p(address))

    def write(self, stream: int, address: int, value: int) -> None:
        """Queues: what came before is seen everywhere, then the 32-bit word becomes `value`."""
        self._queue("cuStreamWriteValue32_v2", stream, address, value, 0)

    def wait(self, stream: int, address: int, value: int) -> None:
        """Queues: nothing that comes later begins before the 32-bit word has reached `value`."""
        self._queue("cuStreamWaitValue32_v2", stream, address, value, _AT_LEAST)

    def synchronize(self) -> None:
        """Waits until the device has done all that this process gave it."""
        self._enter()
        self._call("cuCtxSynchronize")

    def uuid(self) -> str:
        """The device's name in the whole machine, as CUDA_VISIBLE_DEVICES takes it."""
        raw = (ctypes.c_ubyte * 16)()
        self._call("cuDeviceGetUuid", ctypes.byref(raw), self._device)
        text = bytes(raw).hex()
        cuts = (0, 8, 12, 16, 20, 32)
        return "GPU-" + "-".join(text[a:b] for a, b in zip(cuts, cuts[1:]))

    def compute_capability(self) -> int:
        """Architecture as `sm_` counts it: 86, 90, ..."""
        return 10 * self._attribute(_COMPUTE_MAJOR) + self._attribute(_COMPUTE_MINOR)

    def mps(self) -> bool:
        """Whether this process shares the device by NVIDIA's Multi-Process Service.

        Raises CudaError if the driver is too old to tell.
        """
        return bool(self._attribute(_MPS))

    def driver_version(self) -> str:
        """Newest CUDA that the driver serves."""
        value = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(value))
        return f"{value.value // 1000}.{value.value % 1000 // 10}"

    def _attribute(self, which: int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), which, self._device)
        return value.value

    def _queue(self, name: str, stream: int, address: int, value: int, flags: int) -> None:
        self._enter()
        where = ctypes.c_void_p(stream), ctypes.c_uint64(address)
        self._call(name, *where, ctypes.c_uint32(value), ctypes.c_uint(flags))

    def _enter(self) -> None:
        self._call("cuCtxSetCurrent", self._context)

    def _call(self, name: str, *args: object) -> None:
        code = getattr(self._lib, name)(*args)
        if code:
            text = ctypes.c_char_p()
            self._lib.cuGetErrorString(code, ctypes.byref(text))
            said = text.value.decode() if text.value else "unknown"
            raise CudaError(f"{name}: {said} (error {code})")
