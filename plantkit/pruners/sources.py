"""Where a pruner is found: in a file, by a registered name, or in this process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from plantkit.errors import UsageError
from plantkit.submissions.reading import STANDARD_INPUT, read_standard_input, read_submission
from plantkit.submissions.submission import ACCEPTED, Submission

#: The colon of a drive, as in `C:\runs=2\my_pruner.py`, is followed by a path.
_WITH_OPTIONS = re.compile(r"(.*?):([^:=/\\]*=.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunerSource:
    """Where a pruner is found: in a submission, or at an entry point of an installed plugin.

    path: what was given of a submission. submission: what was read there; None before that.
    pruner: one that is an object of this process, and runs here; nothing else is set but its name.
    """

    path: str | None = None
    entry_point: str | None = None
    name: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    submission: Submission | None = field(default=None, repr=False, compare=False)
    pruner: Any = field(default=None, repr=False, compare=False)

    def read(self) -> PrunerSource:
        """Returns the source with its submission, if it is one, read once and for all.

        Raises:
            PluginError: it is not a submission, or cannot be read.
        """
        if self.path is None or self.submission is not None:
            return self
        return replace(self, submission=read_submission(Path(self.path)))

    def to_json(self) -> dict[str, Any]:
        """Returns all but the submission's files."""
        return {
            "path": self.path,
            "entry_point": self.entry_point,
            "name": self.name,
            "options": dict(self.options),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PrunerSource:
        return cls(**value)


def parse_pruner(text: str) -> PrunerSource:
    """Returns the source for `text`: a path, - or a name, then perhaps `:option=value,...`.

    Raises:
        UsageError: a path that does not exist, or malformed options.
        PluginError: standard input holds no submission.
    """
    base, option_text = split_options(text)
    options = {}
    for pair in filter(None, option_text.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"option {pair!r} of {base!r}: expected NAME=VALUE")
        options[key] = value
    if base == STANDARD_INPUT:
        submission = read_standard_input()
        return PrunerSource(path=submission.path, submission=submission, options=options)
    path = Path(base)
    # A word may be the name of a folder and of an installed pruner; then the pruner is meant.
    if path.exists() and (is_path(base) or path.is_file() or not _is_installed(base)):
        return PrunerSource(path=str(path.resolve()), options=options)
    if is_path(base):
        raise UsageError(
            f"{base} does not exist; expected {ACCEPTED}, or the name of an installed pruner"
        )
    return PrunerSource(name=base, options=options)


def split_options(text: str) -> tuple[str, str]:
    """Returns the path or name in `text`, and the options after a colon, or ""."""
    found = _WITH_OPTIONS.fullmatch(text)
    if found and not Path(text).exists():
        return found[1], found[2]
    return text, ""


def is_path(text: str) -> bool:
    """Whether `text` can only be a path, not the name of a pruner."""
    path = Path(text)
    return path.suffix in {".py", ".ipynb", ".zip"} or text != path.name or text == ".."


def _is_installed(name: str) -> bool:
    return name in entry_points(group="plantkit").names
