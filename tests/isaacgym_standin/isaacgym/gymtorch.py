"""`isaacgym.gymtorch`: between Gym's tensors and torch's.

The real one is an extension that torch builds, and asks `ninja` about at every import, built or not.
"""

import shutil

from ._tensors import unwrap_tensor, wrap_tensor

__all__ = ["unwrap_tensor", "wrap_tensor"]

if shutil.which("ninja") is None:
    raise RuntimeError("Ninja is required to load C++ extensions")
