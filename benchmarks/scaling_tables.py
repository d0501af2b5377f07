"""Tables of several GPUs, from the rows on disk; `benchmarks.table` prints them with all others."""

from collections.abc import Callable, Iterable, Sequence

from benchmarks.table import Row, milliseconds, success, table

PHASES = ("iteration", "sim", "transition", "update")


def scaling(rows: Sequence[Row]) -> str:
    """Newest rows: speeds with as many environments on each GPU, in all, with fewer cores; then the goal's."""
    return "\n\n".join(filter(None, (_speeds(rows), _goals(rows))))


def _speeds(rows: Sequence[Row]) -> str:
    keys = ("part", "gpus", "num_envs", "cores")
    newest = _newest((r for r in rows if r["part"] != "goal"), keys)
    alone = {(r["part"], r["num_envs"]): r for r in newest if r["gpus"] == 1}
    lines = []
    for r in newest:
        in_all = r["num_envs"] if r["part"] != "strong" else r["num_envs"] * r["gpus"]
        one = alone.get(("strong" if r["part"] == "strong" else "weak", in_all))
        times = r["env_steps_per_s"]["median"] / one["env_steps_per_s"]["median"] if one else None
        lines.append(
            [
                f"cores, {r['cores']}" if r["part"] == "cores" else r["part"],
                str(r["gpus"]),
                f"{r['num_envs']:,}",
                f"{r['env_steps_per_s']['median']:,.0f}",
                f"{times:.2f}" if times else "",
                f"{times / r['gpus']:.3f}" if times else "",
                milliseconds(r["iteration_ms"]),
                *(f"{r[f'{phase}_ms']['median']:.1f}" for phase in PHASES[1:]),
            ]
        )
    head = ["part", "GPUs", "environments each", "steps/s", "times one GPU", "efficiency"]
    head += ["ms an iteration (p10 to p90)", "physics", "transitions", "update"]
    return table(head, lines) if lines else ""


def _goals(rows: Sequence[Row]) -> str:
    keys = ("gpus", "rule", "seed")
    lines = [
        [
            *(str(r["gpus"]), r["rule"], str(r["seed"]), f"{r['num_envs']:,}"),
            str(r["num_minibatches"]),
            f"{r['train_s']:.0f}",
            f"{r['env_steps'] / 1e6:.1f} M",
            success(r),
        ]
        for r in _newest((r for r in rows if r["part"] == "goal"), keys)
    ]
    head = ["GPUs", "rule", "seed", "environments each", "minibatches", "training s", "steps"]
    return table([*head, "judged success"], lines) if lines else ""


def communication(rows: Sequence[Row]) -> str:
    """Newest rows: of updates, then of all-reduces alone."""
    updates = _newest((r for r in rows if r["what"] == "update"), ("gpus", "num_envs"))
    lines = [
        [
            str(r["gpus"]),
            f"{r['num_envs']:,}",
            str(r["num_epochs"] * r["num_minibatches"]),
            str(r["operations"]),
            f"{r['bytes'] / 1e6:.1f}",
            milliseconds(r["update_ms"]),
            f"{min(r['collective_ms']):.2f} to {max(r['collective_ms']):.2f}",
            f"{r['together_ms']:.2f}" if r["together_ms"] is not None else "",
        ]
        for r in updates
    ]
    head = ["GPUs", "environments each", "gradient steps", "exchanges", "MB", "update ms"]
    whole = table([*head, "exchanging ms, by GPU", "without waiting"], lines)
    alone = {(r["bytes"], r["gpus"]): r["us"] for r in rows if r["what"] == "allreduce"}
    sizes, gpus = (sorted({key[i] for key in alone}) for i in (0, 1))
    lines = [
        [f"{size:,}", *(f"{alone[size, k]:.1f}" if (size, k) in alone else "" for k in gpus)]
        for size in sizes
    ]
    return f"{whole}\n\n{table(['bytes', *(f'us on {k} GPUs' for k in gpus)], lines)}"


def memory(rows: Sequence[Row]) -> str:
    """The newest line of each engine and task, and what was tried by it."""
    lines = []
    for r in _newest((r for r in rows if r["what"] == "line"), ("engine", "task")):
        same = [o for o in rows if (o["engine"], o["task"]) == (r["engine"], r["task"])]
        tried = [
            f"{o['num_envs']:,}: {o['mb'] / 1e3:.1f} GB" if o["fits"] else f"not {o['num_envs']:,}"
            for o in _newest((o for o in same if o["what"] == "tried"), ("num_envs",))
        ]
        lines.append(
            [
                *(r["engine"], r["task"]),
                f"{r['kb_each']:,.0f}",
                f"{r['constant_mb'] / 1e3:.2f}",
                f"{r['fits_by_line']:,} of {r['card_mb'] / 1e3:.0f} GB",
                ", ".join(tried),
            ]
        )
    head = ["engine", "task", "kB each", "constant GB", "fit by the line", "tried"]
    return table(head, lines)


def interruptions(rows: Sequence[Row]) -> str:
    lines = []
    for key in dict.fromkeys((r["num_gpus"], r["kill"]) for r in rows):
        of = [r for r in rows if (r["num_gpus"], r["kill"]) == key]
        lines.append(
            [
                *map(str, key),
                f"{sum(r['survived'] for r in of)} of {len(of)}",
                str(sum(not r["saved_steps"] for r in of)),
                str(sum(r["while_saving"] for r in of)),
                str(sum(r["restarts"] > 0 for r in of)),
                f"{max(r['outlived_s'] for r in of):.1f}",
            ]
        )
    head = ["processes", "kill", "survived", "before a checkpoint", "while saving"]
    return table([*head, "restarted by the launcher", "last process gone after s"], lines)


def _newest(rows: Iterable[Row], keys: Sequence[str]) -> list[Row]:
    """The last row of each combination of these fields, in the order of their first ones."""
    return list({tuple(row.get(key) for key in keys): row for row in rows}.values())


TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "scaling": scaling,
    "communication": communication,
    "memory": memory,
    "interruptions": interruptions,
}
