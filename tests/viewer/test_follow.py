"""Checkpoints of a run that somebody else trains: taken when they come, missed when they go."""

import shutil

import pytest

from screwpush_jax import checkpoint_folder
from screwpush_jax.errors import CheckpointError
from screwpush_jax.viewer.checkpoints import Checkpoints


def look(session, now_s):
    session.tick(now_s)
    return session.checkpoints.step


def test_each_newer_checkpoint_is_taken_while_following_and_none_otherwise(session, run):
    watched = session()
    run.put(200)
    assert look(watched, 0.0) == 100
    watched.set_follow(True)
    assert look(watched, 1.0) == 200
    run.put(300)
    assert look(watched, 1.5) == 200  # once a second
    assert look(watched, 2.1) == 300
    assert watched.loads == [100, 200, 300]
    watched.step()
    assert watched.said == ""


def test_what_is_paused_follows_too_and_is_shown_anew(session, run):
    watched = session()
    watched.toggle_pause()
    watched.set_follow(True)
    assert not watched.tick(1.0)
    run.put(200)
    assert watched.tick(3.0)
    assert watched.checkpoints.step == 200
    assert watched.time_s[0] == 0.0
    assert not watched.tick(5.0)


def test_the_counting_goes_on_under_a_newer_checkpoint(session, run):
    watched = session(0.735)
    watched.set_follow(True)
    for k in range(40):
        watched.tick(10.0 * k)
    counted = watched.scoreboard.episodes
    run.put(200)
    assert look(watched, 1e4) == 200
    assert watched.scoreboard.episodes >= counted > 0


def test_a_checkpoint_that_is_deleted_meanwhile_costs_one_line(session, run, capsys):
    watched = session()
    watched.set_follow(True)
    (run.path / "checkpoints" / "200").mkdir()  # being deleted: its files are gone
    for now_s in (1.0, 2.5, 4.0):
        assert look(watched, now_s) == 100
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "200" in said[0]
    assert "stays" in said[0]
    assert watched.said == said[0]
    run.put(300)
    assert look(watched, 6.0) == 300
    shutil.rmtree(run.path / "checkpoints")  # all of them, and the policy in use stays
    assert look(watched, 8.0) == 300
    watched.step()
    assert watched.checkpoints.names() == ("latest", "best")


def test_the_first_may_be_deleted_before_it_is_read_if_newer_ones_are_followed(run):
    """A fast run keeps a checkpoint for seconds; the simulator that shows it takes longer to build."""
    found = checkpoint_folder.find_in(run.path, best=False)

    def load(one):
        if not (one.run_dir / "checkpoints" / str(one.step)).exists():
            raise CheckpointError("gone")
        return f"policy of {one.step}"

    run.put(200)
    shutil.rmtree(run.path / "checkpoints" / "100")
    followed = Checkpoints(found, load, follow=True)
    assert (followed.step, followed.policy, followed.newer()) == (200, "policy of 200", "")
    with pytest.raises(CheckpointError, match="gone"):
        Checkpoints(found, load)
    shutil.rmtree(run.path / "checkpoints" / "200")
    with pytest.raises(CheckpointError, match="gone"):
        Checkpoints(found, load, follow=True)


def test_a_person_chooses_a_checkpoint(session, run, capsys):
    run.put(200)
    watched = session()
    assert watched.checkpoints.step == 200
    assert watched.checkpoints.names() == ("latest", "best", "200", "100")
    watched.set_follow(True)
    watched.choose_checkpoint("100")
    assert (watched.checkpoints.step, watched.follow, watched.policy_name) == (
        100,
        False,
        "learned",
    )
    run.put(300)
    watched.choose_checkpoint("latest")
    assert watched.checkpoints.step == 300
    shutil.rmtree(run.path / "checkpoints" / "100")
    watched.choose_policy("up")
    watched.choose_checkpoint("100")
    assert (watched.checkpoints.step, watched.policy_name) == (300, "up")
    (line,) = capsys.readouterr().err.splitlines()
    assert "checkpoint 100 was not taken" in line


@pytest.mark.parametrize("name", ["best", "latest"])
def test_nothing_is_written_into_the_run(session, run, name):
    before = {p: p.stat().st_mtime_ns for p in run.path.rglob("*")}
    watched = session()
    watched.set_follow(True)
    look(watched, 1.0)
    watched.choose_checkpoint(name)
    watched.step()
    assert {p: p.stat().st_mtime_ns for p in run.path.rglob("*")} == before
