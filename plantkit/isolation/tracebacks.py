"""The traceback of a submission's error, in its own lines only."""

from __future__ import annotations

import json
import os
import traceback
from contextlib import suppress

from plantkit.errors import PluginError
from plantkit.submissions.submission import Staged

#: Most bytes of a traceback, as JSON: a report must stay within its bounds.
_MOST_BYTES = 12 * 1024


def own_traceback(error: BaseException, staged: Staged | None) -> str:
    """Returns the traceback of `error` in the submission's own lines, or "".

    Of a long one the end is returned.
    """
    if staged is None:
        return ""
    if isinstance(error, PluginError) and error.__cause__ is not None:
        error = error.__cause__
    with suppress(Exception):  # an error can be made to harm whoever looks at it
        found = traceback.TracebackException.from_exception(error)
        if _keep_own(found, staged) or isinstance(error, SyntaxError):
            text = "".join(found.format())
            return _end(text.replace(f'"{staged.base}{os.sep}', '"') if staged.base else text)
    return ""


def _keep_own(found: traceback.TracebackException, staged: Staged) -> bool:
    """Leaves only own frames, and only earlier errors that have any; returns if it does."""
    frames = [frame for frame in found.stack if staged.is_own(frame.filename)]
    found.stack = traceback.StackSummary.from_list(frames)
    if found.__cause__ is not None and not _keep_own(found.__cause__, staged):
        found.__cause__ = None
    if found.__context__ is not None and not _keep_own(found.__context__, staged):
        found.__context__ = None
    return bool(frames)


def _end(text: str) -> str:
    while len(json.dumps(text)) > _MOST_BYTES:
        text = text[len(text) // 2 :]
    return text
