"""Turns an `Evaluation` into what people and programs read, in one of several formats.

A new format is a new module here, with a `name` and a function `render`, or a plugin's
`plantkit_reporters`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from plantkit.errors import UnknownNameError

if TYPE_CHECKING:
    from plantkit.scoring.evaluation import Evaluation

_SHARED = {
    "comparisons",
    "details",
    "grids",
    "page",
    "pictures",
    "remarks",
    "rendering",
    "spreadsheets",
    "tables",
    "telling",
    "templates",
    "tracks",
}
#: Names of the built-in formats: every module here but those that they share.
FORMATS = tuple(
    module.name for module in pkgutil.iter_modules(__path__) if module.name not in _SHARED
)


class Reporter(Protocol):
    """Turns an evaluation into text for `--format NAME`; a module of this package is one."""

    @property
    def name(self) -> str: ...

    def render(self, evaluation: Evaluation) -> str: ...


def built_in(name: str) -> Reporter:
    """Returns the built-in reporter called `name`, one of `FORMATS`."""
    reporter: Reporter = importlib.import_module(f"{__name__}.{name}")
    return reporter


def find_reporter(name: str, plugins: Sequence[Reporter]) -> Reporter:
    """Returns the reporter called `name`; a plugin cannot replace a built-in one.

    Raises:
        UnknownNameError: there is none.
    """
    if name in FORMATS:
        return built_in(name)
    found = {reporter.name: reporter for reporter in plugins}
    if name not in found:
        raise UnknownNameError("format", name, [*found, *FORMATS])
    return found[name]
