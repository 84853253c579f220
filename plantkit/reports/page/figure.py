"""A figure of a report as plain rows, which `charts` draws; nothing here imports altair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure: its file's name without the suffix, its words, and its rows by dataset.

    caption: says what is shown and how to read it. summary: says in words what it shows, for
    those who do not see it. heading: the title where it stands below that of its `group`, the
    first challenge of the kind that it is about, or "".
    """

    name: str
    kind: str
    title: str
    caption: str
    summary: str
    group: str = ""
    heading: str = ""
    data: Mapping[str, Rows]


def short(value: float) -> float:
    """Returns a number to five digits, which is more than a chart shows."""
    return float(f"{value:.5g}")
