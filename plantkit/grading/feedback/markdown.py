"""Feedback in Markdown, as GitHub's summary has it."""

from __future__ import annotations

from plantkit.grading.grade import Grade
from plantkit.grading.outputs.github import escaped, summary

SUFFIX = ".md"


def render(grade: Grade, remarks: list[str]) -> str:
    """Returns the grade in Markdown; hidden criteria are folded."""
    return summary(grade) + "".join(f"\n{escaped(remark)}\n" for remark in remarks)
