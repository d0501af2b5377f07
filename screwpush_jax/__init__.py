"""A JAX-native PPO learner for robots, over the physics engines of `screwpush_sim`."""
