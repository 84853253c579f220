"""Where a pruner is found, from what a user typed: a file's path, or a registered name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from plantkit.errors import UsageError

#: The colon of a drive, as in `C:\runs=2\my_pruner.py`, is followed by a path.
_WITH_OPTIONS = re.compile(r"(.*?):([^:=/\\]*=.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunerSource:
    """Where a pruner is found: in a file, or at an entry point of an installed plugin."""

    path: str | None = None
    entry_point: str | None = None
    name: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PrunerSource:
        return cls(**value)


def parse_pruner(text: str) -> PrunerSource:
    """Returns the source for `text`: a path or a name, then perhaps `:option=value,...`.

    Raises:
        UsageError: a path that is not an existing file, or malformed options.
    """
    base, option_text = text, ""
    found = _WITH_OPTIONS.fullmatch(text)
    if found and not Path(text).is_file():
        base, option_text = found.groups()
    options = {}
    for pair in filter(None, option_text.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"option {pair!r} of {base!r}: expected NAME=VALUE")
        options[key] = value
    path = Path(base)
    is_name = path.suffix != ".py" and len(path.parts) == 1 and base not in {".", ".."}
    if path.is_dir() and not is_name:
        raise UsageError(f"{base} is a directory; expected a Python file or a pruner's name")
    if path.is_file():
        return PrunerSource(path=str(path.resolve()), options=options)
    if not is_name:
        raise UsageError(f"{base} does not exist; expected a Python file or a pruner's name")
    return PrunerSource(name=base, options=options)
