"""The command: a file that is the live policy, or none."""

import importlib
import json
import sys
import zipfile
from types import SimpleNamespace

import jax
import jax.export
import numpy as np
import pytest

from screwpush_jax import export
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import config_type
from screwpush_jax.errors import UsageError
from screwpush_jax.export import ExportArgs
from screwpush_jax.policy_file import formats

pytestmark = pytest.mark.slow
HORIZON = 6
COUNT = 20


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Exports an untrained policy as JAX's file, with what was recorded of it."""
    kind = config_type(kind=ExportArgs)
    env = kind().env.__class__(horizon=HORIZON, bank_size=8)
    args = kind(sim="mujoco", env=env, format="jax", observations=COUNT)
    run_dir, kept = tmp_path_factory.mktemp("run"), {}
    found = Found(run_dir, 512, {})

    def load_policy(config, found, world):
        kept["world"] = world
        return world.algorithm.init(jax.random.key(0)).policy

    def record(*given):
        kept["recorded"] = recorded = whole_record(*given)
        return recorded

    whole_record = export.record
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_SCENES", 4)
        patch.setattr(export, "load_policy", load_policy)
        patch.setattr(export, "record", record)
        output = run_dir / "policy-512.jax.zip"
        kept["differences"] = export.export(args, found, args, output)
    return args, found, output, kept


def test_the_file_says_all_that_a_user_needs(once):
    _, _, output, kept = once
    assert [p.name for p in output.parent.iterdir()] == [output.name]
    assert kept["differences"].steps >= COUNT
    with zipfile.ZipFile(output) as file:
        about = json.loads(file.read("controller.json"))
        scene = file.read("scene_mjcf.xml").decode()
    assert about["task"] == "separate"
    assert about["settings"]["horizon"] == about["horizon"] == HORIZON
    assert about["control_dt_s"] == pytest.approx(0.05)
    layout = about["observation"]["layout"]
    assert len(about["observation"]["normalizer"]["mean"]) == layout[-1]["stop"]
    assert all(row["unit"] for row in [*layout, *about["inputs"], *about["outputs"]])
    assert [axis["scale"] for axis in about["action"]["axes"]] == [0.02] * 3 + [0.05] * 3
    assert len(about["joints"]) == len(about["control"]["low"]) == 6
    model = importlib.import_module("mujoco").MjModel.from_xml_string(scene)
    assert [model.joint(i).name for i in range(6)] == [joint["name"] for joint in about["joints"]]
    steps = about["physics"]["decimation"] * model.opt.timestep
    assert steps == pytest.approx(about["control_dt_s"])
    first = kept["recorded"].before["robot.joint_pos"][0]
    np.testing.assert_allclose(model.key_qpos[0, :6], first, atol=1e-6)


def test_jax_alone_computes_with_it_what_was_recorded(once):
    _, _, output, kept = once
    with zipfile.ZipFile(output) as file:
        about = json.loads(file.read("controller.json"))
        exported = jax.export.deserialize(bytearray(file.read("controller.bin")))
    recorded, control = kept["recorded"], [row["name"] for row in about["outputs"]].index("control")
    for m in (0, 3, 7):
        inputs = [np.asarray(recorded.before[row["name"]][m]) for row in about["inputs"]]
        result = np.array(exported.call(*inputs)[control])
        np.testing.assert_allclose(result, recorded.after["control"][m], atol=1e-4)


def test_what_is_not_the_live_policy_leaves_nothing(once, tmp_path, monkeypatch):
    args, found, _, kept = once
    form = formats.FORMS["jax"]

    def load(path):
        assert path.read_bytes() == b"whole"
        return formats.Loaded(
            lambda *inputs: [np.zeros(6), np.zeros(6), np.zeros(6), np.zeros(6), np.zeros(6)],
            lambda obs: np.zeros(6),
        )

    def call(form):
        monkeypatch.setitem(formats.FORMS, "jax", form)
        world = kept["world"]
        policy = world.algorithm.init(jax.random.key(0)).policy
        output = tmp_path / "out.jax.zip"
        export.write(args, found, args, output, world, policy, kept["recorded"])

    with pytest.raises(UsageError, match="is not the live one"):
        call(form._replace(write=lambda path, *_: path.write_bytes(b"whole"), load=load))
    with pytest.raises(UsageError, match="cannot be written: ZeroDivisionError"):
        call(form._replace(write=lambda path, *_: path.write_bytes(b"half") // 0))
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_one_line_names_it_before_anything_runs(monkeypatch, tmp_path):
    args = config_type(kind=ExportArgs)()
    monkeypatch.setattr(export.cli, "configure", lambda *_: (args, Found(tmp_path, 512, {})))
    monkeypatch.setattr(export, "make_world", lambda *_: pytest.fail("it ran"))
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(UsageError, match=r"pip install 'screwpush-jax\[onnx\]'"):
        export.main([])
    assert list(tmp_path.iterdir()) == []


def test_a_task_without_a_beginning_is_refused_in_one_line(monkeypatch, tmp_path):
    closed = []
    sim = SimpleNamespace(close=lambda: closed.append(1))
    world = SimpleNamespace(task=SimpleNamespace(action_axes=()), sim=sim)
    monkeypatch.setattr(export, "make_world", lambda *_: world)
    args = config_type(kind=ExportArgs)()
    with pytest.raises(
        UsageError, match="--task separate cannot be exported: it brings no `begin`"
    ):
        export.export(args, Found(tmp_path, 512, {}), args, tmp_path / "out.onnx")
    assert closed
    assert list(tmp_path.iterdir()) == []
