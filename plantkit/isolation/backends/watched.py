"""Level `watched`: a pruner runs in a process of its own that is watched from outside, anywhere."""

from __future__ import annotations

from collections.abc import Sequence

from plantkit.isolation.backends.local import LocalBackend
from plantkit.isolation.spawned import SpawnedServer


class Watched(LocalBackend):
    """Runs each job in a spawned process. It can read what the user can read."""

    @classmethod
    def start_processes(cls, most: int) -> Sequence[SpawnedServer]:
        return [SpawnedServer()]  # each imports torch for itself: others start when they get work
