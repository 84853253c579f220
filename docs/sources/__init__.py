"""Where the figures of the pages come from: a module for each subject, whose functions say them.

Pages ask for a function that is marked `@source` by its name: see `docs/figures.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs/results"
#: The functions that pages may ask for, by name.
SOURCES: dict[str, Callable[..., str]] = {}


class FigureError(Exception):
    """A page asks for a figure that does not exist, or marks one where it cannot stand."""


def source(function: Callable[..., str]) -> Callable[..., str]:
    """Makes a function known to the pages by its name."""
    SOURCES[function.__name__] = function
    return function


@cache
def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def bundle(name: str, file: str) -> Any:
    return read(ROOT / "challenges" / name / f"{file}.json")


def table(head: str, rows: Iterable[Sequence[object]]) -> str:
    """Returns a Markdown table; `head` holds the headings between bars."""
    lines = [f"| {head} |", "|" + "---|" * len(head.split(" | "))]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def interval(estimate: dict[str, float], digits: int = 3) -> str:
    value, low, high = (f"{estimate[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
