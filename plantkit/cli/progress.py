"""How far a long command has come, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

#: Seconds between two lines where standard error is not a terminal, such as a log of CI.
LINE_SECONDS = 10.0


class ProgressBar:
    """Shows a bar per phase on a terminal, and a line every `LINE_SECONDS` in a log.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._label = ""
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close()

    def show(self, label: str, done: int, total: int) -> None:
        """Shows that `done` of `total` steps of the phase `label` are done."""
        stream = sys.stderr
        if stream is None:
            return
        if not stream.isatty():
            if self._clock() - self._last >= LINE_SECONDS:
                self._last = self._clock()
                with suppress(OSError):  # a full disk must not stop the work
                    click.echo(f"{label}: {done} of {total}", err=True)
            return
        if label != self._label:
            self._close()
            self._label = label
            self._bar = click.progressbar(length=total, label=label, file=stream, width=30)
            self._bar.render_progress()
        self._bar.update(done - self._bar.pos)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None
