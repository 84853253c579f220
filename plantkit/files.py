"""Files written all or nothing, and directories that keep records as they are made."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from plantkit.errors import ResultsError, UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

RECORDS_FILE = "records.jsonl"
_LOCK_FILE = "lock"
#: What a trial writes: a full disk may still have room for an empty file.
_TRIAL = bytes(4096)


@contextmanager
def about(path: Path | str) -> Iterator[None]:
    """Has errors of the system in the block name `path`: a full disk names no file."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def check_file(path: Path) -> None:
    """Checks that `path` can be written, before the work whose results go there.

    A device or a pipe is not written to, only looked at.

    Raises:
        OSError: it cannot be written.
    """
    target = path.resolve()
    with about(path):
        if target.exists() and not target.is_file():
            if target.is_dir() or not os.access(target, os.W_OK):
                code = errno.EISDIR if target.is_dir() else errno.EACCES
                raise OSError(code, os.strerror(code))
            return
        _try_to_write(target.parent)


def check_directory(path: Path) -> None:
    """Checks that files can be written into `path`, or that it can be made.

    Raises:
        OSError: neither.
    """
    there = next(place for place in (path, *path.resolve().parents) if os.path.lexists(place))
    with about(path):
        _try_to_write(there)


def _try_to_write(directory: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".plantkit-", suffix=".tmp", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_TRIAL)
    finally:  # closed first: Windows removes no file that is open
        with contextlib.suppress(OSError):
            Path(name).unlink()


def write_whole(path: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Writes a file so that others see what it held before or all of `content`.

    Something that exists and is not a regular file, such as a device, is written to and never
    replaced; what a symbolic link points to is replaced, not the link.

    Args:
        mode: of the file, whatever the process's umask says; the umask's if None.

    Raises:
        OSError: the file cannot be written. Nothing is left of the attempt.
    """
    data = content.encode() if isinstance(content, str) else content
    target = path.resolve()
    with about(path):
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        temporary = target.with_name(f".plantkit-{secrets.token_hex(8)}.tmp")
        try:
            temporary.touch(0o666 if mode is None else 0o600, exist_ok=False)
            temporary.write_bytes(data)
            if mode is not None:
                temporary.chmod(mode)
            temporary.replace(target)
        finally:
            with contextlib.suppress(OSError):  # what kept it from being written says more
                temporary.unlink(missing_ok=True)


class JsonRecord(Protocol):
    """Something that is kept as one line of JSON."""

    def to_json(self) -> Mapping[str, Any]: ...


Kept = TypeVar("Kept", bound=JsonRecord)


class Journal(Generic[Kept]):
    """Records on disk, each saved when it is made; a context manager.

    `<kind>.json` says what the directory belongs to, and `records.jsonl` has one record per line.
    Only one process at a time can use the directory. A killed process may leave half a line at
    the end; it is dropped when the directory is opened again.

    Args:
        identity: what must be the same for old records to count.
        kind: "run", "study" or "class", for the file's name and messages.
        parse: makes a record of its JSON value.
        option: what named the directory, for messages.

    Attributes:
        records: all in the directory, those of earlier processes first.

    Raises:
        UsageError: the directory holds something else, or holds records while `resume` is False,
            or another process is using it.
        ResultsError: its files cannot be read.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        *,
        kind: str,
        parse: Callable[[Any], Kept],
        resume: bool,
        option: str = "--run-dir",
    ) -> None:
        self.path = path
        self.records: list[Kept] = []
        self._option = option
        path.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(path / _LOCK_FILE, option)
        try:
            self._open(path / f"{kind}.json", identity, parse, resume=resume)
        except BaseException:
            self.close()
            raise

    def _open(
        self,
        identity_file: Path,
        identity: Mapping[str, Any],
        parse: Callable[[Any], Kept],
        *,
        resume: bool,
    ) -> None:
        kind = identity_file.stem
        if not identity_file.exists():
            write_whole(identity_file, json.dumps(identity, indent=2) + "\n")
            return
        if not resume:
            raise UsageError(
                f"{self.path} holds a {kind} already; add --resume to go on with it, "
                f"or give another {self._option}"
            )
        try:
            found = dict(json.loads(identity_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ResultsError(f"{identity_file} cannot be read: {error}") from error
        for key, wanted in json.loads(json.dumps(identity)).items():
            if found.get(key) != wanted:
                raise UsageError(
                    f"{self.path} holds a {kind} whose {key} differ from what is asked for now: "
                    f"{_difference(found.get(key), wanted)}; give another {self._option}"
                )
        self.records = read_records(self.path, parse)
        write_whole(self.path / RECORDS_FILE, "".join(map(_line, self.records)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets other processes use the directory."""
        os.close(self._lock)

    def append(self, records: Iterable[Kept]) -> None:
        """Saves `records`; they are on disk when this returns."""
        path = self.path / RECORDS_FILE
        with about(path), path.open("a", encoding="utf-8", newline="\n") as file:
            for record in records:
                file.write(_line(record))
                self.records.append(record)
            file.flush()
            os.fsync(file.fileno())


def read_records(directory: Path, parse: Callable[[Any], Kept]) -> list[Kept]:
    """Returns the records in a journal's directory; half a line at the end is left out.

    Raises:
        ResultsError: another line cannot be read.
    """
    file = directory / RECORDS_FILE
    if not file.exists():
        return []
    *lines, last = file.read_text(encoding="utf-8", errors="replace").split("\n")
    records = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            records.append(parse(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            raise ResultsError(
                f"{file}, line {number}: cannot be read ({error}); remove the line to have "
                "its run made again"
            ) from error
    with contextlib.suppress(ValueError, TypeError, KeyError):
        records.append(parse(json.loads(last)))  # whole: only its line end is missing
    return records


def _line(record: JsonRecord) -> str:
    return json.dumps(record.to_json()) + "\n"


def _locked(path: Path, option: str) -> int:
    """Returns the descriptor of a file that only this process has locked, until it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            # Processes forked from this one may outlive it a little; they do not share this lock.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EAGAIN}:
            return descriptor  # a file system without locks
        os.close(descriptor)
        raise UsageError(
            f"{path.parent} is in use by another run; wait for it, or give another {option}"
        ) from error
    return descriptor


def _difference(before: Any, now: Any) -> str:
    """Returns which entries of two mappings differ, or two other values."""
    if isinstance(before, dict) and isinstance(now, dict):
        return ", ".join(sorted(k for k in before | now if before.get(k) != now.get(k)))
    return f"{before!r}, now {now!r}"
