"""What a long command shows of its progress where standard error is not a terminal."""

from __future__ import annotations

import io

import pytest

from plantkit.cli.progress import LINE_SECONDS, ProgressBar


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with ProgressBar(clock) as progress:
        progress.show("pruning", 1, 9)  # at once: a short command stays silent
        clock.now += LINE_SECONDS - 0.1
        progress.show("pruning", 2, 9)
        clock.now += 0.1
        progress.show("pruning", 3, 9)
        progress.show("training", 0, 4)
        clock.now += LINE_SECONDS
        progress.show("training", 4, 4)
    captured = capsys.readouterr()
    assert captured.err == "pruning: 3 of 9\ntraining: 4 of 4\n"
    assert captured.out == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", terminal)
    with ProgressBar() as progress:
        progress.show("pruning", 0, 4)
        progress.show("pruning", 4, 4)
        progress.show("training", 1, 2)
    assert "pruning" in terminal.getvalue()
    assert "training" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_without_standard_error_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with ProgressBar(lambda: 0.0) as progress:
        progress.show("pruning", 1, 2)
