"""Files that grading hosts read. A new format is a new file here and a line in `FORMATS`.

A stub is written first, and replaced when the grade is there: whatever happens in between,
the host finds a file.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from plantkit.errors import UsageError
from plantkit.grading.grade import Grade, unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """A file format. is_for_host: a host reads the grade from the file, so that the exit code
    tells whether there is one rather than what it is."""

    module: str
    help: str
    is_for_host: bool = True


#: Name of the command line's option to the format.
FORMATS = {
    "gradescope": OutputFormat(
        module="plantkit.grading.outputs.gradescope", help="Write Gradescope's results.json."
    ),
    "junit": OutputFormat(module="plantkit.grading.outputs.junit", help="Write JUnit XML."),
    "classroom": OutputFormat(
        module="plantkit.grading.outputs.classroom",
        help="Write what GitHub Classroom's reporter takes from <ID>_RESULTS.",
    ),
    "prairielearn": OutputFormat(
        module="plantkit.grading.outputs.prairielearn", help="Write PrairieLearn's results.json."
    ),
    "json": OutputFormat(
        module="plantkit.grading.outputs.staff",
        help="Write everything, hidden details included, for staff.",
        is_for_host=False,
    ),
}


class _Renderer(Protocol):
    """A module of this package."""

    def render(self, grade: Grade) -> str: ...


def render(name: str, grade: Grade) -> str:
    """Returns the content of the file in the format called `name`."""
    module: _Renderer = importlib.import_module(FORMATS[name].module)
    return module.render(grade)


def write_stubs(files: Mapping[str, Path], submission: str) -> None:
    """Writes what a host reads if nothing else is written.

    Raises:
        UsageError: a file cannot be written.
    """
    write_grade(files, unfinished(submission))


def write_grade(files: Mapping[str, Path], grade: Grade) -> None:
    """Writes `grade` into files, by format, each all or nothing.

    Raises:
        UsageError: a file cannot be written.
    """
    for name, path in files.items():
        try:
            _replace(path, render(name, grade))
        except OSError as error:
            raise UsageError(f"--{name}: {path} cannot be written: {error.strerror}") from error


def fitted(make: Callable[[Grade], str], grade: Grade, most_bytes: int) -> str:
    """Returns what `make` gives, with messages cut until it has at most `most_bytes`."""
    text = make(grade)
    for most in (500, 100, 0):
        if len(text.encode()) <= most_bytes:
            break
        text = make(grade.shortened(most))
    return text


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
