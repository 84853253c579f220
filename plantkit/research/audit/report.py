"""An audit as JSON, and as Markdown for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from plantkit.reports.tables import render_table
from plantkit.reports.templates import fill_in
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
    """Returns the report for people, in GitHub-flavoured Markdown: `report.md.j2`, filled in."""
    audit = report.audit
    strongest, subject = audit.strongest, audit.subject

    def listed(verdict: LeakVerdict) -> str:
        return ", ".join(f"`{name}`" for name, one in audit.verdicts.items() if one is verdict)

    def cells(found: Mapping[str, Figures]) -> list[list[str]]:
        return [[name, *_cells(figures)] for name, figures in found.items()]

    return fill_in(
        "plantkit.research.audit",
        "report.md.j2",
        report=report,
        audit=audit,
        overall=strongest.overall,
        pooled=audit.pooled,
        subject=subject,
        leaking=listed(LeakVerdict.LEAKS),
        unclear=listed(LeakVerdict.UNCLEAR),
        left_out="; ".join(f"`{name}` ({why})" for name, why in audit.left_out.items()),
        strata=_table(
            ["stratum", *_CELLS, "attacker", "verdict"],
            [
                [*row, strongest.choices[row[0]], audit.verdicts[row[0]]]
                for row in cells(strongest.strata)
            ],
        ),
        attackers=_table(
            ["attacker", *_CELLS],
            cells({one.name: one.overall for one in audit.attackers if one.overall is not None}),
        ),
        curve=audit.curve
        and _table(
            ["training networks", *audit.curve[-1].attackers],
            [
                [
                    str(point.training_networks),
                    *(
                        "" if one is None else f"{one.auc:.3f}"
                        for one in map(point.attackers.get, audit.curve[-1].attackers)
                    ),
                ]
                for point in audit.curve
            ],
        ),
        features=_table(
            ["feature", "group", "AUC"],
            [[one.name, one.group, f"{one.auc:.3f}"] for one in audit.features[:FEATURES_SHOWN]],
        ),
        subject_strata=subject
        and _table(["stratum", *_CELLS], cells({**subject.strata, "all": subject.overall})),
    )


_table = partial(render_table, form="github")
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
