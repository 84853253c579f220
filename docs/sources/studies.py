"""Figures of studies, and of claims on pages."""

from __future__ import annotations

import re
from typing import Any

from sources import RESULTS, ROOT, read, source


def study_records(name: str) -> Any:
    """Returns the records of a study in `results/study-NAME.json`; none without the file."""
    from plantkit.research.studies.records import Records, StudyRecord

    path = RESULTS / f"study-{name}.json"
    stored = read(path)["records"] if path.exists() else []
    return Records(StudyRecord(**record) for record in stored)


@source
def study_findings(name: str, *claims: str) -> str:
    """Returns what the stored records of a study say about its claims, or about some of them."""
    from plantkit.research.studies import find_study
    from plantkit.research.studies.report import findings_table

    found = find_study(name).findings(study_records(name))
    return _bare(findings_table([one for one in found if not claims or one.claim.id in claims]))


@source
def study_tables(name: str) -> str:
    """Returns the tables of a study's stored records."""
    from plantkit.reports.tables import render_table
    from plantkit.research.studies import find_study

    tables = find_study(name).tables(study_records(name))
    return "\n\n".join(
        f"**{table.title}**\n\n"
        + _bare(
            render_table(list(table.rows[0]), [list(row.values()) for row in table.rows], "github")
        )
        for table in tables
    )


@source
def study_costs() -> str:
    """Returns what the lottery-ticket studies cost, by network, with one seed and with five."""
    rows = []
    for cost in read(RESULTS / "study-costs.json")["networks"].values():
        hours = cost["hours"]
        row = [
            cost["title"],
            f"{cost['parameters']:,}",
            f"{1000 * cost['step_seconds']:.3g} ms",
            *(
                _duration(hours[name]) if name in hours else "-"
                for name in ("lottery", "stability")
            ),
        ]
        rows.append(f"| {' | '.join(row)} |")
    header = ["network", "parameters", "a step", "lottery, one seed", "stability, one seed"]
    return "\n".join([f"| {' | '.join(header)} |", "|---|---|---|---|---|", *rows])


def _duration(hours: float) -> str:
    if hours < 0.1:
        return f"{3600 * hours:.0f} seconds"
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"


def _bare(table: str) -> str:
    """Returns a Markdown table without the spaces that align it."""
    return re.sub(r"-{3,}", "---", re.sub(r" +\|", " |", table.rstrip()))


@source
def study_runs(name: str) -> str:
    """Returns how many runs of a study are stored."""
    return f"{len(study_records(name)):,}"


@source
def claims(page: str, verdict: str, heading: str = "") -> str:
    """Returns how many rows of the tables of claims under a heading have a verdict, or `any`."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    under = text[text.index(f"## {heading.replace('_', ' ')}") :].split("\n## ")[0]
    verdicts = re.findall(r"\| \*\*(.+)\*\* \|$", under, re.MULTILINE)
    return str(len(verdicts) if verdict == "any" else verdicts.count(verdict.replace("_", " ")))


@source
def verdicts(page: str, heading: str) -> str:
    """Returns how the claims of a page's table were judged, in words."""
    from plantkit.research.studies.claims import ClaimVerdict

    return ", ".join(
        f"{claims(page, verdict.replace(' ', '_'), heading)} {verdict}" for verdict in ClaimVerdict
    )
