"""What `benchmarks.counts` cannot judge is one line, before anything is trained or written."""

from pathlib import Path

import pytest

from benchmarks import counts, record
from screwpush_jax import checkpoint_folder
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import config_type, from_tree, to_tree
from screwpush_jax.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory, unpack_old_run):
    """A run of an older version that reads three bolts in an order."""
    (run,) = unpack_old_run(2, tmp_path_factory.mktemp("format2")).glob("separate/*")
    return run


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"counts": (5,)}, "--counts 5: nothing to judge; valid: "),
        ({"checkpoint": ()}, "--counts 2 3 4 5 6: nothing to judge; valid: "),
        ({"train": ("mixture",), "config": "nothere.yaml"}, "--config nothere.yaml"),
        ({"train": ("mixtures",)}, "--train mixtures; valid: sorted3, "),
    ],
)
def test_what_cannot_be_judged_is_told(run, tmp_path, monkeypatch, args, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        counts.main(counts.Args(**{"checkpoint": (run,)} | args))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_number_that_no_scene_has_is_told(run, monkeypatch):
    found = checkpoint_folder.find_in(run, best=True)
    found.meta["config"]["env"]["observation"] = "set"
    monkeypatch.setattr(checkpoint_folder, "find_in", lambda folder, best: found)
    for number in (1, 9):
        with pytest.raises(UsageError, match=f"--env.scene.num-screws {number}; valid: 2 to 8"):
            counts.main(counts.Args(checkpoint=(run,), counts=(number,)))


@pytest.mark.parametrize("algorithm", ["ppo", "grpo"])
def test_a_policy_is_named_by_its_own_encoder_whatever_trained_it(algorithm):
    env = {"observation": "set", "fewest_screws": 2}
    kind = config_type(algorithm=algorithm)
    config = from_tree(
        {"env": env, algorithm: {"set_encoder": {"kind": "attention"}}}, kind, kind()
    )
    meta = {"task": "separate", "config": to_tree(config), "counters": {"elapsed_s": 1.5}}
    row = counts._trained(Found(Path("run"), 128, meta))
    assert (row["policy"], row["trained_bolts"]) == ("set, attention", "2 to 3")


def test_where_git_knows_of_no_commit_a_measurement_is_kept(monkeypatch):
    monkeypatch.delenv("SCREWPUSH_COMMIT", raising=False)
    monkeypatch.setenv("PATH", "")  # no git
    assert record.commit() == "unknown"
