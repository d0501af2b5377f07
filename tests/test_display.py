"""What training shows: in terminals of every kind, without one, and when nobody reads."""

import io
import sys

import pytest

from screwpush_jax.display import Display, duration, percent

NAN = float("nan")


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self):
        return True


class Gone(Terminal):
    """One that fails at each write after the first `good`."""

    def __init__(self, error, good=0):
        super().__init__()
        self.error, self.good = error, good

    def write(self, text):
        self.good -= 1
        if self.good < 0:
            raise self.error
        return super().write(text)


@pytest.fixture
def out(monkeypatch):
    """Makes the standard output a terminal with the environment given."""

    def make(terminal=None, **env):
        for name in ("TERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in ({"TERM": "xterm", "COLUMNS": "100"} | env).items():
            monkeypatch.setenv(name, value)
        terminal = Terminal() if terminal is None else terminal
        monkeypatch.setattr(sys, "stdout", terminal)
        return terminal

    return make


METRICS = {"perf/env_steps_per_s": 4955.4, "perf/sim_fraction": 0.85, "env/return": 1.5}


def showing(display, *shown):
    """Starts, shows `(iteration, elapsed_s, success)` each, stops."""
    display.start()
    try:
        for iteration, elapsed_s, success in shown:
            display.show(iteration, elapsed_s, success, METRICS)
    finally:
        display.stop()


def test_a_terminal_shows_a_bar(out):
    terminal = out()
    showing(Display(100, 0.0, 0, 0.0, live=True), (10, 20.0, 0.1), (50, 100.0, 0.9))
    frame = terminal.getvalue().split("10 %")[-1]
    for word in ("50 %", "success 90.0%", "4,955 steps/s", "1 min 40 s"):
        assert word in frame, terminal.getvalue()
    assert "iteration" not in terminal.getvalue()


@pytest.mark.parametrize(
    "env", [{"TERM": "dumb"}, {"TERM": "unknown"}, {"COLUMNS": "0"}, {"COLUMNS": "1"}]
)
def test_a_terminal_that_cannot_show_a_bar_shows_lines(env, out):
    terminal = out(**env)
    showing(Display(100, 0.0, 0, 0.0, live=True), (1, 2.0, 0.25))
    assert terminal.getvalue().splitlines() == [
        "iteration 1/100  success 25.0%  return 1.50  4,955 steps/s  physics 85%"
        "  about 3 min 18 s left"
    ]


def line(out, display, *shown):
    """The last of the lines of a display without a bar."""
    terminal = out()
    showing(display, *shown)
    return terminal.getvalue().splitlines()[-1]


@pytest.mark.parametrize("shown", [(1, 2.0, None), (1, 2.0, NAN)])
def test_where_no_episode_ended_there_is_no_success(shown, out):
    assert "success - " in line(out, Display(9, 0.0, 0, 0.0, live=False), shown)


@pytest.mark.parametrize(
    ("total", "minutes", "at", "elapsed_s", "left"),
    [
        (1000, 1.0, 10, 30.0, "30 s"),  # the time ends first
        (20, 60.0, 10, 30.0, "30 s"),  # the iterations end first
        (10**12, 0.0, 10, 30.0, "over 1000 d"),
        (10**12, 2.0, 10, 30.0, "1 min 30 s"),
        (10, 0.0, 10, 30.0, "0 s"),
        (1000, 1.0, 10, 75.0, "0 s"),
        (1000, 1.0, 0, 15.0, "45 s"),  # nothing done yet, the time is known
        (1000, 0.0, 0, 15.0, "unknown time"),
    ],
)
def test_time_left_is_that_of_the_budget_that_ends_first(total, minutes, at, elapsed_s, left, out):
    said = line(out, Display(total, minutes, 0, 0.0, live=False), (at, elapsed_s, 0.5))
    assert said.endswith(f"about {left} left")


def test_time_left_reaches_to_the_end_of_the_evaluation(out):
    display = Display(1000, 1.0, 0, 0.0, live=False, after_s=90.0)
    assert line(out, display, (10, 30.0, 0.5)).endswith("about 2 min 0 s left")


@pytest.mark.parametrize("live", [True, False])
def test_where_success_may_end_training_the_time_is_the_longest(live, out):
    terminal, display = out(COLUMNS="140"), Display(1000, 10.0, 0, 0.0, live, 0.0, 0.95)
    display.start()
    display.show(10, 30.0, 0.97, METRICS, 0.912)
    display.stop()
    said = terminal.getvalue()
    assert "success 97.0% (surely 91.2% of 95%)" in said
    assert ("9 min 30 s left" if live else "at most 9 min 30 s left") in said


@pytest.mark.parametrize(("at", "elapsed_s", "share"), [(10, 30.0, 50), (600, 6.0, 60)])
def test_progress_is_that_of_the_budget_that_ends_first(at, elapsed_s, share, out):
    terminal = out()
    showing(Display(1000, 1.0, 0, 0.0, live=True), (at, elapsed_s, 0.5))
    assert f" {share} %" in terminal.getvalue()


def test_a_run_that_goes_on_counts_from_where_it_stood(out):
    said = line(out, Display(100, 0.0, 40, 4000.0, live=False), (41, 4010.0, 0.5))
    assert said.startswith("iteration 41/100")
    assert said.endswith("about 9 min 50 s left")


@pytest.mark.slow
def test_the_speed_is_that_of_the_latest_iterations(out):
    shown = [(n, 300.0 + n, 0.5) for n in range(1, 101)]  # five minutes of compiling
    said = line(out, Display(100, 0.0, 0, 0.0, live=False), *shown[:1])
    assert said.endswith("about 8 h 16 min left")
    terminal = out()
    showing(Display(200, 0.0, 0, 0.0, live=True), *shown)
    assert "1 min 40 s left" in terminal.getvalue()


@pytest.mark.parametrize("live", [True, False])
def test_a_closed_pipe_is_the_callers_to_hear_of(live, out):
    out(Gone(BrokenPipeError(32, "Broken pipe")))
    display = Display(100, 0.0, 0, 0.0, live=live)
    display.start()
    with pytest.raises(BrokenPipeError):
        display.show(1, 2.0, 0.5, METRICS)
    display.stop()


@pytest.mark.parametrize("good", range(1, 8))
def test_a_pipe_may_close_at_any_word_of_a_bar(good, out):
    terminal = out(Gone(BrokenPipeError(32, "Broken pipe"), good))
    display = Display(100, 0.0, 0, 0.0, live=True)
    display.start()

    def show_all():
        for n in range(1, 101):
            display.show(n, 2.0 * n, 0.5, METRICS)

    with pytest.raises(BrokenPipeError):
        show_all()
    display.stop()
    assert sys.stdout is terminal


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("closed file")])
@pytest.mark.parametrize("live", [True, False])
def test_whatever_else_fails_is_one_line_and_training_goes_on(live, error, out, capsys):
    out(Gone(error))
    showing(Display(4, 0.0, 0, 0.0, live=live), *[(n, 2.0 * n, 0.5) for n in range(1, 5)])
    said = capsys.readouterr().err.splitlines()
    words = ["live display"] * live + ["progress cannot be printed"]
    assert len(said) == len(words)
    assert all(word in text for word, text in zip(words, said, strict=True))


def test_a_bar_that_fails_leaves_plain_lines(out, capsys, monkeypatch):
    from screwpush_jax import live_bar

    terminal = out()

    def show(*_, **__):
        raise RuntimeError("no such colour")

    monkeypatch.setattr(live_bar.LiveBar, "show", show)
    showing(Display(4, 0.0, 0, 0.0, live=True), (1, 2.0, 0.5), (4, 8.0, 0.5))
    assert "iteration 1/4" in terminal.getvalue()
    assert "iteration 4/4" in terminal.getvalue()
    assert sys.stdout is terminal
    (said,) = capsys.readouterr().err.splitlines()
    assert "no such colour" in said


def test_nothing_is_shown_without_an_output(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    for live in (True, False):
        showing(Display(4, 0.0, 0, 0.0, live=live), (1, 2.0, 0.5))


def test_a_bar_gives_the_output_back(out):
    terminal = out()
    display = Display(4, 0.0, 0, 0.0, live=True)
    display.start()
    print("a word between")
    display.show(1, 2.0, 0.5, METRICS)
    display.stop()
    assert sys.stdout is terminal
    assert "a word between" in terminal.getvalue()


def test_time_spans():
    table = {
        0.0: "0 s",
        59.4: "59 s",
        59.6: "1 min 0 s",
        3599.6: "1 h 0 min",
        3600 * 23 + 59 * 60: "23 h 59 min",
        86400 * 2 + 3600 * 7: "2 d 7 h",
        13746545967: "over 1000 d",
        float("inf"): "unknown time",
        NAN: "unknown time",
    }
    assert {seconds: duration(seconds) for seconds in table} == table


def test_shares():
    assert [percent(x, 1) for x in (0.0, 0.12345, 1.0, None, NAN)] == [
        "0.0%", "12.3%", "100.0%", "-", "-"
    ]  # fmt: skip
