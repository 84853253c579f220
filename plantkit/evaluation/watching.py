"""Submissions that are edited while a command goes on: every version of them that is saved.

They are read again and again, which takes less than a millisecond for a file. So no package is
needed that every system wants another way, and only what a submission holds counts: neither the
time of a file, nor how an editor replaces it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from plantkit.errors import PluginError, UsageError
from plantkit.evaluation.requests import Request
from plantkit.pruners.sources import PrunerSource, parse_pruner, split_options
from plantkit.submissions.reading import STANDARD_INPUT

#: Seconds between two looks: usually, and while a change may not be complete.
_LOOK_SECONDS, _SETTLE_SECONDS = 0.2, 0.1
#: A look at a large submission is followed by a pause this many times as long.
_REST = 20


def watched_sources(request: Request) -> list[PrunerSource]:
    """Returns where the pruners of a request are found.

    Raises:
        UsageError: none of them can change, or one does not exist.
    """
    if any(split_options(text)[0] == STANDARD_INPUT for text in request.pruners):
        raise UsageError("--watch needs files; standard input is read once")
    sources = [parse_pruner(text) for text in request.pruners]
    if all(source.path is None for source in sources):
        raise UsageError("--watch needs a submission: installed pruners do not change")
    return sources


def versions(sources: Sequence[PrunerSource]) -> Iterator[list[PrunerSource]]:
    """Yields the sources as they are read now, and again whenever what they hold has changed.

    A change is taken when two looks find the same, so that a file which is being written is left
    alone. A source that cannot be read is yielded unread, once; reading it again says why.
    """
    shown: list[str] | None = None
    before: list[str] = []
    while True:
        begun = time.monotonic()
        found = [_read(source) for source in sources]
        rest = _REST * (time.monotonic() - begun)
        state = [content for _, content in found]
        if shown is None or state == before != shown:
            yield [source for source, _ in found]
            shown = state
        before = state
        time.sleep(max(_LOOK_SECONDS if state == shown else _SETTLE_SECONDS, rest))


def _read(source: PrunerSource) -> tuple[PrunerSource, str]:
    """Returns a source and what tells its content from others."""
    try:
        read = source.read()
    except PluginError as error:
        return source, str(error)
    return read, "" if read.submission is None else read.submission.digest
