"""Tables for people from the rows on disk: `python -m benchmarks.table`.

Every row was written by the benchmark that measured it, but for those of `sim_to_sim` and `ablation`
without `episode_len`: they were taken over by hand from what evaluations printed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import record

RESULTS = Path(__file__).parent / "results"
Row = dict


def main() -> None:
    from benchmarks import scaling_tables  # which takes its parts from here

    for name, make in (TABLES | scaling_tables.TABLES).items():
        path = RESULTS / f"{name}.jsonl"
        if path.exists():
            rows = record.read(path)
            print(f"### {name}\n\n{make(rows)}\n\n{_origin(rows)}\n")


def _origin(rows: Sequence[Row]) -> str:
    last = rows[-1]
    versions = ", ".join(f"{name} {version}" for name, version in last["versions"].items())
    return f"{last['hardware']}, commit {last['commit']}; {versions}"


def throughput(rows: Sequence[Row]) -> str:
    """One line a number of environments, its newest rows."""
    names = ("physics", "+ bridge", "+ policy", "training", "ratio")
    newest = {(row["num_envs"], row["what"]): row for row in rows}
    lines = []
    for num_envs in sorted({row["num_envs"] for row in rows}):
        found = {name: newest.get((num_envs, name)) for name in names}
        values = [f"{r['median']:,.0f}" if (r := found[n]) else "" for n in names[:-1]]
        ratio, training = found["ratio"], found["training"]
        memory = training.get("perf/gpu_mem_mb", 0.0) * 1e3 / num_envs if training else 0.0
        values.append(f"{ratio['median']:.3f}" if ratio else "")
        lines.append([f"{num_envs:,}", *values, f"{memory:,.0f}" if memory else ""])
    head = ["environments", "physics", "+ bridge", "+ policy", "training", "ratio", "kB each"]
    return table(head, lines)


def update(rows: Sequence[Row]) -> str:
    lines = [
        [
            f"{r['samples']:,}",
            f"{r['num_epochs']} x {r['num_minibatches']}",
            milliseconds(r),
            f"{r['tflop_per_s']:.1f}",
        ]
        for r in rows
    ]
    return table(["samples", "epochs x minibatches", "ms (p10 to p90)", "TFLOP/s"], lines)


def physics(rows: Sequence[Row]) -> str:
    lines = [
        [
            r["what"],
            f"{r['sim_ms_per_step']:.2f}",
            f"{r['success']:.2%}",
            f"{r['out']:.2%}",
            f"{r['sunk_mm_p99']:.2f}",
            f"{r['energy_gain_p99']:.1%}",
            f"{r['unsolved_mm_p90']:.2f}" if "unsolved_mm_p90" in r else "",
        ]
        for r in rows
    ]
    head = ["variant", "ms a control step", "success", "out"]
    return table([*head, "sunk mm (p99)", "energy gain (p99)", "unsolved mm (p90)"], lines)


def learning(rows: Sequence[Row]) -> str:
    extra = {
        name: digits for name, digits in {"speed_m_s": 1, "upright": 3}.items() if name in rows[0]
    }
    lines = [
        [
            str(r["seed"]),
            f"{r['env_steps'] / 1e6:.1f} M",
            f"{r['train_s']:.0f}",
            f"{r['process_s']:.0f}" if r.get("process_s") else "",
            success(r),
            f"{_lost(r):.2%}",
            *(f"{r[name]:.{digits}f}" for name, digits in extra.items()),
        ]
        for r in rows
    ]
    lost = "out of area" if "out_of_area" in rows[0] else "fell"
    head = ["seed", "steps", "training s", "whole process s", "success", lost, *extra]
    return table(head, lines)


def _lost(row: Row) -> float:
    """Share of the episodes that a failure of its task ended."""
    return row["out_of_area"] if "out_of_area" in row else row["fell"]


def bridge(rows: Sequence[Row]) -> str:
    parts = list(dict.fromkeys(key for row in rows for key in row if key.endswith(" us")))
    lines = []
    for row in rows:
        flags = [name for name in ("still", "mps") if row.get(name)]
        words = [row["engine"], row.get("handover", ""), *flags]
        medians = [v["median"] if isinstance(v := row.get(p, ""), dict) else v for p in parts]
        figures = [v if v == "" else f"{v:.0f}" for v in medians]
        lines.append([" ".join(filter(None, words)), f"{row['num_envs']:,}", *figures])
    return table(["engine", "environments", *parts], lines)


def sim_to_sim(rows: Sequence[Row]) -> str:
    """A line a policy, a column a physics, newest rows; in brackets the share out of the area, or fallen."""
    cells = {(r["trained"], f"{r['evaluated']}, {r.get('physics', 'eval')}"): r for r in rows}
    policies, columns = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
    lines = []
    for policy in policies:
        found = [cells.get((policy, column)) for column in columns]
        shown = [f"{r['success_rate']:.2%} ({_lost(r):.2%})" if r else "" for r in found]
        lines.append([policy, *shown])
    return table(["trained on", *columns], lines)


def ablation(rows: Sequence[Row]) -> str:
    lines = [
        [
            r["what"],
            f"{r['env_steps'] / 1e6:.1f} M",
            success(r),
            f"{r['out_of_area']:.2%}",
        ]
        for r in rows
    ]
    return table(["variant", "steps", "success", "out of area"], lines)


def peers(rows: Sequence[Row]) -> str:
    """Ratios are to ours, of the same run."""
    timed = [r for r in rows if "ms_per_update" in r]
    ours = next(r for r in timed if r["what"] == "ours")["ms_per_update"]["median"]
    lines = []
    for r in timed:
        ms = r["ms_per_update"]
        lines.append([r["what"], r["version"], milliseconds(ms), f"{ms['median'] / ours:.1f}"])
    return table(["learner", "version", "ms an update (p10 to p90)", "times ours"], lines)


def rivals(rows: Sequence[Row]) -> str:
    """The newest row of each learner, settings and seed."""
    newest = {(r["what"], r["settings"], r["seed"]): r for r in rows}
    lines = [
        [
            f"{r['what']} {r['version']}",
            r["settings"],
            f"{r['num_envs']:,}",
            f"{r['env_steps'] / 1e6:.1f} M",
            f"{r['steps_per_s']:,.0f}",
            *(f"{r[key]:.0f}" if r[key] else "never" for key in ("to_90_s", "to_98_s")),
            success(r),
            f"{r['out_of_area']:.2%}",
        ]
        for r in newest.values()
    ]
    head = [
        "learner",
        "settings",
        "environments",
        "steps",
        "steps/s",
        "90 % after s",
        "98 % after s",
    ]
    return table([*head, "judged success", "out of area"], lines)


def success(row: Row) -> str:
    """Success rate with its 95 % interval."""
    return f"{row['success_rate']:.2%} ({row['success_low']:.2%} to {row['success_high']:.2%})"


def milliseconds(spread: Row) -> str:
    """Median with the tenth and ninetieth percentile."""
    return f"{spread['median']:.1f} ({spread['p10']:.1f} to {spread['p90']:.1f})"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def overlaps(rows: Sequence[Row]) -> str:
    pairs = "rod-bolt", "bolt-bolt", "bolt-table"
    lines = [
        [
            r["what"],
            f"{r['policy']}, {r['episodes']}",
            f"{r['success']:.1%}",
            f"{r['out']:.1%}",
            *(
                " / ".join(f"{r[f'{pair}_mm'][k]:.2f}" for k in ("p50", "p99", "max"))
                for pair in pairs
            ),
            f"{r['sim_ms_per_step']:.0f}",
        ]
        for r in rows
    ]
    head = ["physics", "policy, episodes", "success", "out", *(f"{p}, mm" for p in pairs)]
    return table([*head, "ms a control step"], lines)


def robustness(rows: Sequence[Row]) -> str:
    """A line a variant, a column a policy and the engine that judged it, newest rows; failures by what
    ended them in brackets."""
    cells = {
        (f"{r['task']}, {r['variant']}", f"{r['run']} on {r['engine']}, {r['episodes']:,}"): r
        for r in rows
    }
    variants, columns = (list(dict.fromkeys(key[i] for key in cells)) for i in (0, 1))
    lines = []
    for variant in variants:
        found = [cells.get((variant, column)) for column in columns]
        lines.append([variant, *(f"{success(r)}; {_failures(r)}" if r else "" for r in found)])
    return table(["variant", *columns], lines)


def _failures(row: Row) -> str:
    return ", ".join(f"{share:.2%} {name}" for name, share in row["failures"].items())


TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "throughput": throughput,
    "throughput_h100": throughput,
    "throughput_cpu": throughput,
    "bridge": bridge,
    "update": update,
    "peers": peers,
    "rivals": rivals,
    "physics": physics,
    "overlaps": overlaps,
    "learning": learning,
    "learning35": learning,
    "learning_long": learning,
    "learning_physx": learning,
    "grpo": learning,
    "humanoid4096": learning,
    "humanoid16384": learning,
    "goal": learning,
    "goal_cpu": learning,
    "standin": learning,
    "beneath": learning,
    "sim_to_sim": sim_to_sim,
    "sim_to_sim_humanoid": sim_to_sim,
    "robustness": robustness,
    "ablation": ablation,
}

if __name__ == "__main__":
    main()
