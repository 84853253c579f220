"""Files that grading hosts read, and what people read on a terminal and on GitHub.

A new host is a new module here, with the `HELP` of its option on the command line and a
function `render`, and its name in `FORMATS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from plantkit.errors import UsageError
from plantkit.files import write_whole
from plantkit.grading.grade import Grade

#: Modules of this package, each named as its option on the command line.
FORMATS = ("gradescope", "junit", "classroom", "prairielearn", "json")
#: A grading host may read the files as another user.
_MODE = 0o644
#: The format for staff. The others are for hosts: these read the grade from the file, so that
#: the exit code says whether there is a grade, not how good it is.
STAFF_FORMAT = "json"


class Output(Protocol):
    """A module of this package."""

    HELP: str

    def render(self, grade: Grade) -> str: ...


def find_output(name: str) -> Output:
    """Returns the format called `name`, one of `FORMATS`."""
    output: Output = importlib.import_module(f"{__name__}.{name}")
    return output


def write_grade(files: Mapping[str, Path], grade: Grade) -> None:
    """Writes `grade` to files by format; each file is replaced as a whole.

    Raises:
        UsageError: a file cannot be written.
    """
    for name, path in files.items():
        text = find_output(name).render(grade)
        try:
            write_whole(path, text, mode=_MODE)
        except OSError as error:
            raise UsageError(f"--{name}: {path} cannot be written: {error.strerror}") from error


def fitted(make: Callable[[Grade], str], grade: Grade, most_bytes: int) -> str:
    """Returns the text that `make` writes, with messages cut so that it fits `most_bytes`."""
    text = make(grade)
    for most in (500, 100, 0):
        if len(text.encode()) <= most_bytes:
            break
        text = make(grade.shortened(most))
    return text
