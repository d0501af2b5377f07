"""Gym's tensors: memory that changes on refresh only, handed out and taken by address."""

import weakref

import torch

_unread = set()  # addresses of memory that holds nothing valid yet
_HARMLESS = {
    "view", "reshape", "__get__", "data_ptr", "size", "dim", "numel", "is_contiguous",
    "is_floating_point", "untyped_storage", "__len__", "__repr__",
}  # fmt: skip


class StandInError(RuntimeError):
    """Something that the real Isaac Gym forbids, or answers with undefined behaviour."""


class Tensor:
    """`gymapi.Tensor`: an address and what lies there; it owns nothing of torch's."""

    def __init__(self, memory):
        self.data_address = memory.data_ptr()
        self.shape, self.dtype = tuple(memory.shape), memory.dtype
        self.device = memory.device.index if memory.is_cuda else -1
        self.own_data, self.ndim = False, memory.dim()
        self.contiguous = memory.is_contiguous()
        self._alive = weakref.ref(memory)

    def content(self):
        """What lies at the address now."""
        memory = self._alive()
        if memory is None:
            raise StandInError("a tensor was freed whose address Gym still needs")
        return memory.detach().as_subclass(torch.Tensor)


class Watched(torch.Tensor):
    """Refuses to be read before its first refresh."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if _unread and getattr(func, "__name__", "") not in _HARMLESS:
            for argument in args:
                if isinstance(argument, Watched):
                    with torch._C.DisableTorchFunctionSubclass():
                        address = argument.untyped_storage().data_ptr()
                    if address in _unread:
                        raise StandInError(f"state was read before its first refresh ({func})")
        return super().__torch_function__(func, types, args, kwargs or {})


class Buffer:
    """One state tensor of the simulation."""

    def __init__(self, shape, device):
        self.memory = torch.full(shape, float("nan"), device=device)
        self.address = self.memory.untyped_storage().data_ptr()
        _unread.add(self.address)

    def refresh(self, rows):
        self.memory.copy_(torch.from_numpy(rows))
        _unread.discard(self.address)

    def tensor(self):
        described = Tensor(self.memory)
        described.buffer = self
        return described


def wrap_tensor(tensor):
    """The simulation's own memory as a torch tensor."""
    if not hasattr(tensor, "buffer"):
        raise StandInError("wrap_tensor takes what an acquire function gave")
    return tensor.buffer.memory.as_subclass(Watched)


def unwrap_tensor(tensor):
    """A bare pointer: shape, device and life are the caller's business."""
    if not tensor.is_contiguous():
        raise StandInError("unwrap_tensor of a strided tensor")
    return Tensor(tensor)
