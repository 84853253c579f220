"""What a backend is given and what it gives back: one run of one pruner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plantkit.isolation.wire import Limits, Status
from plantkit.pruners.sources import PrunerSource

if TYPE_CHECKING:
    from plantkit.networks import Network
    from plantkit.networks.masks import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneJob:
    """One run of one pruner on one problem.

    problem: a directory that `write_problem` wrote. network: the problem's, which the answer is
    checked against: what lies in the directory is not trusted. density: in (0, 1].
    """

    source: PrunerSource
    problem: Path
    network: Network
    density: float
    seed: int
    limits: Limits

    def to_request(self) -> dict[str, Any]:
        """Returns what the pruner's process is told, besides its source."""
        return {
            "kind": "prune",
            "problem": str(self.problem),
            "density": self.density,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one run of a pruner.

    mask: the validated mask if status is ok, else None. error: what went wrong, else "".
    traceback: of that error, in the submission's own lines, else "".
    seconds: wall time in the child. cpu_seconds: processor time of all that it started; None
    where it is not known. effort: the same as seconds of the reference machine, where the backend
    knows how fast its machine is. output: what the run printed, at most 64 KiB of its end.
    """

    status: Status
    mask: Mask | None
    error: str
    seconds: float
    peak_rss_mib: float | None
    cpu_seconds: float | None = None
    effort: float | None = None
    output: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedPruner:
    """What a pruner says of itself; see `plantkit.pruners.pruner.Pruner`."""

    name: str
    reference: str = ""
    is_seeded: bool = True
    rewind: int = 0
