"""The model of many GPUs: rows that were made of known constants give them back."""

import json

import pytest

from benchmarks import scaling_fit, scaling_model
from benchmarks.scaling_fit import NET_BYTES_PER_US, NET_HOP_US, NVLINK_HOP_US

FIXED_MS, EACH_MS, JITTER, START_US, HOP_US, BYTES_PER_US = 40.0, 0.015, 0.02, 9.0, 1.5, 90e3
EPOCHS, GRADIENT, OTHERS = 4, 400_000, (4, 700, 40_000)
SLOWEST = {1: 0.0, 2: 0.5641896, 4: 1.0293754, 8: 1.4236004, 64: 2.3434}
"""Expected maxima of normal samples, as tables of order statistics have them."""


def allreduce_us(gpus, size, hop_us=HOP_US):
    """Within one host, as the rows were made."""
    return START_US + hop_us * 2 * (gpus - 1) + size * 2 * (gpus - 1) / gpus / BYTES_PER_US


def iteration_ms(gpus, num_envs, hop_us=HOP_US):
    steps, exchanged = EPOCHS * num_envs // 1024, 0.0
    if gpus > 1:
        exchanged = steps * allreduce_us(gpus, GRADIENT, hop_us)
        exchanged += sum(allreduce_us(gpus, size, hop_us) for size in OTHERS)
    return (FIXED_MS + EACH_MS * num_envs) * (1 + JITTER * SLOWEST[gpus]) + 1e-3 * exchanged


def rows(hop_us=HOP_US):
    """What the two benchmarks would have written."""
    scaling = [
        {
            **{"part": "weak", "gpus": gpus, "num_envs": n, "num_epochs": EPOCHS},
            **{"num_minibatches": n // 1024},
            "iteration_ms": {"median": iteration_ms(gpus, n, hop_us)},
        }
        for gpus in (1, 2, 4)
        for n in (4096, 16384)
    ]
    kinds = [["all-reduce", GRADIENT, 16], *(["all-reduce", size, 1] for size in OTHERS)]
    update = {"what": "update", "gpus": 2, "num_epochs": EPOCHS, "num_minibatches": 4}
    communication = [update | {"collectives": kinds}] + [
        {"what": "allreduce", "gpus": gpus, "bytes": b, "us": allreduce_us(gpus, b, hop_us)}
        for gpus in (2, 4)
        for b in (4, 2**12, 2**19, 2**25)
    ]
    return scaling, communication


def test_the_constants_come_back():
    model = scaling_fit.fit(*rows(), 4)
    assert model.fixed_ms == pytest.approx(FIXED_MS)
    assert model.each_ms == pytest.approx(EACH_MS)
    assert model.jitter == pytest.approx(JITTER, rel=1e-3)
    assert (model.start_us, model.hop_us) == pytest.approx((START_US, HOP_US))
    assert model.bytes_per_us == pytest.approx(BYTES_PER_US)
    assert model.exchange == ((GRADIENT,), OTHERS)


def test_four_gpus_are_predicted_from_one_and_two():
    model = scaling_fit.fit(*rows(hop_us=NVLINK_HOP_US), 2)
    for num_envs in (4096, 16384):
        predicted = model.iteration_ms(4, num_envs, EPOCHS * num_envs // 1024)
        assert predicted == pytest.approx(iteration_ms(4, num_envs, NVLINK_HOP_US), rel=1e-4)


def test_a_wrong_hop_is_seen_at_four_gpus_and_not_before():
    scaling, communication = rows(hop_us=40.0)
    text = scaling_model.checks(scaling_fit.fit(scaling, communication, 2), scaling, 2)
    cells = [line.split(" | ") for line in text.splitlines()[2:]]
    errors = {(c[0].strip("| "), c[2]): float(c[5].strip("% |")) for c in cells}
    assert abs(errors["2", "fitted"]) < 0.5
    assert errors["4", "predicted"] < -1.0


def test_beyond_a_host_hops_and_the_bandwidth_are_the_network_s():
    model = scaling_fit.fit(*rows(), 4)
    on_host, on_eight = model.allreduce_us(8, 0), model.allreduce_us(64, 0)
    assert on_host == pytest.approx(START_US + 14 * HOP_US)
    assert on_eight - on_host == pytest.approx(2 * 3 * NET_HOP_US)
    large = model.allreduce_us(64, 1e9) - on_eight
    assert large == pytest.approx(1e9 * 2 * 63 / 64 / NET_BYTES_PER_US)
    assert model.allreduce_us(1, 1e9) == 0.0


@pytest.mark.parametrize(("count", "expected"), SLOWEST.items())
def test_the_slowest_of_many(count, expected):
    assert scaling_fit.slowest(count) == pytest.approx(expected, abs=1e-3)


def test_rows_faster_than_the_model_give_no_negative_constant():
    scaling, communication = rows()
    for row in scaling:
        if row["gpus"] > 1:
            row["iteration_ms"]["median"] = iteration_ms(1, row["num_envs"])
    assert scaling_fit.fit(scaling, communication, 4).jitter == 0.0


@pytest.mark.parametrize(("drop", "hint"), [(0, "part|one GPU"), (1, "communication")])
def test_missing_rows_are_named(drop, hint):
    found = list(rows())
    found[drop] = []
    with pytest.raises(ValueError, match=hint):
        scaling_fit.fit(*found, 4)


def test_the_command_prints_both_tables_and_draws(tmp_path, capsys):
    for name, lines in zip(("scaling", "communication"), rows(), strict=True):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    scaling_model.main(
        scaling_model.Args(
            scaling=tmp_path / "scaling.jsonl",
            communication=tmp_path / "communication.jsonl",
            picture=tmp_path / "scaling.png",
        )
    )
    said = capsys.readouterr().out
    assert said.count("predicted") == 2
    last = said.splitlines()[-1].split(" | ")
    assert last[0].strip("| ") == "64"
    assert 0.5 < float(last[4]) < 0.97
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
