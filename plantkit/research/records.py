"""What an organiser found out about a bundle, in JSON files next to its manifest.

`audit.json` says in a glance what a leak audit found of the bundle's planting, and
`alternatives.json` what is known of other tickets. Neither is part of the bundle: the digest does
not cover them, and no score depends on them, since an audit or a search can be repeated with
better attackers and pruners. Nothing here imports torch.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plantkit.challenges.manifests import read_beside
from plantkit.errors import BundleError, UsageError
from plantkit.research.audit.figures import Estimate

AUDIT = "audit.json"
ALTERNATIVES = "alternatives.json"
SCHEMA_VERSION = 1


def summarise(report: Mapping[str, Any], date: datetime.date) -> dict[str, Any]:
    """Returns what `audit.json` says of an audit, as its JSON Schema, `audit-summary`, says.

    Args:
        report: as `report_json` returns it.
        date: when the audit was made.

    Raises:
        UsageError: no attacker had anything to go by.
    """
    strongest = report["attackers"][0]
    if strongest["overall"] is None:
        raise UsageError("the audit found nothing to tell apart; there is nothing to summarise")
    return {
        "schema_version": SCHEMA_VERSION,
        "plantkit_version": report["plantkit_version"],
        "date": date.isoformat(),
        "planting": {"dials": {}, **report["planting"]},
        "attackers": [attacker["name"] for attacker in report["attackers"]],
        "training_networks": report["training_networks"],
        "test_networks": report["test_networks"],
        "auc": strongest["overall"]["auc"],
        "auc_limit": report["limits"]["auc"],
        "lift": strongest["overall"]["lift"],
        "lift_limit": report["limits"]["lift"],
        "strata": {name: found["auc"] for name, found in strongest["strata"].items()},
        "verdict": report["verdict"],
    }


def read_audit(directory: Path, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the audit summary of the bundle in `directory`, None without one.

    Raises:
        BundleError: it breaks its schema, contradicts itself, or is of another planting than the
            manifest's.
    """
    summary = read_beside(directory, AUDIT, "audit-summary", 64 * 1024)
    if summary is None:
        return None
    path = directory / AUDIT
    stated = {
        "family": manifest["family"],
        "network": manifest["network"],
        "method": manifest["planting"]["method"],
        "dials": manifest["planting"].get("dials", {}),
    }
    for name, value in stated.items():
        if summary["planting"][name] != value:
            raise BundleError(
                path,
                f"is an audit of {name} {summary['planting'][name]}; the bundle's is {value}: "
                "audit the bundle's own planting",
            )
    found, limit = summary["auc"]["value"], summary["auc_limit"]
    if summary["verdict"] == "hidden" and found > limit:
        raise BundleError(
            path,
            f"says hidden, and its AUC of {found:g} exceeds its limit of {limit:g}: audit again",
        )
    return summary


def read_alternatives(directory: Path, digest: str) -> dict[str, Any] | None:
    """Returns the record of other tickets of the bundle in `directory`, None without one.

    It holds for one digest, since every figure in it is of that bundle's own ticket. Nothing in
    it says where the ticket is.

    Args:
        directory: the bundle's.
        digest: the bundle's.

    Raises:
        BundleError: it breaks its schema, or is of another bundle.
    """
    record = read_beside(directory, ALTERNATIVES, "alternatives", 1024 * 1024)
    if record is not None and record["bundle_sha256"] != digest:
        raise BundleError(
            directory / ALTERNATIVES,
            f"is of the bundle {record['bundle_sha256']}; this one's digest is {digest}: "
            "remove it, or search again with plantkit alternatives --write",
        )
    return record


def describe_audit(summary: Mapping[str, Any]) -> str:
    """Returns one line for people on what an audit found."""
    auc, lift = Estimate(**summary["auc"]), Estimate(**summary["lift"])
    return (
        f"{summary['verdict']}: AUC within strata {auc:.3f} (limit {summary['auc_limit']:g}), "
        f"precision at k over chance {lift:.3f}; {summary['training_networks']} training and "
        f"{summary['test_networks']} test networks, {summary['date']}"
    )


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
