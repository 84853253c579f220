"""Errors of the system that plantkit runs on, in words: they are not bugs of plantkit.

A full disk, a place that may not be written, limits on files, processes and memory.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from plantkit.errors import UsageError, lacks_memory

_SPACE = "free some space there, or give another place"
_RIGHTS = "check who may read and write there, or give another place"
_SCRATCH = "set the variable TMPDIR to a directory with more space"
_PROCESSES = "end other programs, raise the limit on processes (ulimit -u), or use fewer --jobs"
_MEMORY = "end other programs, raise the limit on memory (ulimit -v), or use fewer --jobs"

#: What to do about an error of this number.
_REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "raise the limit on a file's size (ulimit -f), or give another place",
    errno.EIO: "check the disk, or give another place",
    errno.EROFS: "give a place that can be written",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOENT: "check that it exists",
    errno.EEXIST: "move it away: a directory is needed there",
    errno.ENOTDIR: "check the path: a part of it is a file, not a directory",
    errno.EISDIR: "give the path of a file",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or use fewer --jobs",
    errno.ENFILE: "close other programs, or raise the system's limit on open files",
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: _MEMORY,
}
#: Errors of a stream that a program writes to.
_OF_STREAMS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
#: Errors that are the system's even where they name no file.
_NAMELESS = {*_OF_STREAMS, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}


def explain(error: Exception) -> str | None:
    """Returns what the system refused and what to do, or None where `error` may be a bug."""
    if lacks_memory(error):
        return f"there is not enough memory; {_MEMORY}"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return f"the system starts no more threads; {_PROCESSES}"
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if error.filename is not None:
        name = os.fsdecode(error.filename) if not isinstance(error.filename, int) else ""
        what = f"{name}: {error.strerror}"
    elif error.errno in _OF_STREAMS:  # whatever writes to a file names it
        what = f"standard output: {error.strerror}"
    elif error.errno in _NAMELESS:
        what = f"the system refused what plantkit needs: {error.strerror}"
    else:
        return None
    remedy = _REMEDIES.get(error.errno, "check that it exists and may be read or written")
    if remedy is _SPACE and _is_scratch(error.filename):
        remedy = _SCRATCH
    return f"{what}; {remedy}"


def drop_output(stream: Literal["stdout", "stderr"] = "stdout") -> None:
    """Has a stream take everything and keep nothing once nobody can read it: Python would complain
    of it again at its end."""
    setattr(sys, stream, Path(os.devnull).open("w", encoding="utf-8", newline="\n"))  # noqa: SIM115


def check_directory_exists() -> None:
    """Checks that this process has a working directory: libraries die without one.

    Raises:
        UsageError: somebody removed it.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            "the working directory does not exist any more; change to another: cd ~"
        ) from error


def open_streams() -> None:
    """Opens standard input, output and error where the caller closed them.

    Otherwise the next files would take their places, and what is printed would end up there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)  # takes the lowest
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _is_scratch(name: object) -> bool:
    """Returns whether `name` lies in a scratch directory, whose place nobody chose."""
    root = Path(tempfile.gettempdir())
    if not isinstance(name, str) or not Path(name).is_relative_to(root):
        return False
    return str(Path(name).relative_to(root)).startswith("plantkit-")
