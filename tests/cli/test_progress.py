"""What a long command shows of its progress, on a terminal and elsewhere."""

from __future__ import annotations

import io
import re

import pytest

from plantkit.cli.output import warn
from plantkit.cli.progress import LINE_SECONDS, ProgressBar, Verbosity
from plantkit.evaluation.requests import WHOLE


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Returns a terminal that is standard error; only within a test, pytest has its own before."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    return stream


def drawn(terminal: Terminal) -> list[str]:
    """Returns all lines that were ever drawn, without the codes between."""
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", terminal.getvalue()).replace("\r", "\n").split("\n")


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressBar(clock=clock) as progress:
        progress.show("pruning", 1, 9)  # at once: a short command stays silent
        clock.now += LINE_SECONDS - 0.1
        progress.show("pruning", 2, 9)
        clock.now += 0.1
        progress.show("pruning", 3, 9)
        progress.show(WHOLE, 7, 20)
        progress.show("training", 0, 4)
        clock.now += LINE_SECONDS
        progress.show(WHOLE, 8, 20)
        progress.show("training\x1b[2J\n", 4, 4)
    captured = capsys.readouterr()
    assert captured.err == "pruning: 3 of 9\ntraining\\x1b[2J\\n: 4 of 4 (8 of 20 in all)\n"
    assert captured.out == ""


def test_quiet_is_silent_and_verbose_shows_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    for verbosity in (Verbosity.QUIET, Verbosity.VERBOSE):
        with ProgressBar(verbosity, clock=lambda: 0.0) as progress:
            progress.show("pruning", 1, 2)
            progress.show("pruning", 2, 2)
    assert terminal.getvalue() == "pruning: 1 of 2\npruning: 2 of 2\n"


def test_a_terminal_gets_two_bars_the_whole_above(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with ProgressBar() as progress:
        progress.show("planting", 1, 3)
        progress.show(WHOLE, 0, 12)
        progress.show("circle: pruning, [red]evil\x1b[2J", 4, 4)
        progress.show(WHOLE, 12, 12)
        progress.show("circle: training", 2, 2)
    lines = drawn(terminal)
    assert any(line.rstrip().endswith("circle: pruning, [red]evil\\x1b[2J") for line in lines)
    places = [[i for i, line in enumerate(lines) if word in line] for word in ("12/12", "2/2 ")]
    assert places[0][-1] < places[1][-1]
    assert max(map(len, lines)) <= 80
    assert "\x1b[2J" not in terminal.getvalue()
    # Nothing of the bars stays: results come where they were.
    assert terminal.getvalue().endswith("\x1b[2K")


def test_a_warning_is_printed_above_the_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with ProgressBar() as progress:
        progress.show("pruning", 0, 4)
        warn("something is odd")
    assert "warning: something is odd" in drawn(terminal)


def test_without_colour_the_bars_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    with ProgressBar() as progress:
        progress.show("pruning", 1, 4)
    assert not re.search(r"\x1b\[[\d;]*3\d", terminal.getvalue())
    assert any("1/4" in line for line in drawn(terminal))


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    clock = Clock()
    with ProgressBar(clock=clock) as progress:
        clock.now += LINE_SECONDS
        progress.show("pruning", 1, 4)
    assert terminal.getvalue() == "pruning: 1 of 4\n"


def test_without_standard_error_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with ProgressBar(clock=lambda: 0.0) as progress:
        progress.show("pruning", 1, 2)
