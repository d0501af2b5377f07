"""Choosing an engine by name."""

import dataclasses
import subprocess
import sys
from types import SimpleNamespace

import pytest

from screwpush_sim import registry
from screwpush_sim.assets.arm_with_bolts import SceneConfig, make_scene
from screwpush_sim.errors import EngineNotInstalledError, SimError, UnknownEngineError
from screwpush_sim.options import IsaacGymConfig, MujocoConfig, MujocoWarpConfig, PhysxConfig


@pytest.mark.parametrize("name", ["", "MuJoCo", "bullet"])
def test_an_unknown_engine_is_refused_with_the_valid_names(name):
    with pytest.raises(UnknownEngineError) as caught:
        registry.make_simulator(name, make_scene(SceneConfig()), 1, None)
    assert repr(name) in str(caught.value)
    for valid in ("auto", *registry.ENGINES):
        assert valid in str(caught.value)


@pytest.mark.parametrize("name", list(registry.ENGINES))
def test_an_engine_is_chosen_as_asked(name):
    assert registry.choose(name)[0] == name


def test_auto_names_an_engine_and_a_reason():
    name, reason = registry.choose("auto")
    assert name in registry.ENGINES
    assert "auto" in reason


@pytest.mark.parametrize(("backend", "engine"), [("gpu", "mujoco_warp"), ("cpu", "mujoco")])
def test_auto_goes_by_where_jax_computes(monkeypatch, backend, engine):
    monkeypatch.setattr(registry.jax, "default_backend", lambda: backend)
    assert registry.choose("auto")[0] == engine


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(EngineNotInstalledError, match=r"'mujoco'.*pip install 'mujoco>=4,<5'"):
        registry.make_simulator("mujoco", make_scene(SceneConfig()), 1, MujocoConfig())
    with pytest.raises(EngineNotInstalledError):
        registry.check_installed("mujoco")


def test_mujoco_without_what_it_is_asked_to_draw_with_is_one_line(monkeypatch):
    """Its import ends so where libEGL is missing."""
    lame = dataclasses.replace(registry.ENGINES["mujoco"], backend="toys:Lame")
    monkeypatch.setattr(registry, "ENGINES", {"mujoco": lame})
    monkeypatch.setitem(sys.modules, "toys", SimpleNamespace())
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with pytest.raises(EngineNotInstalledError, match="MUJOCO_GL=egl") as caught:
        registry.make_simulator("mujoco", make_scene(SceneConfig()), 1, MujocoConfig())
    assert "libegl1" in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.delenv("MUJOCO_GL")
    with pytest.raises(AttributeError):  # a fault of its own is shown as it is
        registry.make_simulator("mujoco", make_scene(SceneConfig()), 1, MujocoConfig())


def test_options_of_another_engine_are_refused_before_it_is_loaded():
    with pytest.raises(TypeError, match="'mujoco' takes a MujocoConfig, got a IsaacGymConfig"):
        registry.make_simulator("mujoco", make_scene(SceneConfig()), 1, IsaacGymConfig())


@dataclasses.dataclass(frozen=True)
class ToyOptions:
    stiff: bool = True


class Toy:
    """An engine from outside: it keeps what it was built from."""

    def __init__(self, scene, num_envs, options):
        self.built = scene, num_envs, options


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(registry, "ENGINES", dict(registry.ENGINES))
    monkeypatch.setitem(sys.modules, "toys", SimpleNamespace(Toy=Toy))
    engine = registry.EngineDef("toy", ToyOptions, "toys:Toy")
    registry.register(engine)
    return engine


def test_an_engine_from_outside_is_chosen_built_and_named(toy):
    assert registry.choose("toy") == ("toy", "as asked")
    scene, options = make_scene(SceneConfig()), ToyOptions()
    assert registry.make_simulator("toy", scene, 3, options).built == (scene, 3, options)
    assert registry.steps_on_host("toy", options)
    with pytest.raises(UnknownEngineError, match="toy"):
        registry.choose("no such")
    assert registry.choose("auto")[0] != "toy"


@pytest.mark.parametrize("name", ["toy", "mujoco", "auto", "my engine", ""])
def test_a_name_that_is_taken_or_none_is_refused(toy, name):
    with pytest.raises(ValueError, match=f"engine name {name!r}; valid: .*auto, .*toy"):
        registry.register(dataclasses.replace(toy, name=name))


@pytest.mark.parametrize(
    ("name", "options", "on_host"),
    [
        ("mujoco", MujocoConfig(), True),
        ("mujoco_warp", MujocoWarpConfig(), False),
        ("isaacgym", IsaacGymConfig(pipeline="gpu"), False),
        ("isaacgym", IsaacGymConfig(pipeline="cpu"), True),
        ("physx", PhysxConfig(), False),
        ("physx", PhysxConfig(pipeline="cpu"), True),
    ],
)
def test_it_is_known_where_the_tensors_lie(name, options, on_host):
    assert registry.steps_on_host(name, options) == on_host


def test_an_installed_engine_passes_the_check():
    registry.check_installed("mujoco")


def test_every_error_of_a_simulator_is_a_sim_error():
    assert issubclass(UnknownEngineError, SimError)
    assert issubclass(EngineNotInstalledError, SimError)


@pytest.mark.slow
def test_the_registry_loads_no_engine_until_one_is_asked_for():
    code = "import sys, screwpush_sim.registry; sys.exit('mujoco' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_contract_suite_keeps_to_one_simulator_where_an_engine_has_room_for_one(
    monkeypatch, lab_of
):
    """The suite's laboratory, on an engine that refuses a second one while the first is open."""
    alive = []

    class Alone(Toy):
        def __init__(self, scene, num_envs, options):
            assert not alive, "the one before was not closed"
            super().__init__(scene, num_envs, options)
            alive.append(self)

        def close(self):
            alive.remove(self)

    engine = registry.EngineDef("alone", ToyOptions, "toys:Alone", one_per_process=True)
    monkeypatch.setattr(registry, "ENGINES", {"alone": engine})
    monkeypatch.setitem(sys.modules, "toys", SimpleNamespace(Alone=Alone))
    lab = lab_of("alone", ToyOptions())
    first = lab.shared()
    assert lab.shared() is first
    assert lab.shared(num_screws=0) is not first
    lab.make().close()
    with pytest.raises(pytest.skip.Exception, match="one simulator"):
        lab.make_another()
