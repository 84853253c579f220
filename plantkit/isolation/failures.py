"""What is known of a failure: what was raised, where, and what had been attempted before."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from plantkit.errors import describe, lacks_memory
from plantkit.submissions.submission import Staged

_REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}
#: What libraries in C say of a refusal where they raise no OSError.
_REFUSED_TEXTS = ("Permission denied", "peration not permitted")

#: What is attempted, by the names of Python's audit events. A submission has no business with these
#: at isolation full.
PROGRAMS = ("subprocess.Popen", "os.posix_spawn", "os.spawn", "os.exec", "os.system")
PROCESSES = ("os.fork", "os.forkpty")
NETWORK = ("socket.__new__", "socket.getaddrinfo", "socket.gethostbyname", "socket.connect")
MODES = (
    *("os.chmod", "os.chown", "os.utime", "os.truncate", "os.setxattr", "os.removexattr"),
    *("os.symlink", "os.link"),
)
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir")
_WATCHED = {*PROGRAMS, *PROCESSES, *NETWORK, *MODES, *_CHANGES, "builtins.input"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Most paths opened for writing that are remembered.
_MOST_PATHS = 1000
#: Most exceptions of one chain that are looked at.
_MOST_ERRORS = 20


@dataclass(slots=True)
class Attempts:
    """What a process has attempted, as Python's audit hooks tell it.

    events: names of audit events, without "open". last: the event that came last. written: paths
    that were to be written, made, renamed or removed.
    """

    events: set[str] = field(default_factory=set)
    last: str = ""
    written: set[str] = field(default_factory=set)

    def forget(self) -> None:
        """Forgets everything that was attempted before."""
        self.events.clear()
        self.written.clear()
        self.last = ""

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITING:
                self._change(path)
            self.last = event
        elif event in _WATCHED:
            self.events.add(event)
            self.last = event
            if event in _CHANGES:
                for path in arguments[:2]:
                    self._change(path)

    def _change(self, path: object) -> None:
        if isinstance(path, str | bytes) and len(self.written) < _MOST_PATHS:
            self.written.add(os.fsdecode(path))


@functools.cache
def watched_attempts() -> Attempts:
    """Returns what this process attempts, from the first call on.

    A hook can never be taken away, so that there is one, however many runs a process makes.
    """
    attempts = Attempts()
    sys.addaudithook(attempts._note)
    return attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of a failure.

    errors: what was raised, then what that comes from. modules: names of the modules that were
    at work. text: the types and messages of all errors. staged: the submission, if it is one.
    """

    errors: tuple[BaseException, ...]
    modules: frozenset[str]
    text: str
    attempts: Attempts
    staged: Staged | None

    @classmethod
    def of(cls, error: BaseException, attempts: Attempts, staged: Staged | None) -> Failure:
        errors = tuple(_chain(error, staged))
        return cls(
            errors=errors,
            modules=frozenset(name for one in errors for name in _modules(one.__traceback__)),
            text="\n".join(map(describe, errors)),
            attempts=attempts,
            staged=staged,
        )

    def has(self, *numbers: int) -> bool:
        """Returns whether an error of the system has one of these numbers."""
        return any(isinstance(one, OSError) and one.errno in numbers for one in self.errors)

    def kind(self, *types: type[BaseException]) -> bool:
        return any(isinstance(one, types) for one in self.errors)

    def says(self, *texts: str) -> bool:
        return any(text in self.text for text in texts)

    def passed(self, *modules: str) -> bool:
        """Returns whether one of `modules`, or a part of it, was at work."""
        return any(f"{name}.".startswith(f"{one}.") for one in modules for name in self.modules)

    @property
    def is_out_of_memory(self) -> bool:
        return any(map(lacks_memory, self.errors))

    @property
    def is_refusal(self) -> bool:
        return self.has(*_REFUSED) or self.says(*_REFUSED_TEXTS)

    def refused(self, *events: str) -> bool:
        """Returns whether something was refused, and one of `events` was attempted last."""
        return self.is_refusal and self.attempts.last in events

    def closed_path(self, *, writes: bool) -> bool:
        """Returns whether a path was refused, for writing or for reading, that modes allow.

        Modes are what `os.access` looks at; Landlock does not change its answer.
        """
        for one in self.errors:
            if isinstance(one, OSError) and one.errno == errno.EACCES:
                for path in (one.filename, one.filename2):
                    if not isinstance(path, str | bytes):
                        continue
                    name = os.fsdecode(path)
                    is_change = name in self.attempts.written or not os.path.lexists(name)
                    if is_change == writes and _modes_allow(name, writes=writes):
                        return True
        return False

    @property
    def missing_path(self) -> Path | None:
        """A file that was not found in the working directory, which is the home, too."""
        for one in self.errors:
            if isinstance(one, FileNotFoundError) and isinstance(one.filename, str):
                path = Path(one.filename)
                if not path.is_absolute() or path.is_relative_to(Path.cwd()):
                    return path
        return None

    @property
    def missing_own(self) -> bool:
        """Whether a file was not found where the submission's own lie."""
        return self.staged is not None and any(
            isinstance(one, FileNotFoundError)
            and isinstance(one.filename, str)
            and Path(one.filename).is_relative_to(self.staged.root)
            for one in self.errors
        )

    @property
    def misused_name(self) -> bool:
        """Whether an attribute was sought in a parameter's name."""
        return any(
            isinstance(one, AttributeError)
            and isinstance(one.obj, str)
            and one.obj.endswith((".weight", ".bias"))
            for one in self.errors
        )

    def misused(self, kind: type | tuple[type, ...], *names: str) -> bool:
        """Returns whether an attribute, one of `names` if given, was sought in a `kind`."""
        return any(
            isinstance(one, AttributeError)
            and isinstance(one.obj, kind)
            and (not names or one.name in names)
            for one in self.errors
        )


def _chain(error: BaseException, staged: Staged | None) -> Iterator[BaseException]:
    """Yields `error` and what it comes from, which some libraries hide in attributes.

    What the submission itself caught is left out: it has dealt with that.
    """
    pending: list[object] = [error]
    seen = set[int]()
    while pending and len(seen) < _MOST_ERRORS:
        one = pending.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        context = one.__context__
        # A traceback begins where its exception was caught.
        trace = None if context is None else context.__traceback__
        caught_in = "" if trace is None else trace.tb_frame.f_code.co_filename
        if staged is None or not staged.is_own(caught_in):
            pending.append(context)
        pending += [one.__cause__, getattr(one, "reason", None)]
        pending += getattr(one, "exceptions", ())


def _modules(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__")
        if isinstance(name, str):
            yield name
        trace = trace.tb_next


def _modes_allow(path: str, *, writes: bool) -> bool:
    there = path if os.path.lexists(path) else Path(path).absolute().parent
    return os.access(there, os.W_OK if writes else os.R_OK)
