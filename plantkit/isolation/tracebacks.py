"""The traceback of a submission's error, in its own lines only."""

from __future__ import annotations

import json
import traceback
from contextlib import suppress
from pathlib import Path

from plantkit.errors import PluginError

#: Most bytes of a traceback, as JSON: a report must stay within its bounds.
_MOST_BYTES = 12 * 1024


def is_own(filename: str, path: str | None) -> bool:
    """Returns whether code from `filename` belongs to the submission `path`."""
    return path is not None and (filename == path or Path(path) in Path(filename).parents)


def own_traceback(error: BaseException, path: str) -> str:
    """Returns the traceback of `error` in the lines of the submission `path`, or "".

    The file is called by its name. Of a long traceback the end is returned.
    """
    if isinstance(error, PluginError) and error.__cause__ is not None:
        error = error.__cause__
    with suppress(Exception):  # an error can be made to harm whoever looks at it
        found = traceback.TracebackException.from_exception(error)
        if _keep_own(found, path) or isinstance(error, SyntaxError):
            return _end("".join(found.format()).replace(path, Path(path).name))
    return ""


def _keep_own(found: traceback.TracebackException, path: str) -> bool:
    """Leaves only frames of `path`, and only earlier errors that have any; returns if it does."""
    frames = [frame for frame in found.stack if is_own(frame.filename, path)]
    found.stack = traceback.StackSummary.from_list(frames)
    if found.__cause__ is not None and not _keep_own(found.__cause__, path):
        found.__cause__ = None
    if found.__context__ is not None and not _keep_own(found.__context__, path):
        found.__context__ = None
    return bool(frames)


def _end(text: str) -> str:
    while len(json.dumps(text)) > _MOST_BYTES:
        text = text[len(text) // 2 :]
    return text
