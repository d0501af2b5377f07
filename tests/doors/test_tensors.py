"""The doors to torch: the memory is the same, and what is handed over is what one by one was."""

import importlib
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from screwpush_jax.doors.batch import make_batch
from screwpush_jax.doors.tensors import TensorBatch, to_jax, to_torch
from screwpush_jax.errors import UsageError

from .toy import TOY, Oracle

N, HORIZON = 5, 7


@pytest.fixture(scope="module")
def batch(toys):
    made = make_batch("mark", num_envs=N, env={"horizon": HORIZON}, **TOY)
    yield made
    made.close()


def test_a_tensor_is_the_arrays_memory_and_back(batch):
    step = batch.reset(0)
    for array in (step.obs["policy"], step.reward, step.terminated, step.figures):
        tensor = to_torch(array)
        assert tensor.data_ptr() == array.unsafe_buffer_pointer()
        assert tuple(tensor.shape) == array.shape
    assert to_torch(step.terminated).dtype == torch.bool
    action = torch.rand(N, 1)
    assert to_jax(action).unsafe_buffer_pointer() == action.data_ptr()


def test_memory_that_jax_does_not_take_is_copied():
    tensor = torch.arange(9, dtype=torch.float32)[1:]
    array = to_jax(tensor)
    np.testing.assert_array_equal(array, np.arange(1, 9))
    assert array.unsafe_buffer_pointer() != tensor.data_ptr()


def test_a_step_hands_over_its_own_arrays_and_takes_the_actions_memory(batch, monkeypatch):
    tensors, seen = TensorBatch(batch), []
    step = batch.step

    def spy(action):
        seen.append((action, step(action)))
        return seen[-1][1]

    monkeypatch.setattr(batch, "step", spy)
    tensors.reset(0)
    action = torch.zeros(N, 1)
    told = tensors.step(action)
    ((taken, made),) = seen
    assert taken.unsafe_buffer_pointer() == action.data_ptr()
    for tensor, array in (
        (told.obs["policy"], made.obs["policy"]),
        (told.reward, made.reward),
        (told.terminated, made.terminated),
        (told.truncated, made.truncated),
        (tensors.final_obs()["policy"], made.final_obs["policy"]),
    ):
        assert tensor.data_ptr() == array.unsafe_buffer_pointer()


def test_memory_is_not_used_again_while_a_tensor_shows_it(batch):
    tensors = TensorBatch(batch)
    kept = [tensors.reset(1).obs["policy"]]
    copies = [kept[0].clone()]
    for _ in range(3 * HORIZON):
        kept.append(tensors.step(torch.full((N, 1), 0.5)).obs["policy"])
        copies.append(kept[-1].clone())
    assert all(map(torch.equal, kept, copies))


def test_actions_that_are_none_are_told(batch):
    tensors = TensorBatch(batch)
    tensors.reset(0)
    with pytest.raises(ValueError, match="lie on meta; valid: cpu"):
        tensors.step(torch.zeros(N, 1, device="meta"))
    with pytest.raises(ValueError, match=r"float32 \[5\]; valid: float32 \[5, 1\]"):
        tensors.step(torch.zeros(N))


def test_a_learners_graph_stays_its_own(batch):
    tensors = TensorBatch(batch)
    tensors.reset(0)
    tensors.step(torch.zeros(N, 1, dtype=torch.float64, requires_grad=True))


def plain(array) -> np.ndarray:
    return array.numpy().copy() if isinstance(array, torch.Tensor) else np.array(array)


def play(start, step):
    """Steps a door under random actions and holds each number against one loop per environment.

    `start()` gives observations; `step(actions)` gives observations, reward, terminated, truncated.
    Yields after each step: which ended, and the loops.
    """
    rng = np.random.default_rng(3)
    oracles = [Oracle(row, HORIZON) for row in plain(start())]
    for _ in range(5 * HORIZON):
        action = rng.uniform(-0.3, 1.5, (N, 1)).astype(np.float32)
        obs, reward, terminated, truncated = map(plain, step(action))
        ended = terminated | truncated
        lasts = []
        for n, oracle in enumerate(oracles):
            seen, earned, reached, late = oracle.step(float(action[n, 0]))
            assert reward[n] == pytest.approx(earned, abs=1e-5)
            assert (terminated[n], truncated[n]) == (reached, late and not reached)
            lasts.append(seen)
            if not ended[n]:
                np.testing.assert_allclose(obs[n], seen, atol=1e-5)
        yield ended, oracles, lasts
        for n in np.flatnonzero(ended):
            oracles[n].start(obs[n])


def test_rsl_rls_door(batch):
    pytest.importorskip("rsl_rl")
    from screwpush_jax.doors.rsl_rl import RslRlVecEnv

    env = RslRlVecEnv(batch, seed=1)
    assert (env.num_envs, env.num_actions, env.max_episode_length) == (N, 1, HORIZON)
    extras = {}

    def step(action):
        nonlocal extras
        obs, reward, dones, extras = env.step(torch.from_numpy(action))
        assert torch.equal(obs["policy"], env.get_observations()["policy"])
        late = extras["time_outs"]
        return obs["policy"], reward, (dones > 0) & ~late, late

    count = 0
    for ended, oracles, _ in play(lambda: env.get_observations()["policy"], step):
        clocks = [0 if over else o.clock for over, o in zip(ended, oracles, strict=True)]
        assert env.episode_length_buf.tolist() == clocks
        assert ("log" in extras) == ended.any()
        if ended.any():
            mine = [o.return_ for over, o in zip(ended, oracles, strict=True) if over]
            assert extras["log"]["/env/return"].tolist() == pytest.approx(mine, abs=1e-4)
            count += 1
    assert count > 3
    env.episode_length_buf = torch.full((N,), HORIZON - 1)
    _, _, dones, _ = env.step(torch.zeros(N, 1))
    assert dones.all()


def test_skrls_door(batch):
    pytest.importorskip("skrl")
    from screwpush_jax.doors.skrl import SkrlEnv

    env, infos = SkrlEnv(batch, seed=1), {}
    assert (env.num_envs, env.device, env.state_space) == (N, torch.device("cpu"), None)
    assert (env.observation_space.shape, env.action_space.shape) == ((2,), (1,))

    def step(action):
        nonlocal infos
        obs, *told, infos = env.step(torch.from_numpy(action))
        assert all(tensor.shape == (N, 1) for tensor in told)
        return obs, *(tensor[:, 0] for tensor in told)

    for ended, oracles, _ in play(lambda: env.reset()[0], step):
        assert ("episode" in infos) == ended.any()
        if ended.any():
            mine = [o.return_ for over, o in zip(ended, oracles, strict=True) if over]
            assert infos["episode"]["return"].item() == pytest.approx(np.mean(mine), abs=1e-4)
    first, second = env.reset()[0], env.reset()[0]
    assert not torch.equal(first, second)
    assert torch.equal(SkrlEnv(batch, seed=2).reset()[0], SkrlEnv(batch, seed=2).reset()[0])


def test_stable_baselines3s_door(batch):
    pytest.importorskip("stable_baselines3")
    from screwpush_jax.doors.stable_baselines3 import Sb3VecEnv

    env, infos = Sb3VecEnv(batch), []

    def step(action):
        nonlocal infos
        obs, reward, dones, infos = env.step(action)
        late = np.array([info.get("TimeLimit.truncated", False) for info in infos])
        return obs, reward, dones & ~late, late

    for ended, oracles, lasts in play(env.reset, step):
        for n, info in enumerate(infos):
            assert bool(info) == ended[n]
            if info:
                np.testing.assert_allclose(info["terminal_observation"], lasts[n], atol=1e-5)
                assert info["episode"]["r"] == pytest.approx(oracles[n].return_, abs=1e-4)
                assert info["is_success"] == (not info["TimeLimit.truncated"])
    env.seed(4)
    first = env.reset()
    assert not np.array_equal(first, env.reset())
    env.seed(4)
    np.testing.assert_array_equal(env.reset(), first)


ABSENT = {
    "gym": ("gymnasium", "gymnasium"),
    "rsl_rl": ("rsl_rl", "rsl-rl"),
    "skrl": ("skrl", "skrl"),
    "stable_baselines3": ("stable_baselines3", "stable-baselines3"),
    "tensors": ("torch", "torch"),
}


@pytest.mark.parametrize("door", ABSENT)
def test_a_package_that_is_missing_is_told_in_one_line_with_its_extra(door, monkeypatch):
    package, extra = ABSENT[door]
    for name in [package, *(n for n in sys.modules if n.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"screwpush_jax.doors.{door}", raising=False)
    with pytest.raises(UsageError) as caught:
        importlib.import_module(f"screwpush_jax.doors.{door}")
    assert str(caught.value).endswith(f"pip install 'screwpush-jax[{extra}]'")
    assert "\n" not in str(caught.value)


EXAMPLES = Path(__file__).parents[2] / "examples"
ASKS = {
    "gymnasium_vec": ("gymnasium", "gymnasium"),
    "rllib_ppo": ("ray", "rllib"),
    "rsl_rl_ppo": ("rsl_rl", "rsl-rl"),
    "sb3_ppo": ("stable_baselines3", "stable-baselines3"),
    "skrl_ppo": ("skrl", "skrl"),
}


@pytest.mark.parametrize("name", ASKS)
def test_an_example_without_its_package_ends_with_one_line(name, monkeypatch, capsys):
    package, extra = ASKS[name]
    for module in [package, *(n for n in sys.modules if n.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(f"pip install 'screwpush-jax[{extra}]'")
