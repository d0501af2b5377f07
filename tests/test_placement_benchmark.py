"""The table of `benchmarks.placement`, by hand."""

from benchmarks.placement import table


def test_the_table_shows_the_median_of_rounds_and_its_share_of_the_first_setup():
    rows = [
        {"num_envs": num_envs, "setup": setup, "iteration_ms": {"median": ms}}
        for num_envs, setup, ms in [
            *((64, "alone", 40.0), (64, "stages", 31.0), (16, "alone", 10.0)),
            *((64, "alone", 42.0), (64, "stages", 30.0), (16, "alone", 12.0)),
            *((64, "alone", 50.0), (64, "stages", 21.0), (16, "alone", 11.0)),
        ]
    ]
    head, *lines = [line.split() for line in table(rows).splitlines()]
    assert head[:2] == ["environments", "setup"]
    assert lines == [
        ["16", "alone", "11.00", "(10.00", "to", "12.00)", "1.000"],
        ["64", "alone", "42.00", "(40.00", "to", "50.00)", "1.000"],
        ["64", "stages", "30.00", "(21.00", "to", "31.00)", "0.714"],
    ]
