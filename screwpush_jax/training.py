"""The whole of training: physics step, transition, and after T of them an update."""

from screwpush_jax import compiled
from screwpush_jax.build import World
from screwpush_jax.checkpoint import RunState
from screwpush_jax.config import Config
from screwpush_jax.recorder import Recorder


def train(config: Config, world: World, state: RunState, recorder: Recorder) -> RunState:
    """Trains from `state` until the budget is spent or a stop is asked for.

    The host reads nothing from the device inside an iteration, so on a GPU it runs ahead of it, and
    the next physics step, which does not need the new policy, runs beside the update. A restored
    state goes on exactly where it stood: `carry.t` says how much of the rollout is already filled.
    """
    sim, learner, carry, starts = world.sim, state.learner, state.carry, state.starts
    stopper = recorder.stopper
    with stopper.nothing_to_save():
        transition = compiled.ahead(
            compiled.compile_transition(world.env, world.algorithm),
            *(starts, learner.policy),
            carry=carry,
            views=sim.views(),
        )
        update = compiled.update_ahead(
            *(world.algorithm, config.num_iterations),
            *(learner, carry.rollout, carry.tally),
        )
        recorder.films.prepare(starts, carry.env, sim.views())
    recorder.start_clock()
    if int(carry.t) < 0:  # nothing has been started yet
        _, mask, views, carry = transition(starts, learner.policy, carry=carry, views=sim.views())
        sim.write(mask, views)
    control = carry.env.control.copy()

    num_steps, position = world.algorithm.num_steps, int(carry.t)
    while recorder.should_continue():
        while position < num_steps and not recorder.stops_here:
            sim.step(control)
            views = sim.views()
            recorder.films.see(starts, carry.env, views)
            control, mask, views, carry = transition(
                starts, learner.policy, carry=carry, views=views
            )
            sim.write(mask, views)
            position += 1
        if position < num_steps:
            break  # stopped inside a rollout: it is saved as it stands
        learner, metrics = update(learner, carry.rollout, carry.tally)
        position = 0
        recorder.iteration(metrics, sim.report(), learner)
        if recorder.checkpoint_due():
            recorder.save(RunState(learner, carry, starts, sim.snapshot()))
    final = RunState(learner, carry, starts, sim.snapshot())
    recorder.save(final)
    return final
