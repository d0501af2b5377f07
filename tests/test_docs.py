"""What the documentation says, against what there is."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import tyro

from benchmarks import settings
from screwpush_jax import play
from screwpush_jax.config import Config, config_type, config_type_of
from screwpush_jax.errors import UsageError
from screwpush_jax.flags import parse
from screwpush_jax.tasks.task import StartsError
from screwpush_jax.yaml_file import load_tree
from screwpush_sim.errors import SimError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ARGUMENTS = {
    **{name: f"{name.title()}Args" for name in ("train", "evaluate", "play", "export")},
    **{"runs": "RunsArgs", "compare": "CompareArgs"},
}
OF_A_RUN = ("train", "evaluate", "play", "export")
"""These take a run's whole configuration."""


def family(base: type) -> set[str]:
    """Names of a class of ours and of those below it; tests have some of their own."""
    ours = base.__module__.split(".")[0] in ("screwpush_jax", "screwpush_sim")
    return ({base.__name__} if ours else set()).union(*map(family, base.__subclasses__()))


def test_every_error_is_explained_and_no_other():
    text = (ROOT / "docs/troubleshoot.md").read_text()
    explained = set(re.findall(r"^\| `(\w+Error)` \|", text, re.MULTILINE))
    ours = {
        name
        for base in (UsageError, StartsError, SimError)
        for name in family(base)
        if name != "SimError"  # never raised itself
    }
    assert explained == ours


def commands() -> list[str]:
    """Our commands in the pages' code blocks, from the module's name on; NAME stands for a reader's own."""
    found = []
    for page in PAGES:
        for block in re.findall(
            r"^ *```\w*\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE
        ):
            for line in block.replace("\\\n", " ").splitlines():
                ours = re.search(r"python -m ((?:screwpush_jax|benchmarks)\..*)", line)
                if ours and "NAME" not in line:
                    without_pipe = re.sub(r" [>|] .*", "", ours.group(1))
                    found.append(" ".join(without_pipe.split()))
    return sorted(set(found))


def test_there_are_commands_of_every_kind():
    modules = {command.split()[0] for command in commands()}
    assert {f"screwpush_jax.{name}" for name in ARGUMENTS} <= modules
    assert len(commands()) > 40


@pytest.mark.parametrize("command", commands())
def test_a_command_in_the_docs_is_one_that_is_taken(command):
    module_name, *argv = shlex.split(command)
    for flag, value in zip(argv, argv[1:], strict=False):
        assert flag != "--config" or (ROOT / value).is_file(), value
    module = importlib.import_module(module_name)
    name = module_name.rpartition(".")[2]
    if module_name.startswith("benchmarks"):
        if issubclass(getattr(module, "Args", object), Config):
            kind = config_type("separate", module.Args)
            parse(kind, argv, kind(), command, "").check()
        elif hasattr(module, "Args"):
            settings.parse(module.Args, argv)
        else:  # a folder
            tyro.cli(importlib.import_module(f"{module_name}.__main__").Args, args=argv)
        return
    kind = getattr(module, ARGUMENTS[name])
    if name in OF_A_RUN:
        tree = load_tree(ROOT / argv[argv.index("--config") + 1]) if "--config" in argv else {}
        named = (name for name in ("task", "algorithm") if f"--{name}" in argv)
        tree |= {name: argv[argv.index(f"--{name}") + 1] for name in named}
        kind = config_type_of(tree, kind)
    taken = parse(kind, play.with_view(argv) if name == "play" else argv, kind(), command, "")
    if name in OF_A_RUN:
        taken.check()
