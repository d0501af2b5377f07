"""Services on the net: what they get and once only, and that none of them can hold a run up."""

import json
import os
import signal
import struct
import subprocess
import sys
import time

import pytest

from screwpush_jax.config import LogConfig, config_type
from screwpush_jax.errors import UsageError
from screwpush_jax.loggers.run_loggers import Loggers
from screwpush_jax.loggers.services import Services, check_installed

Config = config_type()

FAKE = """
import json, os, signal, sys, time

class Settings:
    def __init__(self, **given): pass

class Html(str): pass

class Video:
    def __init__(self, path, format): self.path = path

class Run:
    disabled = False
    def log(self, metrics, step=None): called("log" if step else "show", step, str(metrics))
    def save(self, path, **given): called("save", os.path.basename(path))
    def finish(self): called("finish")

def init(**given):
    called("init", {k: v for k, v in given.items() if k in ("id", "project", "name", "config")})
    return Run()

def called(name, *what):
    with open(os.environ["CALLS"] + ".pid", "w") as file:
        file.write(str(os.getpid()))
    with open(os.environ["CALLS"], "a") as file:
        file.write(json.dumps([name, *what]) + "\\\\n")
    if os.environ["FAILS"] == name:
        how = os.environ["HOW"]
        if how == "raises": raise RuntimeError("no net\\\\nat all")
        if how == "exits": sys.exit(3)
        if how == "dies": os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(1000)
""".replace("\\\\n", "\\n")


@pytest.fixture
def service(tmp_path, monkeypatch):
    """Puts a package `wandb` in place which fails in one call; gives what it was asked."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "wandb.py").write_text(FAKE)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))

    def make(fails="", how=""):
        monkeypatch.setenv("FAILS", fails)
        monkeypatch.setenv("HOW", how)

    def calls(name):
        lines = (tmp_path / "calls").read_text().splitlines()
        return [what for called, *what in map(json.loads, lines) if called == name]

    make()
    return make, calls


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "20260101-000000-mine"
    (folder / "videos").mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 7\n")
    (folder / "provenance.json").write_text('{"commit": "abc123"}')
    return folder


def config(*to, **more):
    return Config(log=LogConfig(to=to, **more))


def log(folder, first, last):
    """Logs iterations `first` to `last` of 100 steps each, as training does."""
    one = Loggers(folder, config(), 100 * (first - 1))
    for iteration in range(first, last + 1):
        one.write(iteration, 100 * iteration, {"actor/loss": float(iteration)})
    one.close()


@pytest.mark.slow
def test_a_service_gets_each_point_and_file_once_however_often_the_run_goes_on(service, run_dir):
    _, calls = service
    for first, last in ((1, 5), (3, 7), (8, 8)):  # killed after 5, gone on from 2
        with Services(config("wandb", project="mine"), run_dir):
            log(run_dir, first, last)
            (run_dir / "videos" / f"{last}.mp4").write_bytes(b"moving")
            (run_dir / "report.html").write_text("<html></html>")
    assert calls("log") == [
        [100 * n, str({"iteration": n, "actor/loss": float(n)})] for n in range(1, 9)
    ]
    shown = [name for _, name in calls("show")]
    assert [sum(word in name for name in shown) for word in ("report", "videos/")] == [3, 3]
    begun = [given for (given,) in calls("init")]
    assert len({given["id"] for given in begun}) == 1
    assert {(given["project"], given["name"]) for given in begun} == {("mine", run_dir.name)}
    assert begun[0]["config"] == {"seed": 7, "provenance": {"commit": "abc123"}}
    saved = [name for (name,) in calls("save")]
    assert sorted(saved) == ["5.mp4", "7.mp4", "8.mp4", *["report.html"] * 3]  # rewritten each time
    assert len(calls("finish")) == 3


@pytest.mark.slow
def test_a_copy_of_a_run_is_another_run(service, run_dir):
    _, calls = service
    for name in (run_dir.name, "20260101-000000-copy"):
        run_dir = run_dir.rename(run_dir.with_name(name))
        with Services(config("wandb"), run_dir):
            log(run_dir, 1, 2)
    one, other = (given["id"] for (given,) in calls("init"))
    assert one != other
    assert [step for step, _ in calls("log")] == [100, 200, 100, 200]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fails", "how"),
    [
        *(("init", "raises"), ("log", "raises"), ("finish", "raises")),
        *(("init", "exits"), ("log", "dies"), ("log", "hangs"), ("finish", "hangs")),
    ],
)
def test_a_service_that_fails_is_one_line_and_holds_nobody_up(fails, how, service, run_dir, capsys):
    make, _ = service
    make(fails, how)
    with Services(config("wandb"), run_dir, patience_s=1.5 if how == "hangs" else 60.0):
        begun = time.monotonic()
        log(run_dir, 1, 3)
        logged_s = time.monotonic() - begun
        if how == "hangs":
            time.sleep(2.0)  # it gets there, before or at the end
    assert time.monotonic() - begun < 30.0
    assert logged_s < 2.0
    (said,) = capsys.readouterr().err.splitlines()
    assert "wandb" in said
    if how == "raises":
        assert "no net at all" in said
    pid = int((run_dir.parent / "calls.pid").read_text())
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.slow
@pytest.mark.parametrize(("given", "project"), [({}, None), ({"project": "mine"}, "mine")])
def test_the_services_own_variables_go_before_our_defaults(
    given, project, service, run_dir, monkeypatch
):
    _, calls = service
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    monkeypatch.setenv("WANDB_NAME", "their name")
    with Services(config("wandb", **given), run_dir):
        log(run_dir, 1, 1)
    ((begun,),) = calls("init")
    assert (begun["project"], begun["name"]) == (project, None)


@pytest.mark.slow
def test_a_run_that_was_stopped_does_not_wait_for_long(service, run_dir, capsys):
    make, _ = service
    make("finish", "hangs")
    with Services(config("wandb"), run_dir) as services:
        log(run_dir, 1, 1)
        services.hurry()  # 5 s
        begun = time.monotonic()
    assert time.monotonic() - begun < 15.0
    assert "wandb" in capsys.readouterr().err


@pytest.mark.slow
def test_what_a_killed_run_has_logged_still_arrives(service, run_dir):
    _, calls = service
    log(run_dir, 1, 3)
    code = (
        "import sys, time; from pathlib import Path; from screwpush_jax.config import *\n"
        "from screwpush_jax.loggers.services import Services\n"
        "config = config_type()(log=LogConfig(to=('wandb',)))\n"
        "Services(config, Path(sys.argv[1])).__enter__(); print('on', flush=True); time.sleep(100)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = [sys.executable, "-c", code, str(run_dir)]
    with subprocess.Popen(run, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30.0
    while not (run_dir.parent / "calls").exists() or not calls("finish"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [step for step, _ in calls("log")] == [100, 200, 300]


def test_a_service_that_is_not_asked_for_is_not_started(service, run_dir):
    with Services(config("tensorboard", "jsonl"), run_dir):
        log(run_dir, 1, 1)
    assert not (run_dir / "loggers").exists()
    assert not (run_dir.parent / "calls").exists()


@pytest.mark.parametrize("name", ["wandb", "swanlab"])
def test_a_service_that_is_not_installed_is_refused_with_its_extra(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()  # what the service itself leaves: a package to Python
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UsageError, match=rf"pip install 'screwpush-jax\[{name}\]'") as refused:
        check_installed(config(name))
    assert "\n" not in str(refused.value)
    check_installed(config("tensorboard", "jsonl"))


def records(path):
    """The records of the log in which both services keep a run: LevelDB's format after 7 bytes."""
    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        if kind == 0:
            return
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, last
            yield whole
            whole = b""


def kept_by_wandb(run_dir):
    """By Weights & Biases' own messages: ids, steps of the metric, files, commits."""
    from wandb.proto.wandb_internal_pb2 import Record

    ids, steps, files, config = [], [], [], {}
    for path in sorted(run_dir.glob("wandb/offline-run-*/*.wandb")):
        for record in map(Record.FromString, records(path)):
            if record.HasField("run"):
                ids.append(record.run.run_id)
                config |= {c.key: json.loads(c.value_json) for c in record.run.config.update}
            if any(list(i.nested_key or [i.key]) == ["actor/loss"] for i in record.history.item):
                steps.append(record.history.step.num)
            files += [file.path for file in record.files.files]
    return ids, steps, files, config


def kept_by_swanlab(run_dir):
    """The same by SwanLab's."""
    import yaml
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record

    ids, steps, files, config = [], [], [], {}
    for path in sorted(run_dir.glob("swanlog/run-*/*.swanlab")):
        for record in map(Record.FromString, records(path)):
            ids += [record.start.id] if record.HasField("start") else []
            if record.scalar.key == "actor/loss":
                steps.append(record.scalar.step)
            files += [record.save.name] if record.HasField("save") else []
        kept = yaml.safe_load((path.parent / "files" / "config.yaml").read_text())
        config |= {name: one["value"] for name, one in kept.items()}
    return ids, steps, files, config


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "kept"), [("wandb", kept_by_wandb), ("swanlab", kept_by_swanlab)])
def test_the_real_client_keeps_the_run_offline(name, kept, run_dir, tmp_path, monkeypatch, capfd):
    pytest.importorskip(name)
    monkeypatch.setenv(f"{name.upper()}_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for first, last in ((1, 5), (3, 8)):
        with Services(config(name), run_dir):
            log(run_dir, first, last)
            (run_dir / "videos" / f"{last}.mp4").write_bytes(b"moving")
            (run_dir / "report.html").write_text("<html></html>")
    ids, steps, files, settings = kept(run_dir)
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert steps == [100 * n for n in range(1, 9)]
    for file in ("videos/5.mp4", "videos/8.mp4", "report.html"):
        assert file in files
    assert settings["seed"] == 7
    assert settings["provenance"] == {"commit": "abc123"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["wandb", "swanlab"])
def test_the_real_client_may_be_disabled_by_its_own_variable(
    name, run_dir, tmp_path, monkeypatch, capfd
):
    pytest.importorskip(name)
    monkeypatch.setenv(f"{name.upper()}_MODE", "disabled")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Services(config(name), run_dir):
        log(run_dir, 1, 2)
    assert not [path for pattern in ("*.wandb", "*.swanlab") for path in run_dir.rglob(pattern)]
    assert not (run_dir / "loggers" / f"{name}.json").exists()  # nothing counts as sent
    assert capfd.readouterr() == ("", "")
