"""The traceback of a submission's error, in its own lines only."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from contextlib import suppress

from plantkit.errors import PluginError

#: Most bytes of a traceback, as JSON: a report must stay within its bounds.
_MOST_BYTES = 12 * 1024


#: Whether the code of a file, by its name in tracebacks, is the submission's own.
IsOwn = Callable[[str], bool]


def own_traceback(error: BaseException, is_own: IsOwn, base: str) -> str:
    """Returns the traceback of `error` in the submission's own lines, or "".

    Of a long one the end is returned.

    Args:
        base: the directory that files are named relative to.
    """
    if isinstance(error, PluginError) and error.__cause__ is not None:
        error = error.__cause__
    with suppress(Exception):  # an error can be made to harm whoever looks at it
        found = traceback.TracebackException.from_exception(error)
        if _keep_own(found, is_own) or isinstance(error, SyntaxError):
            return _end("".join(found.format()).replace(f'"{base}{os.sep}', '"'))
    return ""


def _keep_own(found: traceback.TracebackException, is_own: IsOwn) -> bool:
    """Leaves only own frames, and only earlier errors that have any; returns if it does."""
    frames = [frame for frame in found.stack if is_own(frame.filename)]
    found.stack = traceback.StackSummary.from_list(frames)
    if found.__cause__ is not None and not _keep_own(found.__cause__, is_own):
        found.__cause__ = None
    if found.__context__ is not None and not _keep_own(found.__context__, is_own):
        found.__context__ = None
    return bool(frames)


def _end(text: str) -> str:
    while len(json.dumps(text)) > _MOST_BYTES:
        text = text[len(text) // 2 :]
    return text
