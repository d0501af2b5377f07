"""What only MuJoCo Warp promises."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("mujoco_warp")

import warp as wp

from screwpush_sim import bridge
from screwpush_sim.assets import elfin15
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.engines.mujoco_cpu import MujocoCpu
from screwpush_sim.engines.mujoco_warp import MujocoWarp
from screwpush_sim.errors import DeviceLostError, SimClosedError, SimOverflowError
from screwpush_sim.event_clock import EventClock
from screwpush_sim.options import MujocoConfig, MujocoWarpConfig
from screwpush_sim.scene import Physics
from screwpush_sim.state import home_state

SCENE = dataclasses.replace(make_scene(SceneConfig()), physics=Physics(0.005, 10, 0.6))
HOME = jnp.tile(jnp.array([elfin15.HOME_RAD], jnp.float32), (2, 1))


@pytest.fixture
def build():
    """Builds simulators of two scenes and closes them."""
    made = []

    def make(**options) -> MujocoWarp:
        made.append(MujocoWarp(SCENE, 2, MujocoWarpConfig(**options)))
        return made[-1]

    yield make
    for sim in made:
        sim.close()


@pytest.mark.slow
def test_lost_contacts_are_counted_and_end_the_run(build):
    """Two scenes lose contacts in each of 10 physics steps."""
    sim = build(contacts_per_scene=2)
    sim.step(HOME)
    said = r"lost in 20 of 20 physics steps.*the 10 allowed.*--mujoco-warp.contacts-per-scene"
    with pytest.raises(SimOverflowError, match=said):
        sim.report()()


@pytest.mark.slow
def test_lost_constraints_are_counted_up_to_what_is_allowed(build):
    sim = build(constraints_per_scene=20, max_overflow_share=1.0)
    sim.step(HOME)
    report = sim.report()()
    assert 0 < report["perf/overflow"] <= 2 * SCENE.physics.decimation
    assert report["perf/constraint_peak"] > 1


OVERFLOWS = {  # losses by control step, control steps, the share allowed, and whether it is fine
    "one event of one scene": ([10], 1, 0.0, True),
    "one more": ([11], 1, 0.0, False),
    "at the share": ([10, 15], 5, 0.25, True),
    "above the share": ([10, 16], 5, 0.25, False),
    "the share of a long report": ([20] * 3 + [15], 15, 0.25, True),
    "above that of a long report": ([20] * 3 + [16], 15, 0.25, False),
}


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="a GPU captures for real")
@pytest.mark.parametrize("case", OVERFLOWS)
def test_what_may_be_lost_grows_with_the_steps_of_a_report(build, monkeypatch, case):
    """Losses are played; two scenes of 10 physics steps a control step."""
    lost, steps, share, fine = OVERFLOWS[case]
    sim = build(max_overflow_share=share)
    played = iter([*lost, *[0] * steps])

    def lose():
        figures = sim._figures.numpy()
        sim._figures.assign(figures + np.array([0, 0, next(played)]))

    monkeypatch.setattr(sim, "_control_step", lose)
    for _ in range(2):  # a report before it takes its own steps along
        for _ in range(steps):
            sim.step(HOME)
        read = sim.report()
        played = iter([*lost, *[0] * steps])
        if fine:
            assert read()["perf/overflow"] == sum(lost)
        else:
            with pytest.raises(SimOverflowError, match=f"{sum(lost)} of {20 * steps} physics"):
                read()


def test_by_default_an_iteration_of_training_may_lose_a_hundredth_of_a_step_a_scene(build):
    """4,096 scenes, 24 control steps: 39 of 983,040; an evaluation of 300 steps not the same 39."""
    sim = build()
    sim.spec = dataclasses.replace(sim.spec, num_envs=4096)
    assert sim._allowed(24) == (pytest.approx(39.3, abs=0.1), 983_040)
    assert sim._allowed(300) == (pytest.approx(491.5, abs=0.1), 12_288_000)


def test_a_report_counts_anew_and_shows_how_much_room_is_used(build):
    sim = build()
    for _ in range(2):
        sim.step(HOME)
        report = sim.report()()
        assert report["perf/overflow"] == 0
        assert 0.1 < report["perf/contact_peak"] < 0.8
        assert 0.1 < report["perf/constraint_peak"] < 0.8
        assert 0 < report["perf/sim_ms"] <= report["perf/elapsed_ms"]
    assert sim.report()()["perf/contact_peak"] == 0


def test_a_lost_device_is_told_when_it_closes_and_it_is_closed(build, monkeypatch, lost):
    sim = build()
    monkeypatch.setattr(wp, "synchronize_device", lost)
    with pytest.raises(DeviceLostError, match="error 700"):
        sim.close()
    sim.close()
    with pytest.raises(SimClosedError):
        sim.step(HOME)


@pytest.mark.slow
def test_it_is_the_physics_of_the_c_engine(build):
    """The same model, solver and step: single precision is all that differs at first."""
    ours, theirs = build(), MujocoCpu(SCENE, 2, MujocoConfig(num_threads=1))
    targets = HOME.at[:, 0].add(jnp.array([0.1, -0.1]))
    for _ in range(5):
        ours.step(targets)
        theirs.step(jax.device_put(targets, jax.devices("cpu")[0]))
    for name, view in theirs.views().items():
        atol = 1e-4 if name == "qpos" else 5e-3
        np.testing.assert_allclose(ours.views()[name], view, atol=atol)
    theirs.close()


def test_restore_writes_into_the_memory_that_is_viewed(build):
    sim = build()
    address = {name: view.unsafe_buffer_pointer() for name, view in sim.views().items()}
    snapshot = sim.snapshot()
    sim.step(HOME + 0.1)
    sim.restore(snapshot)
    views = sim.views()
    assert {name: view.unsafe_buffer_pointer() for name, view in views.items()} == address
    jax.tree.map(
        np.testing.assert_array_equal,
        {name: np.asarray(view) for name, view in views.items()},
        {name: snapshot[name] for name in views},
    )


class Captured:
    """In the place of Warp's capture, which needs a GPU: what is in it runs at once."""

    graph = "graph"

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass


@pytest.mark.slow
@pytest.mark.skipif(jax.default_backend() == "gpu", reason="a GPU captures for real")
def test_a_capture_leaves_no_trace_and_its_graph_is_what_a_step_runs(build, monkeypatch):
    sim, launched = build(constraints_per_scene=20), []

    def launch(graph):
        launched.append(graph)
        sim._control_step()

    def step():
        sim.report()  # counts anew
        sim.step(HOME - 0.1)
        return sim.snapshot(), sim._figures.numpy()

    monkeypatch.setattr(wp, "ScopedCapture", Captured)
    monkeypatch.setattr(wp, "capture_launch", launch)
    sim.step(HOME + 0.1)
    before = sim.snapshot()
    plain = step()
    sim.restore(before)
    sim.report()
    sim._graph = sim._capture()
    assert not sim._figures.numpy().any()
    captured = step()
    assert launched == ["graph"]
    jax.tree.map(np.testing.assert_array_equal, captured, plain)


FIGURES = "sim", "pause", "elapsed"


@pytest.fixture
def event_clock(monkeypatch):
    """`(times_ms) -> clock` of a device that reaches the events at these times, one after the other."""
    reached = {}

    def played(times_ms):
        left = iter(times_ms)
        stream = types.SimpleNamespace(record_event=lambda e: reached.update({e: next(left)}))
        return EventClock(types.SimpleNamespace(stream=stream))

    def elapsed(begin, end, synchronize):
        assert not synchronize, "one wait for the last event is enough"
        assert end in waited or reached[end] <= max(reached[event] for event in waited)
        return reached[end] - reached[begin]

    waited = []
    monkeypatch.setattr(wp, "Event", lambda device, enable_timing: object())
    monkeypatch.setattr(wp, "synchronize_event", waited.append)
    monkeypatch.setattr(wp, "get_event_elapsed_time", elapsed)
    return played


def test_steps_are_timed_by_the_device_from_the_end_of_the_lap_before(event_clock):
    """Steps 10-12 and 13-14 ms, then 20-23 and 24-28: what precedes a lap's first step is no pause."""
    clock = event_clock([10.0, 12.0, 13.0, 14.0, 20.0, 23.0, 24.0, 28.0])
    laps = []
    for _ in range(2):
        for _ in range(2):
            clock.begin()
            clock.end()
        laps.append(clock.lap())
    first, second = (lap() for lap in laps)
    # physics, the pause between the two steps, and from the first begin or the last end to the end
    assert [first[f"perf/{name}_ms"] for name in FIGURES] == pytest.approx([3.0, 1.0, 4.0])
    assert [second[f"perf/{name}_ms"] for name in FIGURES] == pytest.approx([7.0, 1.0, 14.0])
    assert first["perf/steps"] == second["perf/steps"] == 2
    assert set(clock.lap()().values()) == {0.0}


@pytest.mark.heavy
def test_bodies_of_every_size_come_to_lie_as_in_the_other_engine_of_the_family():
    """Heads are meshes, of which each scene has its own: bolts that fall lie as high in both."""
    factors = {
        "body_size": np.float32([0.75, 1.0, 1.35] * 2),
        "friction": np.repeat(np.float32([1.0, 0.5]), 3),
    }
    scene = make_scene(SceneConfig(), physics="train")
    parked = jnp.tile(jnp.array([[0.0, 0.3, -1.3, 0.0, -0.5, 0.0]], jnp.float32), (6, 1))
    start = home_state(scene, 6).with_robot(joint_pos=parked)
    high = start.bodies["screws"].pos_w.at[..., 2].set(0.03)
    roll = jnp.tile(jnp.float32([np.cos(0.3), np.sin(0.3), 0.0, 0.0]), (6, 3, 1))
    start = start.with_bodies("screws", pos_w=high, quat_w=roll)
    heights = []
    for make, options in ((MujocoCpu, MujocoConfig(2)), (MujocoWarp, MujocoWarpConfig())):
        place = jax.devices("cpu" if make is MujocoCpu else None)[0]
        sim = make(scene, 6, options, factors)
        sim.write(*jax.device_put((jnp.ones(6, bool), sim.pack(start)), place))
        for _ in range(25):
            sim.step(jax.device_put(parked, place))
        heights.append(np.array(sim.unpack(sim.views()).bodies["screws"].pos_w[..., 2]))
        sim.close()
    np.testing.assert_allclose(heights[1], heights[0], atol=1e-5)
    by_size = heights[0].reshape(2, 3, 3).mean(axis=(0, 2))
    np.testing.assert_allclose(by_size / by_size[1], [0.75, 1.0, 1.35], rtol=0.01)


@pytest.mark.slow
def test_two_that_are_stepped_in_turn_do_what_each_does_alone(build):
    """On a GPU nobody waits: the second queues on a stream of its own, and what JAX lends is read in time."""

    @jax.jit
    def control(views, phase):
        return HOME + 0.3 * jnp.sin(phase + views["qpos"][:, :6])

    def stepped(sims, turns):
        for turn in range(turns):
            for number, sim in enumerate(sims):
                sim.step(control(sim.views(), jnp.float32(turn + number)))
        return [sim.snapshot()["qpos"] for sim in sims]

    pair = [build(), build()]
    start = [sim.snapshot() for sim in pair]
    together = stepped(pair, 8)
    for number, sim in enumerate(pair):
        sim.restore(start[number])
        for turn in range(8):
            sim.step(control(sim.views(), jnp.float32(turn + number)))
        alone = sim.snapshot()["qpos"]
        # on a GPU contacts come in another order each time, and a bolt that rolls shows it
        same = slice(6) if bridge.device().platform == "gpu" else slice(None)
        np.testing.assert_allclose(together[number][:, same], alone[:, same], atol=1e-3)
    assert np.abs(together[0] - together[1]).max() > 0.05
