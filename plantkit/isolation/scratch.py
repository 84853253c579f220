"""Directories that hostile code has written to: measuring, reading and removing them."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import time
from pathlib import Path

_BLOCK = 512
#: Files and directories that a scratch directory is walked through; more count as too many.
MOST_ENTRIES = 2_000
#: Whether files can be reached from an open directory, so that nobody can swap it meanwhile.
_FROM_DIRECTORY = {os.open, os.stat, os.unlink, os.rmdir, os.chmod} <= os.supports_dir_fd
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)
#: Seconds between two tries to remove what another program holds open, as Windows lets it.
_TRY_AGAIN_SECONDS = (0.05, 0.2, 1.0)


class NotRegularError(OSError):
    """Something else lies where a regular file was expected."""


def read_regular(path: Path, most: int, *, from_end: bool = False) -> bytes:
    """Returns at most `most` bytes of the regular file `path`, whatever else happens to it.

    Neither the file nor its directory may be a symbolic link, the file must have one name, and
    a pipe or device is never waited for. Where files cannot be reached from an open directory
    (Windows), whoever could swap them must have ended.

    Raises:
        FileNotFoundError: it does not exist. NotRegularError: it is something else.
        OSError: it cannot be read.
    """
    directory = os.open(path.parent, _DIRECTORY) if _FROM_DIRECTORY else None
    try:
        place = path if directory is None else path.name
        try:
            # Neither fstat nor O_NONBLOCK opens a socket or a device without side effects.
            before = os.stat(place, dir_fd=directory, follow_symlinks=False)
            _check_regular(before)
            descriptor = os.open(place, _FILE, dir_fd=directory)
        except (FileNotFoundError, NotRegularError):
            raise
        except OSError as error:
            raise NotRegularError(f"cannot be opened: {error.strerror}") from error
    finally:
        if directory is not None:
            os.close(directory)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        _check_regular(status)
        if from_end and status.st_size > most:
            file.seek(status.st_size - most)
        return file.read(most)


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotRegularError("not a regular file")
    if status.st_nlink > 1:
        raise NotRegularError("has a second name (a hard link)")


def used_bytes(path: Path, most: int) -> int:
    """Returns the disk space beneath `path`; may stop counting above `most` bytes.

    More than `MOST_ENTRIES` files count as more than `most`.
    """
    total = entries = 0
    pending = [str(path)]
    while pending:
        try:
            with os.scandir(pending.pop()) as found:
                for entry in found:
                    entries += 1
                    with contextlib.suppress(OSError):
                        total += _disk_bytes(entry.stat(follow_symlinks=False))
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    if entries > MOST_ENTRIES or total > most:
                        return max(total, most + 1)
        except OSError:
            continue
    return total


def _disk_bytes(status: os.stat_result) -> int:
    if sys.platform == "win32":
        return status.st_size
    return status.st_blocks * _BLOCK


def free_bytes(path: Path) -> int:
    """Returns the free space where `path` is; a lot where the system does not say."""
    usage = shutil.disk_usage(path)
    return usage.free if usage.total else sys.maxsize


def unlinked_bytes(pid: int) -> int:
    """Returns the disk space of files that process `pid` holds open but that have no name."""
    total = 0
    seen = set()
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as found:
        for entry in found:
            with contextlib.suppress(OSError):
                status = entry.stat()
                if status.st_nlink == 0 and status.st_ino not in seen:
                    seen.add(status.st_ino)
                    total += _disk_bytes(status)
    return total


def remove_tree(path: Path) -> None:
    """Removes a directory whatever lies in it: closed directories, odd names, any depth.

    Holds one directory open at a time and goes back by its parent entry, so that neither the
    length of a path nor the depth of the tree matters. Links are removed, never followed.
    What cannot be removed is left.
    """
    if not _FROM_DIRECTORY:
        _remove_by_path(path)
        return
    try:
        path.chmod(0o700)
        here = os.open(path, _DIRECTORY)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        return
    above: list[tuple[str, list[str], int]] = []  # name of the directory; of its siblings; inode
    names = _unlink_files(here)
    try:
        while names or above:
            if names:
                name = names.pop()
                try:
                    os.chmod(name, 0o700, dir_fd=here)
                    inner = os.open(name, _DIRECTORY, dir_fd=here)
                except OSError:
                    continue
                above.append((name, names, os.fstat(here).st_ino))
                os.close(here)
                here, names = inner, _unlink_files(inner)
                continue
            name, names, inode = above.pop()
            parent = os.open("..", _DIRECTORY, dir_fd=here)
            os.close(here)
            here = parent
            if os.fstat(here).st_ino != inode:
                return  # someone moved it: do not go on elsewhere
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=here)
    finally:
        os.close(here)
    with contextlib.suppress(OSError):
        path.rmdir()


def _remove_by_path(path: Path) -> None:
    """Removes a directory, or a file, by the names in it, which Windows may refuse for a moment."""
    for seconds in (0.0, *_TRY_AGAIN_SECONDS):
        time.sleep(seconds)
        with contextlib.suppress(OSError):
            path.unlink()  # a file or a link
        with contextlib.suppress(RecursionError):  # a tree deeper than Windows' paths may be long
            shutil.rmtree(path, ignore_errors=True)
        if not os.path.lexists(path):
            return
        for directory, _, files in os.walk(path):  # what is left may be marked as read-only
            for name in (".", *files):
                inner = Path(directory, name)
                with contextlib.suppress(OSError):
                    if not inner.is_symlink():
                        inner.chmod(0o700)


def _unlink_files(directory: int) -> list[str]:
    """Removes the files in `directory` and returns the names of its directories."""
    inner = []
    for name in os.listdir(directory):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                inner.append(name)
            else:
                os.unlink(name, dir_fd=directory)
    return inner
