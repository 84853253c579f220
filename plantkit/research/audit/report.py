"""An audit as JSON, and as Markdown for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate

from plantkit.research.audit.assessment import Audit, LeakVerdict
from plantkit.research.audit.figures import Figures
from plantkit.research.audit.recipes import PlantingRecipe
from plantkit.version import __version__

SCHEMA_VERSION = 1
FEATURES_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """An audit, what was audited, and how long it took.

    bundle, bundle_sha256: id and digest of the bundle that was judged, if any.
    """

    recipe: PlantingRecipe
    audit: Audit
    planting_seconds: float
    attack_seconds: float
    bundle: str | None = None
    bundle_sha256: str | None = None


def report_json(report: AuditReport) -> dict[str, Any]:
    """Returns the report as its JSON Schema, `plantkit schema audit`, says."""
    audit = asdict(report.audit)
    subject = audit.pop("subject")
    return {
        "schema_version": SCHEMA_VERSION,
        "plantkit_version": __version__,
        "planting": report.recipe.to_json(),
        "passed": report.audit.passed,
        **audit,
        "bundle": subject and {"id": report.bundle, "sha256": report.bundle_sha256, **subject},
        "seconds": {"planting": report.planting_seconds, "attacks": report.attack_seconds},
    }


def report_markdown(report: AuditReport) -> str:
    """Returns the report for people, in GitHub-flavoured Markdown."""
    audit = report.audit
    strongest = audit.strongest
    parts = [
        f"# Leak audit: {report.recipe.title}",
        *_summary(report),
        "## Strata, by the strongest attacker of each",
        _table(
            ["stratum", *_CELLS, "attacker", "verdict"],
            [
                [name, *_cells(found), strongest.choices[name], audit.verdicts[name]]
                for name, found in strongest.strata.items()
            ],
        ),
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
                    str(point.training_networks),
                    *(
                        "" if found is None else f"{found.auc:.3f}"
                        for found in point.attackers.values()
                    ),
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
            f"Joint attacker, all entries of a network together: AUC {pooled.auc:.3f}, average "
            f"precision {pooled.average_precision:.3f}. Knowing the layers' densities alone "
            f"gives {pooled.floor_auc:.3f} and {pooled.floor_average_precision:.4f}: no planting "
            "can get below that.",
        ]
    subject = audit.subject
    if subject is not None:
        strata = {**subject.strata, "all": subject.overall}
        parts += [
            f"## The bundle {report.bundle}",
            f"**Verdict: {subject.verdict}.** One network says little: a random ticket of this "
            "size has AUC 0.5 with a standard deviation of "
            f"{subject.auc_deviation_by_chance:.3f}.",
            _table(
                ["stratum", *_CELLS], [[name, *_cells(found)] for name, found in strata.items()]
            ),
        ]
    return "\n\n".join(parts) + "\n"


def _summary(report: AuditReport) -> list[str]:
    audit, limits = report.audit, report.audit.limits
    overall = audit.strongest.overall
    figures = (
        "nothing could be told apart"
        if overall is None
        else f"AUC {overall.auc:.3f}, precision at k {overall.lift:.2f} times chance"
    )
    lines = [
        f"**Verdict: {audit.verdict}.** The strongest attacker reaches, within strata, "
        f"{figures}; limits {limits.auc} and {limits.lift}. "
        + ("Within the limits." if audit.passed else "Not within the limits."),
        f"{audit.training_networks} training networks, {audit.test_networks} others to test on, "
        f"with {audit.test_positives} ticket entries. In brackets: 95% bootstrap intervals over "
        f"test networks. Planting took {report.planting_seconds:.0f} s, attacking "
        f"{report.attack_seconds:.0f} s.",
    ]
    leaking, unclear = (
        ", ".join(f"`{name}`" for name, found in audit.verdicts.items() if found is verdict)
        for verdict in (LeakVerdict.LEAKS, LeakVerdict.UNCLEAR)
    )
    if leaking:
        lines.append(f"Beyond a limit: {leaking}.")
    if unclear:
        lines.append(
            f"Unclear, as the interval holds a limit or there is none: {unclear}. More test "
            "networks would tell."
        )
    if audit.training_networks < 100:
        lines.append(
            "Fewer than 100 training networks: a better trained attacker may find more, see the "
            "learning curve."
        )
    return lines


_CELLS = ("ticket entries", "AUC", "average precision", "chance", "precision at k", "÷ chance")


def _cells(found: Figures) -> list[str]:
    return [
        str(found.positives),
        f"{found.auc:.3f}",
        f"{found.average_precision:.3f}",
        f"{found.chance_average_precision:.3f}",
        f"{found.precision_at_k:.3f}",
        f"{found.lift:.2f}",
    ]


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
