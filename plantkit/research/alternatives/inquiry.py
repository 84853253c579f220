"""The search for a bundle's other tickets, from outside and from the ticket, and its record."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plantkit.challenges.bundles import Challenge
from plantkit.challenges.densities import PLANTED
from plantkit.errors import UsageError
from plantkit.evaluation.requests import PruneRequest
from plantkit.evaluation.run import run_pruning
from plantkit.isolation.levels import AUTO
from plantkit.research.alternatives.neighbourhood import effort_for, explore
from plantkit.research.alternatives.search import judge, search_json
from plantkit.research.records import SCHEMA_VERSION
from plantkit.schemas import violations
from plantkit.scoring.attempts import Attempt
from plantkit.version import __version__

#: What is known to find sparse tickets best.
DEFAULT_PRUNERS = ("gates",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What `plantkit alternatives` was asked for; see its options, and `Effort` of these."""

    pruners: Sequence[str] = DEFAULT_PRUNERS
    seeds: int = 1
    tolerance: float = 0.01
    entries: int | None = None
    candidates: int | None = None
    measured: int | None = None
    jobs: int | None = None
    time_seconds: float = 300.0
    memory_mib: int = 4096
    isolation: str = AUTO


def inquire(
    challenge: Challenge,
    inquiry: Inquiry,
    *,
    date: datetime.date,
    warn: Callable[[object], None],
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Returns the record of what was found, as its JSON Schema says.

    Pruners run as for an evaluation: isolated, on the public half of the bundle in
    `challenge.path`, at the planted density.

    Args:
        challenge: with its truth.
        inquiry: who searches, and how far.
        date: of the inquiry.
        warn: called with what went wrong without stopping the search, such as a failed run.
        progress: called with what is done, how many of it, of how many.

    Raises:
        UsageError: a pruner, or a value, that cannot be used.
        PluginError: a pruner cannot be loaded.
        IsolationError: full isolation was asked for and this machine lacks it.
    """
    if len(set(inquiry.pruners)) < len(inquiry.pruners):
        raise UsageError("a pruner was given twice; give each once, and more --seeds")
    attempts: list[Attempt] = []
    for pruner in inquiry.pruners:
        request = PruneRequest(
            pruner=pruner,
            challenge=str(challenge.path.resolve()),
            densities=(PLANTED,),
            seeds=inquiry.seeds,
            jobs=inquiry.jobs,
            time_seconds=inquiry.time_seconds,
            memory_mib=inquiry.memory_mib,
            isolation=inquiry.isolation,
        )
        attempts += run_pruning(request, warn=warn, progress=progress)
    for attempt in attempts:
        if attempt.mask is None:
            warn(f"{attempt.pruner}, seed {attempt.seed}: {attempt.status}: {attempt.error}")
    effort = effort_for(
        challenge.network,
        inquiry.tolerance,
        entries=inquiry.entries,
        candidates=inquiry.candidates,
        measured=inquiry.measured,
    )
    found = judge(challenge, attempts, tolerance=effort.tolerance)
    record = {
        "schema_version": SCHEMA_VERSION,
        "plantkit_version": __version__,
        "date": date.isoformat(),
        "challenge": challenge.id,
        "bundle_sha256": challenge.digest,
        "tolerance": effort.tolerance,
        "ticket": {"kept": challenge.ticket_kept, "strong": challenge.ticket.strong},
        "search": search_json(inquiry.seeds, attempts, found),
        "neighbourhood": explore(challenge, effort, progress=progress).to_json(),
    }
    broken = violations(record, "alternatives")
    if broken:  # such as more runs than a record may list
        raise UsageError(f"the record would break its schema at {'; '.join(broken[:3])}")
    return record
