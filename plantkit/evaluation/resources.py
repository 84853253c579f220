"""What an evaluation works with: backends that run pruners, an executor that trains, a cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from plantkit.evaluation.cache import Cache
from plantkit.isolation.backends import Backend
from plantkit.isolation.levels import Level
from plantkit.isolation.wire import Limits
from plantkit.networks.training.executors import Executor
from plantkit.scoring.evaluation import Settings


@runtime_checkable
class RemoteExecutor(Protocol):
    """An executor that also runs pruners where it works, instead of on this machine."""

    def backends(self, level: Level) -> Sequence[Backend]:
        """Returns what runs pruners there at `level`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What pruners run in, and what trains the masks that they find.

    backends: run the pruners, side by side. scratch: a directory for what they
    read. executor: trains and evaluates. cache: keeps and gives back what
    was computed before; nothing if None.
    """

    settings: Settings
    limits: Limits
    backends: Sequence[Backend]
    scratch: Path
    executor: Executor
    cache: Cache | None = None
