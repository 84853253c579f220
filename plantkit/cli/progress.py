"""How far a long command has come, on standard error."""

from __future__ import annotations

import enum
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from plantkit.cli.output import say
from plantkit.evaluation.requests import WHOLE

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Seconds between two lines where standard error is not a terminal, such as a log of CI.
LINE_SECONDS = 10.0
#: Least seconds until bars are drawn anew.
_DRAWN_SECONDS = 0.1
#: Columns of a bar, and most of the words after it.
_BAR, _WORDS = 16, 40


class Verbosity(enum.Enum):
    """How much of the progress is shown: nothing, bars or a line now and then, every step."""

    QUIET = "quiet"
    NORMAL = "normal"
    VERBOSE = "verbose"


class ProgressBar:
    """Shows bars on a terminal, and a line every `LINE_SECONDS` in a log; a context manager.

    There is one bar for the phase under way and, where a command says how much there is in all,
    one above it with the time that is left. Whoever asks for every step gets lines everywhere.

    Args:
        clock: gives seconds.
    """

    def __init__(
        self,
        verbosity: Verbosity = Verbosity.NORMAL,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verbosity = verbosity
        self._clock = clock
        self._last = clock()
        self._whole = ""
        self._bars: Progress | None = None
        self._tasks: dict[bool, TaskID] = {}  # by whether it is the one for all

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def tell(self, text: str) -> None:
        """Prints a line, above the bars, unless it was asked for quiet."""
        if self._verbosity is not Verbosity.QUIET:
            say(_printable(text))

    def show(self, label: str, done: int, total: int) -> None:
        """Shows that `done` of `total` steps of the phase `label` are done.

        A label `WHOLE` is for the command as a whole, whose phases come between.
        """
        stream = sys.stderr
        if stream is None or self._verbosity is Verbosity.QUIET:
            return
        if self._verbosity is Verbosity.NORMAL and _has_bars(stream):
            self._show_bar(label, done, total)
        elif label == WHOLE:
            self._whole = f" ({done} of {total} in all)"
        elif self._verbosity is Verbosity.VERBOSE or self._clock() - self._last >= LINE_SECONDS:
            self._last = self._clock()
            with suppress(OSError):  # a full disk must not stop the work
                say(f"{_printable(label)}: {done} of {total}{self._whole}")

    def _show_bar(self, label: str, done: int, total: int) -> None:
        is_whole = label == WHOLE
        words = "" if is_whole else _printable(label)[:_WORDS]
        if self._bars is None:
            self._bars = _bars()
            self._bars.start()
        if is_whole and self._tasks.keys() == {False}:  # the one for all comes first
            self._bars.remove_task(self._tasks.pop(False))
        if is_whole in self._tasks:
            task = self._tasks[is_whole]
            self._bars.update(task, completed=done, total=total, description=words)
        else:
            self._tasks[is_whole] = self._bars.add_task(words, completed=done, total=total)
        if done in {0, total} or self._clock() - self._last >= _DRAWN_SECONDS:
            self._last = self._clock()
            self._bars.refresh()


def _bars() -> Progress:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.BarColumn(_BAR),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        auto_refresh=False,  # by a thread, and this process may fork
        transient=True,
        redirect_stdout=False,
    )


def _has_bars(stream: Any) -> bool:
    """Returns whether a stream is a terminal that can go back to an earlier line."""
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def _printable(text: str) -> str:
    from plantkit.reports.grids import printable

    return printable(text)
