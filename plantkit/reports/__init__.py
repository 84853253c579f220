"""Output formats: each turns an `Evaluation` into text. A new format is a new file here, or a
plugin's `plantkit_reporters`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from plantkit.scoring.evaluation import Evaluation

#: Built-in formats and their modules, named here so that listing them imports nothing heavy.
FORMATS = ("table", "markdown", "csv", "json", "html", "latex")


class Reporter(Protocol):
    """Turns an evaluation into text for `--format NAME`."""

    @property
    def name(self) -> str: ...

    def render(self, evaluation: Evaluation) -> str: ...


def built_in(name: str) -> Reporter:
    """Returns the built-in reporter called `name`, one of `FORMATS`."""
    module = importlib.import_module(f"plantkit.reports.{name}")
    reporter: Reporter = module.reporter
    return reporter


def find_reporters(plugins: Sequence[Reporter]) -> Mapping[str, Reporter]:
    """Returns all reporters by name; a built-in name cannot be taken over."""
    return {reporter.name: reporter for reporter in plugins} | {
        name: built_in(name) for name in FORMATS
    }
