"""An audit as JSON, and as Markdown for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from plantkit.research.audit.assessment import Audit, CurvePoint, Verdict
from plantkit.research.audit.figures import Estimate, Figures
from plantkit.research.audit.recipes import PlantingRecipe
from plantkit.version import __version__

SCHEMA_VERSION = 1
FEATURES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """An audit, what was audited, and how long it took.

    bundle: id of the bundle that was judged, if any; its digest stands beside it.
    """

    recipe: PlantingRecipe
    audit: Audit
    planting_seconds: float
    attack_seconds: float
    bundle: str | None = None
    bundle_sha256: str | None = None


def report_json(report: AuditReport) -> dict[str, Any]:
    """Returns the report as its JSON Schema, `plantkit schema audit`, says."""
    audit = report.audit
    subject = audit.subject
    return {
        "schema_version": SCHEMA_VERSION,
        "plantkit_version": __version__,
        "planting": report.recipe.to_json(),
        "limits": {"auc": audit.limits.auc, "lift": audit.limits.lift},
        "training_networks": audit.training_networks,
        "test_networks": audit.test_networks,
        "test_positives": audit.positives,
        "verdict": audit.verdict.value,
        "passed": audit.passed,
        "verdicts": {name: verdict.value for name, verdict in audit.verdicts.items()},
        "left_out": dict(audit.left_out),
        "attackers": [
            {
                "name": attacker.name,
                "overall": None if attacker.overall is None else attacker.overall.to_json(),
                "strata": {name: found.to_json() for name, found in attacker.strata.items()},
                "training_auc": dict(attacker.rehearsal),
                "choices": dict(attacker.choices),
            }
            for attacker in audit.attackers
        ],
        "features": [
            {
                "name": feature.name,
                "group": feature.group,
                "auc": feature.auc,
                "auc_of_high_values": dict(feature.strata),
            }
            for feature in audit.features
        ],
        "pooled": None
        if audit.pooled is None
        else {
            "auc": audit.pooled.auc.to_json(),
            "floor_auc": audit.pooled.floor_auc,
            "average_precision": audit.pooled.average_precision.to_json(),
            "floor_average_precision": audit.pooled.floor_average_precision,
        },
        "curve": [
            {
                "training_networks": point.networks,
                "attackers": {
                    name: None if found is None else found.to_json()
                    for name, found in point.attackers.items()
                },
            }
            for point in audit.curve
        ],
        "bundle": None
        if subject is None
        else {
            "id": report.bundle,
            "sha256": report.bundle_sha256,
            "verdict": subject.verdict.value,
            "overall": subject.overall.to_json(),
            "strata": {name: found.to_json() for name, found in subject.strata.items()},
            "auc_deviation_by_chance": subject.auc_deviation,
        },
        "seconds": {"planting": report.planting_seconds, "attacks": report.attack_seconds},
    }


def report_markdown(report: AuditReport) -> str:
    """Returns the report for people, in GitHub-flavoured Markdown."""
    audit = report.audit
    parts = [f"# Leak audit: {report.recipe.title}", _summary(report)]
    strongest = audit.strongest
    rows = [
        [name, *_cells(found), strongest.choices[name], audit.verdicts[name].value]
        for name, found in strongest.strata.items()
    ]
    parts += [
        "## Strata, by the strongest attacker of each",
        _table(["stratum", *_CELLS, "attacker", "verdict"], rows),
    ]
    if audit.left_out:
        left_out = "; ".join(f"`{name}` ({why})" for name, why in audit.left_out.items())
        parts.append(f"Left out, with nothing to tell apart: {left_out}.")
    parts += [
        "## Attackers, all strata",
        _table(
            ["attacker", *_CELLS],
            [
                [attacker.name, *_cells(attacker.overall)]
                for attacker in audit.attackers
                if attacker.overall is not None
            ],
        ),
        "## Learning curve: AUC within strata",
        _table(
            ["training networks", *audit.curve[0].attackers],
            [
                [
                    str(point.networks),
                    *("" if found is None else _show(found.auc) for found in _values(point)),
                ]
                for point in audit.curve
            ],
        ),
        "## Single features",
        _table(
            ["feature", "group", "AUC"],
            [
                [feature.name, feature.group, f"{feature.auc:.3f}"]
                for feature in audit.features[:FEATURES_SHOWN]
            ],
        ),
    ]
    if audit.pooled is not None:
        pooled = audit.pooled
        parts += [
            "## Whole networks",
            f"Joint attacker, all entries of a network together: AUC {_show(pooled.auc)}, average "
            f"precision {_show(pooled.average_precision)}. Knowing the layers' densities alone "
            f"gives {pooled.floor_auc:.3f} and {pooled.floor_average_precision:.4f}: no planting "
            "can get below that.",
        ]
    parts.append(_bundle(report))
    return "\n\n".join(part for part in parts if part) + "\n"


_CELLS = ["ticket entries", "AUC", "average precision", "chance", "precision at k", "÷ chance"]


def _summary(report: AuditReport) -> str:
    audit, limits = report.audit, report.audit.limits
    overall = audit.strongest.overall
    figures = (
        "nothing could be told apart"
        if overall is None
        else f"AUC {_show(overall.auc)}, precision at k {_show(overall.lift, 2)} times chance"
    )
    lines = [
        f"**Verdict: {audit.verdict.value}.** The strongest attacker reaches, within strata, "
        f"{figures}; limits {limits.auc} and {limits.lift}. "
        + ("Within the limits." if audit.passed else "Not within the limits."),
        f"{audit.training_networks} training networks, {audit.test_networks} others to test on, "
        f"with {audit.positives} ticket entries. In brackets: 95% bootstrap intervals over test "
        f"networks. Planting took {report.planting_seconds:.0f} s, attacking "
        f"{report.attack_seconds:.0f} s.",
    ]
    leaking, unclear = (
        [name for name, found in audit.verdicts.items() if found is verdict]
        for verdict in (Verdict.LEAKS, Verdict.UNCLEAR)
    )
    if leaking:
        lines.append(f"Beyond a limit: {', '.join(f'`{name}`' for name in leaking)}.")
    if unclear:
        lines.append(
            "Unclear, as the interval holds a limit or there is none: "
            f"{', '.join(f'`{name}`' for name in unclear)}. More test networks would tell."
        )
    if audit.training_networks < 100:
        lines.append(
            "Fewer than 100 training networks: a better trained attacker may find more"
            + (", see the learning curve." if audit.curve else ".")
        )
    return "\n\n".join(lines)


def _bundle(report: AuditReport) -> str:
    subject = report.audit.subject
    if subject is None:
        return ""
    rows = [[name, *_cells(found)] for name, found in subject.strata.items()]
    rows.append(["all", *_cells(subject.overall)])
    return (
        f"## The bundle {report.bundle}\n\n"
        f"**Verdict: {subject.verdict.value}.** One network says little: a random ticket of this "
        f"size has AUC 0.5 with a standard deviation of {subject.auc_deviation:.3f}.\n\n"
        + _table(["stratum", *_CELLS], rows)
    )


def _cells(found: Figures | None) -> list[str]:
    if found is None:
        return [""] * len(_CELLS)
    return [
        str(found.positives),
        _show(found.auc),
        _show(found.average_precision),
        f"{found.chance_average_precision:.3f}",
        _show(found.precision),
        _show(found.lift, 2),
    ]


def _values(point: CurvePoint) -> list[Figures | None]:
    return list(point.attackers.values())


def _show(estimate: Estimate, digits: int = 3) -> str:
    value = f"{estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
