"""A study's outcome as JSON and as Markdown."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from plantkit.machine import environment, git_hash
from plantkit.research.studies.claims import ClaimVerdict, Finding
from plantkit.research.studies.runner import StudyOutcome
from plantkit.research.studies.study import Plot
from plantkit.research.studies.tables import pipe_table
from plantkit.version import __version__

#: Version of the JSON output; see `plantkit schema study`.
STUDY_VERSION = 1


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
    study, records = outcome.study, outcome.records
    findings = study.findings(records)
    parts = [
        f"# {study.title}",
        f"Source of the claims: {study.reference}.",
        "## Findings",
        _tally(findings),
        findings_table(findings),
    ]
    tables = study.tables(records)
    if tables:
        parts += ["## Tables", *(table.markdown() for table in tables)]
    if plots:
        parts += ["## Plots", *(f"![{plot.caption}]({plot.path})" for plot in plots)]
    if outcome.failures:
        parts += [
            "## Runs that failed",
            *(f"- `{result.unit}`: {result.error}" for result in outcome.failures),
        ]
    parts += ["## What was run", _what_was_run(outcome)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def findings_table(findings: Sequence[Finding]) -> str:
    """Returns the findings as a Markdown table."""
    return pipe_table(
        ["Claim", "Source", "Reproduced if", "Ours: mean [least, greatest]", "n", "Verdict"],
        [
            [
                finding.claim.claim,
                finding.claim.source,
                finding.claim.criterion,
                "; ".join(map(str, finding.figures)) or "-",
                _repetitions(finding),
                f"**{finding.verdict}**",
            ]
            for finding in findings
        ],
    )


def _tally(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ClaimVerdict)
    return f"{len(findings)} claims: {said}."


def _repetitions(finding: Finding) -> str:
    counts = sorted({figure.n for figure in finding.figures})
    if not counts:
        return "0"
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _what_was_run(outcome: StudyOutcome) -> str:
    selection, env = outcome.selection, environment()
    grid = "quick grid" if selection.quick else "full grid"
    chosen = "".join(
        f", {name} {' '.join(values)}" for name, values in selection.chosen.items() if values
    )
    seeds = "" if selection.seeds is None else f", {selection.seeds} seeds"
    return (
        f"The {grid}{chosen}{seeds}: {outcome.cost.units} runs in this go and "
        f"{len(outcome.results) - outcome.cost.units} from before, "
        f"{len(outcome.records)} records. Estimated {outcome.cost.cpu_seconds / 60:.1f} CPU "
        f"minutes, taken {outcome.cpu_seconds / 60:.1f}, in {outcome.jobs} "
        f"process{'es' if outcome.jobs > 1 else ''}. plantkit {__version__}, "
        f"Python {env['python']}, torch {env['torch']}, {env['platform']}."
    )
