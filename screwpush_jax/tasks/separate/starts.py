"""Which settled states `separate` begins from, beside what any task on these screws asks."""

import numpy as np

from screwpush_jax.tasks.screws.geometry import pair_indices
from screwpush_jax.tasks.screws.jumble import room_factors
from screwpush_jax.tasks.screws.parking import present
from screwpush_jax.tasks.separate.config import SeparateConfig
from screwpush_sim.state import SimState


def rules(config: SeparateConfig, state: SimState) -> dict[str, np.ndarray]:
    """Where a settled state (host arrays `[N, ...]`) keeps each rule, `[N]` bool, by its field.

    As any other length of a jumble, the distance of any pair grows with the number of screws; the
    closest pair must be as close as ever, so that none is solved.
    """
    pos = np.asarray(state.bodies["screws"].pos_w)
    first, second = pair_indices(pos.shape[1])
    there = present(config, pos)
    wider = room_factors(pos.shape[1])[np.sum(there, axis=1, keepdims=True)]
    far = wider * config.jumble_all_pairs * config.separation_m
    counted = there[:, first] & there[:, second]
    near = config.jumble_closest_pair * config.separation_m
    with np.errstate(invalid="ignore"):
        distances = np.linalg.norm(pos[:, first] - pos[:, second], axis=-1)
        return {
            "jumble_all_pairs": np.all((distances < far) | ~counted, axis=1),
            "jumble_closest_pair": np.min(distances, axis=1) < near,
        }
