"""What the user asked for: one evaluation, or one run of `plantkit prune`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plantkit.errors import UsageError
from plantkit.isolation.levels import AUTO, Level
from plantkit.pruners.sources import PrunerSource

if TYPE_CHECKING:
    from plantkit.challenges.bundles import Challenge

DEFAULT_SUITE = "starter"

#: Called with a message or an error about something that cannot be used.
Warn = Callable[[object], None]
#: Called with what is going on, how much of it is done, and how much there is:
#: ("circle-5x100: pruning", 3, 72).
Progress = Callable[[str, int, int], None]
#: What `Progress` is called with for all phases together.
WHOLE = "in all"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """How pruners are to be run."""

    challenge_directories: Sequence[Path] = ()
    densities: Sequence[float | str] = ()
    jobs: int | None = None
    time_seconds: float = 300.0
    memory_mib: int = 4096
    isolation: str = AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(RunRequest):
    """What `plantkit evaluate` was asked for; see its options.

    pruners: paths and names as typed. challenges: ids and paths, or loaded ones.
    objects: pruners that were given as objects, from Python.
    keeps_masks: whether `Evaluation.masks` are wanted. watch: whether one evaluation follows
    another, whenever a submission has changed.

    Raises:
        UsageError: options that exclude each other, or one that needs another.
    """

    pruners: Sequence[str] = ()
    objects: Sequence[PrunerSource] = ()
    suite: str | None = None
    challenges: Sequence[str | Challenge] = ()
    seeds: int | None = None
    baselines: str = "suite"
    output_format: str = "table"
    run_directory: Path | None = None
    resume: bool = False
    device: str = "cpu"
    executor: str = "local"
    scheduler: str | None = None
    cached: bool = True
    strict_plugins: bool = False
    key_file: Path | None = None
    fresh: int | None = None
    fresh_seed_env: str | None = None
    keeps_masks: bool = False
    watch: bool = False

    def __post_init__(self) -> None:
        if not self.pruners and not self.objects:
            raise UsageError("no pruner was given; expected a path or a registered name")
        if self.suite is not None and self.challenges:
            raise UsageError("--suite and --challenge exclude each other; give one of them")
        if self.resume and self.run_directory is None:
            raise UsageError("--resume needs --run-dir")
        if self.watch:
            self._check_watch()
        if self.suite is None or self.fresh is not None:
            self.check_fresh(self.fresh)

    def check_fresh(self, fresh: int | None) -> None:
        """Checks what goes with `fresh` new instances of each kind of challenge, None for none.

        Raises:
            UsageError: a secret without them, or a run on them that cannot be resumed or repeated.
        """
        if self.watch and fresh is not None:
            raise UsageError(
                "fresh instances are planted anew in every run, so that no two runs compare; leave "
                "out --watch, or plant them once: plantkit plant"
            )
        if self.fresh_seed_env is not None and fresh is None:
            raise UsageError("--fresh-seed-env needs --fresh N")
        if self.resume and fresh is not None and self.fresh_seed_env is None:
            raise UsageError(
                "fresh instances of the system's entropy are new in every run and cannot be "
                "resumed; leave out --resume, or give --fresh-seed-env"
            )

    def _check_watch(self) -> None:
        for option, is_given, reason in (
            ("--run-dir", self.run_directory is not None, "a directory holds one run"),
            ("--executor dask", self.executor == "dask", "it works on this machine"),
            ("--isolation none", self.isolation == Level.NONE, "runs must leave nothing behind"),
        ):
            if is_given:
                raise UsageError(f"--watch and {option} exclude each other: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest(RunRequest):
    """What `plantkit prune` was asked for; see its options."""

    pruner: str
    challenge: str
    out: Path | None = None
    seeds: int = 1
