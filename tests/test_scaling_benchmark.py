"""The trainings of `benchmarks.scaling`: commands that `train` takes."""

from pathlib import Path

import pytest

from benchmarks import scaling
from benchmarks.settings import read_config
from screwpush_jax.config import parse


@pytest.mark.parametrize(("preset", "algorithm"), [("gpu", "ppo"), ("grpo", "grpo")])
def test_minibatches_are_those_of_the_preset_s_algorithm(preset, algorithm, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    args = scaling.Args(gpus=(2,), config=f"configs/{preset}.yaml")
    base = read_config(args.config)
    for what, flags in (*scaling._sizes(args, "weak"), *scaling._goals(args)):
        config = parse(type(base), flags, base, "train", "")
        config.check()
        assert config.algorithm == algorithm
        assert config.algorithm_options.num_minibatches == what["num_minibatches"]
