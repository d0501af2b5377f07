"""`isaacgym.gymtorch`: between Gym's tensors and torch's."""

from ._tensors import unwrap_tensor, wrap_tensor

__all__ = ["unwrap_tensor", "wrap_tensor"]
