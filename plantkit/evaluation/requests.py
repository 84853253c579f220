"""What the user asked for: one evaluation, or one run of `plantkit prune`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from plantkit.isolation.levels import AUTO

DEFAULT_SUITE = "starter"

#: Called with a message or an error about something that cannot be used.
Warn = Callable[[object], None]
#: Called with what is going on, how much of it is done, and how much there is:
#: ("circle-5x100: pruning", 3, 72).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What `plantkit evaluate` was asked for; see its options."""

    pruners: Sequence[str]
    suite: str | None = None
    challenges: Sequence[str] = ()
    challenge_directories: Sequence[Path] = ()
    densities: Sequence[float | str] = ()
    seeds: int | None = None
    baselines: str = "suite"
    output_format: str = "table"
    run_directory: Path | None = None
    resume: bool = False
    jobs: int | None = None
    device: str = "cpu"
    executor: str = "local"
    scheduler: str | None = None
    cached: bool = True
    time_seconds: float = 300.0
    memory_mib: int = 4096
    strict_plugins: bool = False
    isolation: str = AUTO
    key_file: Path | None = None
    fresh: int | None = None
    fresh_seed_env: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """What `plantkit prune` was asked for; see its options."""

    pruner: str
    challenge: str
    out: Path | None = None
    challenge_directories: Sequence[Path] = ()
    densities: Sequence[float | str] = ()
    seeds: int = 1
    jobs: int | None = None
    time_seconds: float = 300.0
    memory_mib: int = 4096
    isolation: str = AUTO
