"""The process that owns Isaac Gym. Valid Python 3.8; needs isaacgym and torch, nothing else.

It runs as `python -m worker` from the folder above and imports nothing from outside its own. The
learner imports `messages`, `block_layout`, `handshake` and `cuda` from here, so that both sides share
one text.
"""
