"""What an evaluation works with: servers that run pruners, an executor that trains, a cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plantkit.evaluation.cache import Cache
from plantkit.isolation.client import PrunerServer
from plantkit.isolation.wire import Limits
from plantkit.networks.training.executors import Executor
from plantkit.scoring.evaluation import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What pruners run in, and what trains the masks that they find.

    servers: run the pruners, unless the executor is a remote one. scratch: a directory for
    what they read and write. executor: trains and evaluates. cache: keeps and gives back what
    was computed before; nothing if None.
    """

    settings: Settings
    limits: Limits
    servers: Sequence[PrunerServer]
    scratch: Path
    executor: Executor
    cache: Cache | None = None
