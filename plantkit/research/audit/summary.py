"""What an audit says of a bundle in one glance: `audit.json`, beside its manifest.

It is no part of the bundle: the digest does not cover it, and no score depends on it. An audit
can be repeated with better attackers, and the challenge stays the same.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plantkit.challenges.manifests import read_beside
from plantkit.errors import BundleError, UsageError

SUMMARY = "audit.json"
SCHEMA_VERSION = 1
_MOST_BYTES = 64 * 1024


def summarise(report: Mapping[str, Any], date: datetime.date) -> dict[str, Any]:
    """Returns the summary, as its JSON Schema says, of a report as `report_json` gives it.

    Args:
        report: of an audit.
        date: when it was made.

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


def read_summary(directory: Path, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the summary beside the manifest of the bundle in `directory`, None without one.

    Raises:
        BundleError: it breaks its schema, contradicts itself, or is of another planting than the
            manifest's.
    """
    summary = read_beside(directory, SUMMARY, "audit-summary", _MOST_BYTES)
    if summary is None:
        return None
    stated = {
        "family": manifest["family"],
        "network": manifest["network"],
        "method": manifest["planting"]["method"],
        "dials": manifest["planting"].get("dials", {}),
    }
    for name, value in stated.items():
        if summary["planting"][name] != value:
            raise BundleError(
                directory / SUMMARY,
                f"is an audit of {name} {summary['planting'][name]}; the bundle's is {value}: "
                "audit the bundle's own planting",
            )
    found, limit = summary["auc"]["value"], summary["auc_limit"]
    if summary["verdict"] == "hidden" and found > limit:
        raise BundleError(
            directory / SUMMARY,
            f"says hidden, and its AUC of {found:g} exceeds its limit of {limit:g}: audit again",
        )
    return summary


def describe(summary: Mapping[str, Any]) -> str:
    """Returns one line for people."""
    auc, lift = (_estimate(summary[name]) for name in ("auc", "lift"))
    return (
        f"{summary['verdict']}: AUC within strata {auc} (limit {summary['auc_limit']:g}), "
        f"precision at k over chance {lift}; {summary['training_networks']} training and "
        f"{summary['test_networks']} test networks, {summary['date']}"
    )


def _estimate(value: Mapping[str, float | None]) -> str:
    if value["low"] is None or value["high"] is None:
        return f"{value['value']:.3f}"
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
