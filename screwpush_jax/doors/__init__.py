"""The tasks for other people's learners.

    import gymnasium
    import screwpush_jax.doors

    envs = gymnasium.make_vec("ScrewPush/Separate-v0", num_envs=256, sim="mujoco")

Gymnasium looks for no entry points (since its version 1.0), so importing this package is what makes the
ids known; `"screwpush_jax.doors:ScrewPush/Separate-v0"` lets Gymnasium do the import. Where Gymnasium is
not installed nothing is registered, and the doors that need none of it work.

- `gym`: Gymnasium's `VectorEnv` and `Env`, which RLlib takes as they are.
- `stable_baselines3`: its `VecEnv`.
- `rsl_rl`, `skrl`: torch tensors, handed over without a copy (`tensors` says in which order).
- `batch`: what all of them stand on.
"""

from screwpush_jax.doors.ids import register

register()
