"""The whole of training: physics step, transition, and after T of them an update."""

from screwpush_jax import compiled
from screwpush_jax.build import World
from screwpush_jax.checkpoint import RunState
from screwpush_jax.config import Config
from screwpush_jax.recorder import Recorder
from screwpush_jax.stages import experience, make_stages, report, run_state


def train(config: Config, world: World, state: RunState, recorder: Recorder) -> RunState:
    """Trains from `state` until the budget is spent or a stop is asked for.

    The host reads nothing from the device inside an iteration, so on a GPU it runs ahead of it, and
    the next physics step, which does not need the new policy, runs beside the update. A restored
    state goes on exactly where it stood: `carry.t` says how much of the rollout is already filled.
    Usually there is one stage; several are stepped in turn, and what one of them has its simulator write
    is asked for when it is its turn again, so that on the host nobody waits for it before.
    """
    learner, starts, stopper = state.learner, state.starts, recorder.stopper
    policy = compiled.to_simulator(learner.policy)
    with stopper.nothing_to_save():
        stages = make_stages(world, state, policy)
        update = compiled.update_ahead(
            *(world.algorithm, config.num_iterations),
            *(learner, *experience(stages)),
        )
        first = stages[0]  # the one that is filmed
        recorder.films.prepare(starts, first.carry.env, first.sim.views())
    recorder.start_clock()
    if int(first.carry.t) < 0:  # nothing has been started yet
        for stage in stages:
            stage.advance(starts, policy, stage.sim.views())
            stage.settle()

    num_steps, position = world.algorithm.num_steps, int(first.carry.t)
    while recorder.should_continue():
        while position < num_steps and not recorder.stops_here:
            for stage in stages:
                stage.settle()
                stage.sim.step(stage.control)
                views = stage.sim.views()
                if stage is first:
                    recorder.films.see(starts, stage.carry.env, views)
                stage.advance(starts, policy, views)
            position += 1
        for stage in stages:
            stage.settle()
        if position < num_steps:
            break  # stopped inside a rollout: it is saved as it stands
        learner, metrics = update(learner, *experience(stages))
        policy, position = compiled.to_simulator(learner.policy), 0
        recorder.iteration(metrics, report(stages), learner)
        if recorder.checkpoint_due():
            recorder.save(run_state(learner, starts, stages))
    final = run_state(learner, starts, stages)
    recorder.save(final)
    return final
