"""What a bundle's organiser knows of other tickets: `alternatives.json`, beside its manifest.

It is no part of the bundle: the digest does not cover it, and no score depends on it. It holds
for one digest, though, since every figure in it is of that bundle's own ticket. Nothing in it
says where the ticket is. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plantkit.challenges.manifests import read_beside
from plantkit.errors import BundleError

ALTERNATIVES = "alternatives.json"
SCHEMA = "alternatives"
SCHEMA_VERSION = 1
_MOST_BYTES = 1024 * 1024


def read_record(directory: Path, digest: str) -> dict[str, Any] | None:
    """Returns the record beside the manifest of the bundle in `directory`, None without one.

    Args:
        digest: the bundle's.

    Raises:
        BundleError: it breaks its schema, or is of another bundle.
    """
    record = read_beside(directory, ALTERNATIVES, SCHEMA, _MOST_BYTES)
    if record is not None and record["bundle_sha256"] != digest:
        raise BundleError(
            directory / ALTERNATIVES,
            f"is of the bundle {record['bundle_sha256']}; this one's digest is {digest}: "
            "remove it, or search again with plantkit alternatives --write",
        )
    return record


def describe_search(record: Mapping[str, Any]) -> str:
    """Returns one line for people on what was found without a look at the ticket."""
    search, best = record["search"], record["search"]["best"]
    tried = ", ".join(
        f"{searcher['pruner']} ({searcher['runs']})" for searcher in search["searchers"]
    )
    if best is None:
        return f"none: no run of {tried} gave a mask that works, {record['date']}"
    ticket = record["ticket"]
    return (
        f"{search['as_good']} of {len(search['found'])} masks found by {tried} as good within "
        f"{record['tolerance']:.2g}; best strong {best['strong']:.4f} with {best['kept']} entries, "
        f"F1 {best['f1']:.3f} (ticket {ticket['strong']:.4f} with {ticket['kept']}), "
        f"{record['date']}"
    )


def describe_neighbourhood(record: Mapping[str, Any]) -> str:
    """Returns one line for people on what becomes of the ticket entry by entry."""
    found = record["neighbourhood"]
    within, without = found["within_tolerance"], found["without_loss"]
    return (
        f"within {record['tolerance']:.2g} of the ticket's gain {within['droppable']:.0%} of its "
        f"entries can be dropped alone ({within['spare']} together), {within['exchangeable']:.0%} "
        f"exchanged alone (at least {within['tickets']} other tickets); with no loss "
        f"{without['droppable']:.0%} ({without['spare']}) and {without['exchangeable']:.0%}; the "
        f"least entry changes outputs by {found['smallest_effect']:.2g} of their deviation"
    )
