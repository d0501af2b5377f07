"""One file or folder for each physics engine; `sim.registry` lists them."""
