"""The exception tree. Everything that plantkit raises on purpose is a `PlantkitError`.

    PlantkitError
    ├── UsageError            a value that cannot be used (exit code 2)
    │   ├── UnknownNameError  a name that does not exist, with the nearest ones
    │   ├── RubricError       a mistake in a rubric, with its line
    │   ├── WidthError        a network too narrow for the target that is to be planted
    │   ├── PlantingError     no ticket of what is to be planted passed the gates
    │   ├── SealedTruthError  a sealed truth is needed, and the key to it was not given
    │   └── MissingExtraError an optional dependency that is not installed
    ├── PluginError           a plugin or submission that cannot be loaded or misbehaves (1)
    ├── MaskError             a mask that breaks the contract (1)
    ├── BundleError           a bundle that is invalid or has been altered (4)
    ├── IsolationError        the child process machinery failed (3)
    ├── ExecutorError         the processes or the cluster that do the work failed (3)
    ├── ResultsError          a results file that cannot be read or compared (2)
    └── NothingEvaluatedError nothing was left to evaluate (5)

Messages say what is wrong, what was expected, what was found, where, and what to do.
The exception carries the object it is about.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path

#: Most characters of a message that quotes a file.
_MOST_CHARACTERS = 2000

#: What torch, C++ and the dynamic linker say instead of raising a MemoryError.
_NO_MEMORY = (
    *("not enough memory", "can't allocate memory"),
    *("std::bad_alloc", "failed to map segment"),
)

#: The most names that a message lists where none of them is near to the one given.
_MOST_NAMES = 30


class PlantkitError(Exception):
    """Base of all errors that plantkit raises on purpose."""

    exit_code = 3


class UsageError(PlantkitError):
    """A value given by the user cannot be used."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name does not exist; the message suggests the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, hint: str = "") -> None:
        self.kind = kind
        self.name = name
        self.known = sorted(known)
        near = did_you_mean(name, self.known)
        if not near and not hint and 0 < len(self.known) <= _MOST_NAMES:
            near = f"; expected one of {', '.join(self.known)}"
        message = f"no {kind} is named {name!r}{near}"
        if hint:
            message = f"{message}\n{hint}"
        super().__init__(message)


class RubricError(UsageError):
    """A mistake in a rubric; `path` and `line` say where."""

    def __init__(self, path: Path | str, message: str, *, line: int | None = None) -> None:
        self.path = Path(path)
        self.line = line
        where = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {message}")


class WidthError(UsageError):
    """A network layer has too few units for the target."""

    def __init__(self, *, layer: int, needed: int, width: int, target: str) -> None:
        self.layer = layer
        self.needed = needed
        self.width = width
        super().__init__(
            f"hidden layer {layer} has {width} units; target {target!r} needs {needed} there: "
            f"use a width of at least {needed}"
        )


class PlantingError(UsageError):
    """No ticket of this family and shape passed the gates; `reason` says in few words which."""

    def __init__(self, message: str, *, reason: str = "a gate") -> None:
        self.reason = reason
        super().__init__(message)


class SealedTruthError(UsageError):
    """A truth is sealed, and its key was not given; `path` is the sealed file."""

    def __init__(self, path: Path | str, message: str) -> None:
        self.path = Path(path)
        super().__init__(f"{path}: {message}")


class MissingExtraError(UsageError):
    """An optional dependency is not installed."""

    def __init__(self, *, extra: str, needed_for: str) -> None:
        self.extra = extra
        super().__init__(f'{needed_for} needs an extra: pip install "plantkit[{extra}]"')


class PluginError(PlantkitError):
    """A plugin or submission cannot be loaded, or breaks the plugin contract.

    place, line: where in it, if known: a file of several, a notebook's cell.
    traceback: in the submission's own lines, if the error came from them.
    """

    exit_code = 1

    def __init__(
        self,
        plugin: str,
        message: str,
        *,
        place: str = "",
        line: int | None = None,
        traceback: str = "",
    ) -> None:
        self.plugin = plugin
        self.message = message
        self.place = place
        self.line = line
        self.traceback = traceback
        where = [plugin, place, "" if line is None else f"line {line}"]
        super().__init__(f"{', '.join(filter(None, where))}: {message}")


class MaskError(PlantkitError):
    """A mask breaks the contract; `parameter` names the culprit where there is one."""

    exit_code = 1

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        self.parameter = parameter
        super().__init__(message)


class BundleError(PlantkitError):
    """A challenge bundle is invalid or has been altered; `path` is the file at fault."""

    exit_code = 4

    def __init__(self, path: Path | str, message: str) -> None:
        self.path = Path(path)
        super().__init__(_printable(f"{path}: {message}"))


class UnfrozenWarning(UserWarning):
    """A bundle is of an older plantkit: no digest covers its manifest and its records."""


class IsolationError(PlantkitError):
    """The process that runs pruners could not be started or stopped answering."""


class ExecutorError(PlantkitError):
    """The processes or the cluster that do the work died or cannot be reached."""


class ResultsError(PlantkitError):
    """A results file cannot be read, or holds results that must not be mixed."""

    exit_code = 2


class NothingEvaluatedError(PlantkitError):
    """No pruner or no challenge was left to evaluate."""

    exit_code = 5


def did_you_mean(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Returns `"; did you mean 'x' or 'y'?"`, `most` names or fewer, or "" when none is near.

    Upper and lower case are the same.
    """
    spelt: dict[str, list[str]] = {}
    for one in known:
        spelt.setdefault(one.casefold(), []).append(one)
    close = difflib.get_close_matches(name.casefold(), spelt, n=most, cutoff=0.6)
    near = [one for match in close for one in spelt[match]][:most]
    return f"; did you mean {' or '.join(repr(match) for match in near)}?" if near else ""


def describe(error: BaseException) -> str:
    """Returns `TypeError: message` on one line, even if the message cannot be made."""
    try:
        if isinstance(error, SystemExit):
            return f"called sys.exit({error.code!r})"
        message = str(error)
    except BaseException:
        message = "(its message cannot be shown)"
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return " ".join(text.split())


def lacks_memory(error: BaseException) -> bool:
    """Returns whether `error` says that memory ran out; torch and the linker have own words."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or any(text in describe(error) for text in _NO_MEMORY)
    )


def _printable(text: str) -> str:
    """Returns `text` with what a terminal could take for a command spelt out, and cut short:
    a message may quote a file that was made to harm."""
    shown = "".join(
        letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1]
        for letter in text[:_MOST_CHARACTERS]
    )
    return shown if len(text) <= _MOST_CHARACTERS else f"{shown} ..."
