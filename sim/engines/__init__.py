"""One file or folder for each physics engine; `sim/registry.py` lists them."""
