"""A study's outcome as JSON and, by the template `report.md.j2`, as Markdown."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from plantkit.machine import environment, git_hash
from plantkit.reports.tables import render_table
from plantkit.reports.templates import fill_in
from plantkit.research.studies.claims import ClaimVerdict, Finding
from plantkit.research.studies.runner import StudyOutcome, span
from plantkit.research.studies.study import Plot
from plantkit.version import __version__

#: Version of the JSON output; see `plantkit schema study`.
STUDY_VERSION = 2


def report_json(outcome: StudyOutcome) -> dict[str, Any]:
    """Returns the outcome as `plantkit schema study` describes it."""
    study, selection = outcome.study, outcome.selection
    records = outcome.records
    return {
        "schema_version": STUDY_VERSION,
        "plantkit_version": __version__,
        "study": {"name": study.name, "title": study.title, "reference": study.reference},
        "run": {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "git_hash": git_hash(),
            "quick": selection.quick,
            "seeds": selection.seeds,
            "chosen": {name: list(values) for name, values in selection.chosen.items()},
            "jobs": outcome.jobs,
            "units_run": outcome.cost.units,
            "units_missing": outcome.missing,
            "directories": outcome.directories,
            "setting": outcome.setting,
            "cpu_seconds_estimated": outcome.cost.cpu_seconds,
            "cpu_seconds": outcome.cpu_seconds,
        },
        "env": environment(),
        "findings": [finding.to_json() for finding in study.findings(records)],
        "records": [asdict(record) for record in records],
        "failures": [{"unit": result.unit, "error": result.error} for result in outcome.failures],
    }


def report_markdown(outcome: StudyOutcome, plots: Sequence[Plot] = ()) -> str:
    """Returns the outcome for people: findings, tables, pictures, what was run."""
    records = outcome.records
    findings = outcome.study.findings(records)
    counts = Counter(finding.verdict for finding in findings)
    return fill_in(
        "plantkit.research.studies",
        "report.md.j2",
        outcome=outcome,
        study=outcome.study,
        tally=", ".join(f"{counts[verdict]} {verdict}" for verdict in ClaimVerdict),
        findings=findings_table(findings),
        count=len(findings),
        tables=[(table.title, _grid(table.rows)) for table in outcome.study.tables(records)],
        plots=plots,
        taken=span(outcome.cpu_seconds, outcome.cost.device),
        estimated=span(outcome.cost.cpu_seconds, outcome.cost.device),
        env=environment(),
        version=__version__,
    )


def findings_table(findings: Sequence[Finding]) -> str:
    """Returns what became of claims as a Markdown table."""
    return _grid([_row(finding) for finding in findings])


def _grid(rows: Sequence[Mapping[str, str]]) -> str:
    return render_table(list(rows[0]), [list(row.values()) for row in rows], "github")


def _row(finding: Finding) -> dict[str, str]:
    why = [f"why: {finding.reason}"] if finding.reason else []
    return {
        "Claim": finding.claim.claim,
        "Source": finding.claim.source,
        "Reproduced if": finding.claim.criterion,
        "Ours: mean [least, greatest]": "; ".join([*map(str, finding.figures), *why]) or "-",
        "n": _repetitions(finding),
        "Verdict": f"**{finding.verdict}**",
    }


def _repetitions(finding: Finding) -> str:
    counts = sorted({figure.n for figure in finding.figures})
    if not counts:
        return "0"
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
