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
def study_findings(name: str) -> str:
    """Returns what the stored records of a study say about its claims."""
    from plantkit.research.studies import find_study
    from plantkit.research.studies.report import findings_table

    padded = findings_table(find_study(name).findings(study_records(name))).rstrip()
    return re.sub(r"-{3,}", "---", re.sub(r" +\|", " |", padded))


@source
def study_runs(name: str) -> str:
    """Returns how many runs of a study are stored."""
    return f"{len(study_records(name)):,}"


@source
def claims(page: str, verdict: str, heading: str = "") -> str:
    """Returns how many rows of a page's first table of claims have a verdict, or `any`."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    text = text[text.index(f"## {heading.replace('_', ' ')}") :]
    start = text.index("| Claim |")
    verdicts = re.findall(r"\| \*\*(.+)\*\* \|", text[start : text.index("\n\n", start)])
    return str(len(verdicts) if verdict == "any" else verdicts.count(verdict.replace("_", " ")))


@source
def verdicts(page: str, heading: str) -> str:
    """Returns how the claims of a page's table were judged, in words."""
    words = ("reproduced", "not reproduced", "not tested")
    return ", ".join(f"{claims(page, word.replace(' ', '_'), heading)} {word}" for word in words)
