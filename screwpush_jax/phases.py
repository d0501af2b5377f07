"""What a simulator's clock measured, as the phases of an iteration: physics, transitions, update."""

from collections.abc import Sequence

Metrics = dict[str, float]


def phases(report: Metrics) -> Metrics:
    """A simulator's report, its clock's figures replaced by what they mean to a learner.

    A pause between two control steps is one transition, so `perf/transition_ms` is the sum of the
    pauses, scaled up to one for each step: the first of an iteration comes in one pause with the
    update, which together with the host takes the rest, `perf/update_ms`. `perf/iteration_ms` is all
    of it, `perf/sim_ms` as measured. Other figures pass as they are.
    """
    others = dict(report)
    steps, whole_ms, pause_ms = (
        others.pop(f"perf/{name}") for name in ("steps", "elapsed_ms", "pause_ms")
    )
    rest_ms = whole_ms - report["perf/sim_ms"]
    scaled_ms = pause_ms * steps / (steps - 1) if steps > 1 else 0.0
    transition_ms = min(scaled_ms, rest_ms)  # scaled up, it may be more than there was
    return others | {
        "perf/iteration_ms": whole_ms,
        "perf/transition_ms": transition_ms,
        "perf/update_ms": max(rest_ms - transition_ms, 0.0),
    }


def of_stages(reports: Sequence[Metrics]) -> Metrics:
    """The reports of simulators that were stepped in turn, as one simulator's.

    `perf/sim_ms` is all their physics, though at most the time that there was. A pause is what is left of a
    simulator's time when the physics of all is taken off: transitions beside which no physics ran.
    Overflows add up; of any other figure the largest is taken.
    """
    merged: Metrics = {}
    for report in reports:
        for name, value in report.items():
            merged[name] = max(merged.get(name, value), value)
    sim_ms = sum(report["perf/sim_ms"] for report in reports)
    spans_ms = [report["perf/sim_ms"] + report["perf/pause_ms"] for report in reports]
    merged["perf/sim_ms"] = min(sim_ms, merged["perf/elapsed_ms"])
    merged["perf/pause_ms"] = max(max(spans_ms) - sim_ms, 0.0)
    if "perf/overflow" in merged:
        merged["perf/overflow"] = sum(report["perf/overflow"] for report in reports)
    return merged
