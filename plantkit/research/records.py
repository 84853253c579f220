"""What an organiser found out about a bundle, in JSON files next to its manifest.

`audit.json` says in a glance what a leak audit found of the bundle's planting, and
`alternatives.json` what is known of other tickets. The manifest states both, so that nobody alters
them unseen. The challenge's digest does not cover them, and no score depends on them, since an
audit or a search can be repeated with better attackers and pruners. Nothing here imports torch.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plantkit.challenges.files import check_schema, parse_json
from plantkit.challenges.frozen import ALTERNATIVES, AUDIT
from plantkit.challenges.manifests import Stated
from plantkit.errors import BundleError, UsageError
from plantkit.research.audit.figures import Estimate

SCHEMA_VERSION = 1
#: Untrained accuracies of one mask, computed twice, differ by rounding.
_ROUNDING = 1e-6


def check_records(directory: Path, stated: Stated) -> list[str]:
    """Returns the names of the records in a bundle's directory, which fit the bundle.

    Raises:
        BundleError: one breaks its schema, contradicts itself, or is of another bundle.
    """
    audit = read_audit(directory, stated)
    if audit is not None:
        from plantkit.networks import network_from_json  # imports torch

        shapes = network_from_json(stated.manifest["network"]).shapes
        if unknown := sorted(audit["strata"].keys() - shapes.keys()):
            raise BundleError(
                directory / AUDIT, f"has figures of {unknown[0]!r}, which the network does not have"
            )
    found = read_alternatives(directory, stated)
    if found is not None:
        _check_alternatives(directory / ALTERNATIVES, found, stated.manifest)
    return sorted(stated.records)


def planting_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what an audit's `planting` says where it is of the bundle with this manifest."""
    return {
        "family": manifest["family"],
        "network": manifest["network"],
        "method": manifest["planting"]["method"],
        "dials": manifest["planting"].get("dials", {}),
    }


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
        "auc_by_attacker": {
            one["name"]: one["overall"]["auc"] for one in report["attackers"] if one["overall"]
        },
        "auc_limit": report["limits"]["auc"],
        "lift": strongest["overall"]["lift"],
        "lift_limit": report["limits"]["lift"],
        "strata": {name: found["auc"] for name, found in strongest["strata"].items()},
        "verdict": report["verdict"],
    }


def read_audit(directory: Path, stated: Stated) -> dict[str, Any] | None:
    """Returns the audit summary of the bundle in `directory`, None without one.

    Args:
        stated: by the bundle, which holds its records as they were checked.

    Raises:
        BundleError: it breaks its schema, contradicts itself, or is of another planting than the
            manifest's.
    """
    summary = _parse(directory / AUDIT, stated.records.get(AUDIT), "audit-summary")
    if summary is None:
        return None
    path = directory / AUDIT
    for name, value in planting_of(stated.manifest).items():
        if summary["planting"][name] != value:
            raise BundleError(
                path,
                f"is an audit of {name} {summary['planting'][name]}; the bundle's is {value}: "
                "audit the bundle's own planting",
            )
    check_verdict(path, summary)
    return summary


def check_verdict(path: Path, summary: Mapping[str, Any]) -> None:
    """Raises `BundleError` if the figures in an audit's summary cannot belong together."""
    for name in ("auc", "lift"):
        found, limit = Estimate(**summary[name]), summary[f"{name}_limit"]
        low, high = found.bounds
        words = "AUC" if name == "auc" else "precision at k over chance"
        if low > high:
            raise BundleError(path, f"its {words} lies between {low:g} and {high:g}: cannot be")
        if summary["verdict"] == "hidden" and max(found.value, high) > limit:
            raise BundleError(
                path,
                f"says hidden, and its {words} of {found.value:g}, at most {high:g}, exceeds its "
                f"limit of {limit:g}: audit again",
            )
    for name, one in {"all": summary["auc"], **summary["strata"]}.items():
        if one["value"] > 1:
            raise BundleError(path, f"an AUC of {one['value']:g} ({name}) cannot be")


def read_alternatives(directory: Path, stated: Stated) -> dict[str, Any] | None:
    """Returns the record of other tickets of the bundle in `directory`, None without one.

    It holds for one digest, since every figure in it is of that bundle's own ticket. Nothing in
    it says where the ticket is.

    Args:
        stated: see `read_audit`.

    Raises:
        BundleError: it breaks its schema, or is of another bundle.
    """
    path = directory / ALTERNATIVES
    record = _parse(path, stated.records.get(ALTERNATIVES), "alternatives")
    if record is not None and record["bundle_sha256"] != stated.digest:
        raise BundleError(
            path,
            f"is of the bundle {record['bundle_sha256']}; this one's digest is {stated.digest}: "
            "remove it, or search again with plantkit alternatives --write",
        )
    return record


def _check_alternatives(path: Path, record: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Raises `BundleError` if a record of other tickets cannot be of the bundle.

    What is checked needs no pruner: what it repeats of the bundle, and what follows from other
    figures in it.
    """
    kept, trivial = manifest["ticket"]["kept"], manifest["reference"]["trivial"]
    strong = manifest["reference"]["ticket"]["strong"]
    search, tolerance = record["search"], record["tolerance"]
    found, close = search["found"], record["neighbourhood"]
    pairs: list[tuple[str, Any, Any]] = [
        ("challenge", record["challenge"], manifest["id"]),
        ("ticket.kept", record["ticket"]["kept"], kept),
        ("ticket.strong", record["ticket"]["strong"], strong),
        ("search.as_good", search["as_good"], sum(x["as_good"] and x["as_sparse"] for x in found)),
        ("search.best", search["best"], max(found, key=lambda one: one["strong"], default=None)),
    ]
    answers = sum(one["runs"] - one["failed"] for one in search["searchers"])
    for name, stated, most in (
        ("search.masks", search["masks"], answers),
        ("search.found has a length that", len(found), answers),
        ("neighbourhood.measured", close["measured"], close["screened"]),
    ):
        if stated > most:
            raise BundleError(path, f"{name} is {stated}; the record gives at most {most}")
    for number, one in enumerate(found):
        where, recovered = f"search.found[{number}]", (one["strong"] - trivial) / (strong - trivial)
        pairs += [
            (f"{where}.recovered", one["recovered"], recovered),
            (f"{where}.as_good", one["as_good"], one["recovered"] >= 1 - tolerance),
            (f"{where}.as_sparse", one["as_sparse"], one["kept"] <= kept),
        ]
    for name, stated, expected in pairs:
        same = stated == expected
        if isinstance(expected, float) and isinstance(stated, int | float):
            same = abs(stated - expected) <= _ROUNDING * max(1.0, abs(expected))
        if not same:
            raise BundleError(
                path, f"{name} is {stated}; the bundle and the record give {expected}"
            )


def _parse(path: Path, content: bytes | None, schema: str) -> dict[str, Any] | None:
    """Returns what a record says, or None if there is none.

    Raises:
        BundleError: it is not JSON, or breaks its `schema`.
    """
    if content is None:
        return None
    value: dict[str, Any] = parse_json(path, content)
    check_schema(path, value, schema)
    return value


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
