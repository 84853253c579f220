"""A bundle's other tickets, looked for from outside and from the ticket; and their record."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from plantkit.challenges.bundles import PLANTED, Challenge
from plantkit.errors import UsageError
from plantkit.evaluation.requests import PruneRequest
from plantkit.evaluation.run import run_pruning
from plantkit.isolation.levels import AUTO
from plantkit.research.alternatives.neighbourhood import NO_LOSS, Effort, Neighbourhood, explore
from plantkit.research.alternatives.record import SCHEMA, SCHEMA_VERSION
from plantkit.research.alternatives.search import Found, judge
from plantkit.schemas import violations
from plantkit.scoring.attempts import Attempt
from plantkit.version import __version__

#: What is known to find sparse tickets best.
DEFAULT_PRUNERS = ("gates",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What `plantkit alternatives` was asked for; see its options."""

    pruners: Sequence[str] = DEFAULT_PRUNERS
    seeds: int = 1
    effort: Effort = field(default_factory=Effort)
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
        date: of the inquiry.

    Raises:
        UsageError: a pruner, or a value, that cannot be used.
        PluginError: a pruner cannot be loaded.
        IsolationError: full isolation was asked for and this machine lacks it.
    """
    if len(set(inquiry.pruners)) < len(inquiry.pruners):
        raise UsageError("a pruner was given twice; give each once, and more --seeds")
    attempts: list[Attempt] = []
    for pruner in inquiry.pruners:
        attempts += run_pruning(
            PruneRequest(
                pruner=pruner,
                challenge=str(challenge.path.resolve()),
                densities=(PLANTED,),
                seeds=inquiry.seeds,
                jobs=inquiry.jobs,
                time_seconds=inquiry.time_seconds,
                memory_mib=inquiry.memory_mib,
                isolation=inquiry.isolation,
            ),
            warn=warn,
            progress=progress,
        )
    for attempt in attempts:
        if attempt.mask is None:
            warn(f"{attempt.pruner}, seed {attempt.seed}: {attempt.status}: {attempt.error}")
    found = judge(challenge, attempts, tolerance=inquiry.effort.tolerance)
    around = explore(challenge, inquiry.effort, progress=progress)
    record = {
        "schema_version": SCHEMA_VERSION,
        "plantkit_version": __version__,
        "date": date.isoformat(),
        "challenge": challenge.id,
        "bundle_sha256": challenge.digest,
        "tolerance": inquiry.effort.tolerance,
        "ticket": {"kept": challenge.ticket_kept, "strong": challenge.ticket.strong},
        "search": _search_json(inquiry, attempts, found),
        "neighbourhood": neighbourhood_json(around),
    }
    broken = violations(record, SCHEMA)
    if broken:  # such as more runs than a record may list
        raise UsageError(f"the record would break its schema at {'; '.join(broken[:3])}")
    return record


def neighbourhood_json(found: Neighbourhood) -> dict[str, Any]:
    """Returns the part of the record on the ticket's own entries; it names none of them."""
    return {
        "candidates": found.effort.candidates,
        "screening": found.effort.screening,
        "measured_per_entry": found.effort.measured,
        "screened": found.screened,
        "measured": found.measured,
        "smallest_effect": found.smallest_effect,
        "smallest_loss": found.smallest_loss,
        "median_loss": found.median_loss,
        **{
            name: {
                "droppable": found.droppable(most),
                "exchangeable": found.exchangeable(most),
                "tickets": found.tickets(most),
                "spare": spare,
            }
            for name, most, spare in (
                ("within_tolerance", found.effort.tolerance, found.spare),
                ("without_loss", NO_LOSS, found.spare_without_loss),
            )
        },
    }


def _search_json(
    inquiry: Inquiry, attempts: Sequence[Attempt], found: Sequence[Found]
) -> dict[str, Any]:
    best = max(found, key=lambda one: one.strong, default=None)
    searchers: dict[str, dict[str, Any]] = {}
    for attempt in attempts:
        searcher = searchers.setdefault(
            attempt.pruner, {"pruner": attempt.pruner, "runs": 0, "failed": 0}
        )
        searcher["runs"] += 1
        searcher["failed"] += attempt.mask is None
    return {
        "seeds": inquiry.seeds,
        "searchers": list(searchers.values()),
        "masks": len({a.mask.digest() for a in attempts if a.mask is not None}),
        "as_good": sum(one.is_as_good and one.is_as_sparse for one in found),
        "best": None if best is None else best.to_json(),
        "found": [one.to_json() for one in found],
    }
