"""The files that cross the boundary between the parent and the child, and their bounds.

A problem directory holds `problem.json`, `weights.safetensors` and `train.safetensors`. A
cell directory holds the request `cell.json`, and after the run `answer.safetensors` or
`error.json`, and the captured `output.txt`.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROBLEM_FILE = "problem.json"
WEIGHTS_FILE = "weights.safetensors"
TRAIN_FILE = "train.safetensors"
CELL_FILE = "cell.json"
ANSWER_FILE = "answer.safetensors"
ERROR_FILE = "error.json"
OUTPUT_FILE = "output.txt"

#: Prefixes of the tensor names in an answer.
MASK_PREFIX = "mask."
SALIENCY_PREFIX = "saliency."

#: Most bytes read back of an error report or of captured output.
MOST_TEXT_BYTES = 64 * 1024


class Status(enum.StrEnum):
    """How a run ended."""

    OK = "ok"
    INVALID = "invalid"
    TIMEOUT = "timeout"
    OOM = "oom"
    CRASH = "crash"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may use. `memory_mib` counts beyond the interpreter and torch."""

    time_seconds: float = 300.0
    memory_mib: int = 4096
    output_mib: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunerSource:
    """Where the child finds a pruner: a file, or an entry point of an installed plugin."""

    path: str | None = None
    entry_point: str | None = None
    name: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "entry_point": self.entry_point,
            "name": self.name,
            "options": dict(self.options),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PrunerSource:
        return cls(**value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How the child's process for one request ended, as the operating system tells it."""

    code: int | None
    signal: str | None
    timed_out: bool
    seconds: float
    peak_rss_mib: float | None


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def read_bounded_text(path: Path) -> str:
    """Returns the last `MOST_TEXT_BYTES` of a regular file as text, or "" without one."""
    if not path.is_file() or path.is_symlink():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MOST_TEXT_BYTES))
        return file.read(MOST_TEXT_BYTES).decode("utf-8", errors="replace")
