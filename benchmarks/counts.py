"""Success by the number of bolts: `python -m benchmarks.counts --checkpoint RUN [RUN ...]`.

Judges each run's best checkpoint on unseen episodes with each number of bolts, in the physics `eval`: a
policy that reads a set with all of `--counts`, one that reads them in an order with its own number alone.
With `--train` it trains what is to be compared first: sorted and set at equal time, and the mixture.
"""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Gt

from benchmarks import record, runs
from benchmarks.settings import FromZeroInt, PositiveInt, check_names, parse
from screwpush_jax import checkpoint_folder, cli, compatible, compiled, pictures
from screwpush_jax.bounds import shown
from screwpush_jax.build import World, make_world
from screwpush_jax.checkpoint_folder import Found
from screwpush_jax.config import Config, load_tree
from screwpush_jax.device import use_device
from screwpush_jax.episodes import LEARNED
from screwpush_jax.errors import UsageError
from screwpush_jax.evaluate import load_policy
from screwpush_jax.evaluation import run_episodes, summarize, unseen_starts
from screwpush_jax.field_kinds import with_values

TASK = "separate"
_SORTED, _SET = (
    ("--env.observation", kind, "--env.fewest-screws", "0") for kind in ("full", "set")
)
VARIANTS: dict[str, tuple[str, ...]] = {
    **{f"sorted{n}": (*_SORTED, "--env.scene.num-screws", str(n)) for n in (3, 5)},
    **{f"set{n}": (*_SET, "--env.scene.num-screws", str(n)) for n in (3, 5)},
    "attention3": (*_SET, "--env.scene.num-screws", "3", "--ppo.set-encoder.kind", "attention"),
    "mixture": (),
}
"""The preset with something changed, as flags."""

_OF_A_TRAINING = (
    *("seed", "num_envs", "total_env_steps", "max_minutes", "stop_at_success", "name", "runs_dir"),
    *("checkpoint_every", "keep_checkpoints", "eval", "log", "video"),
)
"""Fields in which runs may differ whose policies act in the same world."""


@dataclasses.dataclass(frozen=True)
class Args:
    """What to judge."""

    checkpoint: tuple[Path, ...] = ()
    """Folders of runs."""
    counts: tuple[int, ...] = (2, 3, 4, 5, 6)
    """Numbers of bolts; none to train alone."""
    episodes: PositiveInt = 4096
    """Unseen episodes of each policy with each number."""
    train: tuple[str, ...] = ()
    """Names out of the table in this file, to be trained and judged, too."""
    config: str = "configs/bolts.yaml"
    """The preset that they are trained with."""
    max_minutes: Annotated[float | None, Gt(0)] = None
    """Another limit of the training time than the preset's."""
    seeds: tuple[FromZeroInt, ...] = (0, 1)
    """One training each."""
    gpus: tuple[FromZeroInt, ...] = ()
    """Numbers of GPUs that share the trainings; the first one if not given."""
    runs_dir: Path = Path("runs")
    """Folder of the trainings' runs."""
    out: Path = Path("benchmarks/results/counts.jsonl")
    """File that rows are appended to."""
    picture: Path = Path("docs/results/counts.png")
    """Success by the number of bolts."""


def main(args: Args) -> None:
    """Raises UsageError, CheckpointError: before anything is trained or judged, if it can be told then."""
    check_names("--train", args.train, VARIANTS)
    if args.train:
        load_tree(Path(args.config))
    groups = _groups(_found(args.checkpoint), args)
    if args.train:  # what was given was found to be valid
        groups = _groups(_found((*args.checkpoint, *_train(args))), args)
    if not groups and args.counts and not args.train:
        raise UsageError(
            f"--counts {shown(args.counts)}: nothing to judge; valid: with --checkpoint or --train, and for"
            " a policy that reads its bolts in an order their own number"
        )
    if not groups:
        return
    print(f"device {use_device(groups[0][0])}", flush=True)
    for config, some in groups:
        world = make_world(config, args.episodes, "eval")
        try:
            rows = list(_judge(config, world, some))
        finally:
            world.sim.close()
        record.write(args.out, rows)
    draw(record.read(args.out), args.picture)


def _found(folders: Sequence[Path]) -> list[Found]:
    """The best checkpoint of each run."""
    return [checkpoint_folder.find_in(folder, best=True) for folder in folders]


def _train(args: Args) -> list[Path]:
    """The folders of the trainings that were asked for."""
    common = ["--config", args.config, "--eval.no-baselines", "--eval.episodes", "256"]
    if args.max_minutes is not None:
        common += ["--max-minutes", str(args.max_minutes)]
    flags = {
        f"counts-{name}-{seed}": [*common, *VARIANTS[name], "--seed", str(seed)]
        for name in args.train
        for seed in args.seeds
    }
    return [run.folder for run in runs.train_all(flags, args.runs_dir, args.gpus).values()]


def _groups(found: Sequence[Found], args: Args) -> list[tuple[Config, list[Found]]]:
    """Those that act in the same world, by the configuration that makes it.

    Raises:
      UsageError: a run of another task, or a number of bolts that cannot be.
    """
    groups: dict[Config, list[Found]] = {}
    for one in found:
        if compatible.same_task(one, "") != TASK:
            raise UsageError(f"{one.run_dir} is of --task {one.meta['task']}; valid: {TASK}")
        own = compatible.config_of(one)
        any_count = own.env.observation == "set"
        for count in args.counts:
            if not any_count and own.env.scene.num_screws != count:
                continue
            values = {"env.scene.num_screws": count, "env.fewest_screws": 0}
            same = {name: getattr(type(own)(), name) for name in _OF_A_TRAINING}
            plain = dataclasses.replace(with_values(own, values), **same)
            plain.check()
            groups.setdefault(plain, []).append(one)
    return sorted(groups.items(), key=lambda item: item[0].env.scene.num_screws)


def _judge(config: Config, world: World, found: Sequence[Found]) -> Iterator[dict[str, Any]]:
    """A row for each policy: all on the same start states, by functions that are compiled once."""
    seed = config.eval.seed
    functions = compiled.compile_episodes(world.env, world.algorithm)
    starts = unseen_starts(world, seed)
    for one in found:
        begun_s = time.perf_counter()
        policy = load_policy(config, one, world)
        episodes = run_episodes(world, functions, policy, starts, LEARNED, seed)
        world.sim.report()()
        result = summarize(world.task, episodes)
        yield {
            "benchmark": "counts",
            "run": one.run_dir.name,
            **_trained(one),
            "evaluated": world.sim.spec.engine,
            "physics": "eval",
            "bolts": config.env.scene.num_screws,
            "took_s": time.perf_counter() - begun_s,
            **runs.figures({LEARNED: result.row()}),
        }


def _trained(found: Found) -> dict[str, Any]:
    """What a policy was trained on, and for how long."""
    config = compatible.config_of(found)
    env, most = config.env, config.env.scene.num_screws
    fewest, encoder = env.fewest_screws or most, config.algorithm_options.set_encoder
    return {
        "policy": "sorted" if env.observation != "set" else f"set, {encoder.kind}",
        "trained_bolts": f"{most}" if fewest == most else f"{fewest} to {most}",
        "seed": config.seed,
        "env_steps": found.step,
        "train_s": found.meta["counters"]["elapsed_s"],
    }


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """One line a policy, with its 95 % intervals, of the newest row for each number."""
    rows = list({(row["run"], row["bolts"]): row for row in rows}.values())

    def paint(figure) -> None:
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        names = dict.fromkeys((r["policy"], r["trained_bolts"], r["seed"], r["run"]) for r in rows)
        for number, (policy, bolts, seed, run) in enumerate(names):
            mine = sorted((r for r in rows if r["run"] == run), key=lambda r: r["bolts"])
            rate, low, high = ([r[f"success_{k}"] for r in mine] for k in ("rate", "low", "high"))
            axes.errorbar(
                [r["bolts"] + 0.02 * (number - len(names) / 2) for r in mine],
                rate,
                [
                    [r - lo for r, lo in zip(rate, low, strict=True)],
                    [hi - r for r, hi in zip(rate, high, strict=True)],
                ],
                marker="o" if len(mine) == 1 else ".",
                label=f"{policy}, trained on {bolts}, seed {seed}",
                capsize=2,
                lw=1,
            )
        axes.set(xlabel="bolts", ylabel="success", ylim=(0, 1.01))
        axes.set_xticks(sorted({r["bolts"] for r in rows}))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)

    pictures.draw(path, (7, 5), paint)


if __name__ == "__main__":
    cli.run(lambda argv: main(parse(Args, argv)))
