"""The layer rule: who may import whom, read from the source, and the figure of it in the docs."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"screwpush_jax": ROOT / "screwpush_jax", "screwpush_sim": ROOT / "sim"}
OURS = tuple(PACKAGES)

ALLOWED = {
    "screwpush_jax.algorithms.common": ("screwpush_jax.algorithms.common",),
    "screwpush_jax.algorithms.algorithm": ("screwpush_jax.algorithms.common",),
    "screwpush_jax.algorithms": ("screwpush_jax.algorithms", "screwpush_jax.errors"),
    "screwpush_jax.tasks": (
        *("screwpush_jax.tasks", "screwpush_jax.errors"),
        *("screwpush_sim.state", "screwpush_sim.scene", "screwpush_sim.protocol"),
        *("screwpush_sim.assets", "screwpush_sim.physics", "screwpush_sim.variation"),
    ),
    "screwpush_sim": ("screwpush_sim",),
    "screwpush_sim.engines.isaacgym.worker": (),  # runs alone, on an interpreter of its own
}
"""What of the project a module or folder may know, itself aside."""

KNOWN_BY = {
    "screwpush_jax.algorithms.registry": "build cli compatible config config_file idle_options",
    "screwpush_jax.algorithms.algorithm": "build checkpoint compiled episodes policy_file"
    " transition viewer",
    "screwpush_jax.algorithms.common": "compiled dist episodes transition",
    "screwpush_jax.tasks.registry": "build cli compatible config doors ending idle_options init_from"
    " initial_state play"
    " plugins relations run_data",
    "screwpush_jax.tasks.task": "build checkpoint cli disturbances doors env episodes evaluation film"
    " filming initial_state outcomes policy_file recording stages transition viewer",
    "screwpush_jax.tasks.start_classes": "env relations",
    "screwpush_jax.tasks.endings": "eval_figures eval_page filming outcomes viewer",
    "screwpush_jax.tasks.records": "outcomes task_figures",
    "screwpush_jax.tasks.disturbance": "disturbances",
    "screwpush_jax.tasks.drawing": "viewer",
    "screwpush_jax.tasks.optional": "disturbances eval_report export film policy_file recording viewer",
    "screwpush_jax.tasks.parts": "disturbances",
    "screwpush_sim.protocol": "build doors env episodes evaluation film filming stages tasks"
    " transition viewer",
    "screwpush_sim.state": "disturbances env evaluation film filming play policy_file tasks viewer",
    "screwpush_sim.scene": "build filming policy_file tasks video",
    "screwpush_sim.assets": "tasks",
    "screwpush_sim.physics": "build doors eval_file evaluate export play policy_file tasks",
    "screwpush_sim.registry": "attempts build cli config device doors launch plugins resume run_data stages",
    "screwpush_sim.options": "config paths",
    "screwpush_sim.variation": "build tasks",
    "screwpush_sim.errors": "attempts build cli",
    "screwpush_sim.bridge": "compiled device doors filming orbax_trees",
    "screwpush_sim.gpu": "launch",
    "screwpush_sim.render": "filming video",
    "screwpush_sim.grid": "viewer",
    "screwpush_sim.window": "viewer",
    "screwpush_sim.scene_file": "export",
}
"""What of an algorithm, a task or the simulator is known outside of these three, and to whom."""


def is_in(name: str, packages: str | tuple[str, ...]) -> bool:
    """Whether a module is one of these or lies in one."""
    packages = (packages,) if isinstance(packages, str) else packages
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def modules() -> dict[str, Path]:
    """The project's modules by the names under which they are imported; packages, too."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path, *, late: bool = True) -> set[str]:
    """Modules that a file imports, or names within them; without `late` not those in functions."""
    tree = ast.parse(path.read_text())
    names = set()
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:  # relative
                own = next(name for name, home in MODULES.items() if home == path).split(".")
                parents = node.level - (path.name == "__init__.py")
                base = ".".join([*own[: len(own) - parents], *([base] if base else [])])
            names |= {f"{base}.{a.name}" for a in node.names}
    return names


def edges() -> set[tuple[str, str]]:
    """`(module, module that it imports)` within the project."""
    found = set()
    for module, path in MODULES.items():
        for name in imports(path):
            if is_in(name, OURS):
                target = name if name in MODULES else name.rpartition(".")[0]
                assert target in MODULES, f"{path} imports {name}"
                found.add((module, target))
    return found


EDGES = edges()


@pytest.mark.parametrize("layer", ALLOWED)
def test_a_layer_imports_only_what_it_may_know(layer):
    inside = [(a, b) for a, b in EDGES if is_in(a, layer)]
    assert inside
    bad = [(a, b) for a, b in inside if not is_in(b, (layer, *ALLOWED[layer]))]
    assert not bad


def test_who_knows_an_algorithm_a_task_or_the_simulator_is_in_the_table():
    guarded = ("screwpush_jax.algorithms", "screwpush_jax.tasks", "screwpush_sim")
    known = {}
    for module, target in EDGES:
        if is_in(target, guarded) and not any(
            is_in(module, g) and is_in(target, g) for g in guarded
        ):
            entry = max((e for e in KNOWN_BY if is_in(target, e)), key=len, default=target)
            known.setdefault(entry, set()).add(module.split(".")[1])
    assert known == {entry: set(by.split()) for entry, by in KNOWN_BY.items()}


def test_only_the_registry_imports_a_tasks_folder():
    folders = {f"screwpush_jax.tasks.{p.name}" for p in (ROOT / "screwpush_jax/tasks").glob("*/")}
    outside = {a for a, b in EDGES if is_in(b, tuple(folders)) and not is_in(a, tuple(folders))}
    assert outside == {"screwpush_jax.tasks.registry"}


ENGINES = ("mujoco", "mujoco_warp", "warp", "isaacgym", "ovphysx", "ovstage")


def test_nothing_outside_sim_imports_an_engine():
    for path in (ROOT / "screwpush_jax").rglob("*.py"):
        assert not {n for n in imports(path) if n.split(".")[0] in ENGINES}, path


OF_DOORS = ("gymnasium", "ray", "rsl_rl", "skrl", "stable_baselines3", "tensordict", "torch")
"""Other people's learners and what they stand on."""


def test_only_doors_import_other_peoples_learners_and_nothing_imports_a_door():
    doors = ROOT / "screwpush_jax/doors"
    for path in (ROOT / "screwpush_jax").rglob("*.py"):
        if doors not in path.parents:
            assert not {n for n in imports(path) if n.split(".")[0] in OF_DOORS}, path
    of_doors = {a for a, b in EDGES if is_in(b, "screwpush_jax.doors")}
    assert of_doors
    assert all(is_in(module, "screwpush_jax.doors") for module in of_doors)


def test_only_one_module_compiles():
    users = {p.name for p in (ROOT / "screwpush_jax").rglob("*.py") if "jax.jit(" in p.read_text()}
    assert users == {"compiled.py"}


LATE = (
    *("matplotlib", "jinja2", "tensorboardX", "rich", "wandb", "swanlab"),
    *("imageio", "imageio_ffmpeg", "viser", "mjviser"),
    *("jax2onnx", "onnx", "onnxruntime", "PIL"),
)
"""They read settings of the user's, or take seconds, or may be missing."""
LATE_MODULES = ("live_bar.py",)
"""Imported late themselves."""


def test_what_only_shows_a_run_is_imported_late():
    for path in (ROOT / "screwpush_jax").rglob("*.py"):
        if path.name not in LATE_MODULES:
            names = imports(path, late=False)
            assert not {n for n in names if n.split(".")[0] in LATE}, path
            assert not {n for n in names if f"{n.split('.')[-1]}.py" in LATE_MODULES}, path


def figure() -> tuple[dict[str, str], list[tuple[str, list[str]]]]:
    """Of the docs: the box of each file or folder, and the boxes that each box imports."""
    text = (ROOT / "docs/architecture.md").read_text()
    drawn = text.split("```text\n")[1].split("```")[0]
    arrows = re.findall(r"^ *(\S[\w ]*?) *->(.*)$", drawn, re.MULTILINE)
    box_of = {}
    for folder, table in re.findall(r"^### `(\S+/)`$(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL):
        for box, cell in re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|", table, re.MULTILINE):
            for place in re.findall(r"`(.+?)`", cell):
                assert folder + place not in box_of, f"{folder}{place} is in two boxes"
                box_of[folder + place] = box
    assert set(box_of.values()) == {name for name, _ in arrows}
    return box_of, [(name, targets.split(",")) for name, targets in arrows]


def test_the_figure_in_the_docs_is_what_is_imported():
    box_of, drawn = figure()
    boxes = {}
    for module, path in MODULES.items():
        if path.name != "__init__.py":
            file = str(path.relative_to(ROOT).with_suffix(""))
            places = {file, *(f"{folder}/" for folder in path.relative_to(ROOT).parents)}
            found = places & box_of.keys()
            assert len(found) == 1, f"{path} is in the boxes {found} of docs/architecture.md"
            boxes[module] = box_of[found.pop()]
    files = {str(path.relative_to(ROOT).with_suffix("")) for path in MODULES.values()}
    assert not {p for p in box_of if p not in files and not (ROOT / p).is_dir()}
    real = {(boxes[a], boxes[b]) for a, b in EDGES if a in boxes and b in boxes}
    real = {(a, b) for a, b in real if a != b}
    figured = {(name, t.strip()) for name, targets in drawn for t in targets if t.strip()}
    assert not real - figured, "imports that the figure does not show"
    assert not figured - real, "arrows without an import"
    order = [name for name, _ in drawn]
    assert not [(a, b) for a, b in real if order.index(a) > order.index(b)], "an arrow goes up"
