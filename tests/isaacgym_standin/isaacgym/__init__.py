"""A stand-in for the Isaac Gym package: the part of its surface that the worker uses, on MuJoCo.

It is strict where the real one is silent: what NVIDIA's documentation forbids or leaves undefined
raises here. It proves that the worker keeps to the documented interface; it proves nothing about
PhysX.
"""

import sys

if "torch" in sys.modules:
    raise ImportError("PyTorch was imported before isaacgym modules.")
