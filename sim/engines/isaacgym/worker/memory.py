"""The shared block as torch tensors, on the host or on the device. Import isaacgym before this."""

import mmap
from typing import Any, Dict, List, NamedTuple, Tuple

import torch

from .block_layout import BlockLayout, Field
from .cuda import Cuda

_DTYPES = {"float32": torch.float32, "int32": torch.int32}
_TYPESTR = {"float32": "<f4", "int32": "<i4"}


class Block(NamedTuple):
    """Tensors by the names of `block_layout`, and the stretch from `root` to the end of `dof`."""

    fields: Dict[str, torch.Tensor]
    packed: torch.Tensor  # [floats], what lies between `root` and `dof` included
    owners: List[Any]  # kept alive: the mapping and the pointers


def map_host(fd: int, layout: BlockLayout) -> Block:
    """Maps the file behind the inherited descriptor."""
    memory = mmap.mmap(fd, layout.size)

    def tensor(field: Field) -> torch.Tensor:
        flat = torch.frombuffer(
            memory, dtype=_DTYPES[field.dtype], count=field.count, offset=field.offset
        )
        return flat.view(field.shape)

    fields = {name: tensor(field) for name, field in layout.fields.items()}
    return Block(fields, tensor(_state(layout)), [memory])


def map_device(handle: str, layout: BlockLayout, cuda: Cuda) -> Block:
    """Opens the learner's allocation."""
    base = cuda.open(handle)
    owners: List[Any] = []

    def tensor(field: Field) -> torch.Tensor:
        pointer = _Pointer(base + field.offset, field.shape, _TYPESTR[field.dtype])
        owners.append(pointer)
        return torch.as_tensor(pointer, device="cuda:0")

    fields = {name: tensor(field) for name, field in layout.fields.items()}
    return Block(fields, tensor(_state(layout)), owners)


def _state(layout: BlockLayout) -> Field:
    last = layout.fields["dof"]
    return Field(0, ((last.offset + last.num_bytes) // 4,), "float32")


class _Pointer:
    """A bare device address in the form that torch takes without a copy."""

    def __init__(self, address: int, shape: Tuple[int, ...], typestr: str) -> None:
        self.__cuda_array_interface__ = {
            "data": (address, False),
            "shape": shape,
            "typestr": typestr,
            "version": 2,
        }
