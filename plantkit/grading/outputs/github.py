"""GitHub Actions: a step summary in Markdown, and annotations as workflow commands."""

from __future__ import annotations

import re

from plantkit.grading.grade import Grade, Mark, MarkVerdict
from plantkit.grading.outputs import fitted
from plantkit.reports.tables import render_table

_MOST_SUMMARY_BYTES = 1024 * 1024
#: GitHub shows ten annotations per step.
_MOST_ANNOTATIONS = 10
_SIGNS = {
    MarkVerdict.PASSED: "✅",
    MarkVerdict.PARTIAL: "🟡",
    MarkVerdict.FAILED: "❌",
    MarkVerdict.INVALID: "⛔",
    MarkVerdict.ERROR: "💥",
    MarkVerdict.NOT_RUN: "not run",
}
#: What Markdown, HTML or GitHub's own links give a meaning to: some characters everywhere, colons
#: of addresses and of emoji, dots of addresses, and what begins a list or a heading.
_SPECIAL = re.compile(
    r"[\\`*_\[\]<>#|~@&$]|:(?=\S)|(?<=www)\.|^\s*[-+=]|^\s*\d+[.)](?=\s|$)", re.I | re.M
)


def summary(grade: Grade) -> str:
    """Returns the grade in Markdown, at most 1024 KiB; hidden criteria are folded."""
    return fitted(_summary, grade.for_students(), _MOST_SUMMARY_BYTES)


def annotation_commands(grade: Grade) -> list[str]:
    """Returns one workflow command for each criterion that was not passed, ten at most."""
    grade = grade.for_students()
    file = grade.path or ""
    if grade.error:
        return [_command("error", file, grade.error_line or 1, grade.title, grade.error)]
    commands = [
        _command(
            "warning" if mark.verdict is MarkVerdict.PARTIAL else "error",
            file,
            1,
            f"{mark.name} ({mark.points:g} of {mark.max_points:g} points)",
            mark.feedback(),
        )
        for mark in grade.run_marks
        if mark.verdict is not MarkVerdict.PASSED
    ]
    if len(commands) > _MOST_ANNOTATIONS:
        rest = len(commands) - (_MOST_ANNOTATIONS - 1)
        more = _command("error", file, 1, grade.title, f"{rest} more criteria were not passed")
        commands = [*commands[: _MOST_ANNOTATIONS - 1], more]
    return commands


def _summary(grade: Grade) -> str:
    verdict = "passed" if grade.passed else "not passed"
    points = f"**{grade.points:g} of {grade.max_points:g} points**"
    parts = [f"## {escaped(grade.title)}", f"{points}, {verdict}: {escaped(grade.submission)}"]
    if grade.error:
        parts.append(escaped(grade.error))
    if grade.marks:
        headers = ("", "criterion", "expected", "got", "points")
        parts.append(render_table(headers, map(_row, grade.marks), "github"))
    if any(mark.verdict is MarkVerdict.NOT_RUN for mark in grade.marks):
        parts.append("Hidden criteria were not run here; they count in the final grade.")
    return "\n\n".join(parts) + "\n"


def _row(mark: Mark) -> tuple[str, ...]:
    texts = [escaped(text) for text in (mark.name, mark.description, mark.message) if text]
    points = "?" if mark.verdict is MarkVerdict.NOT_RUN else f"{mark.points:g}"
    return (
        _SIGNS[mark.verdict],
        "<br>".join(texts),
        escaped(mark.expected),
        escaped(mark.got),
        f"{points} of {mark.max_points:g}",
    )


def escaped(text: str) -> str:
    """Returns text that Markdown shows as it is, on one line."""

    def entities(found: re.Match[str]) -> str:
        return "".join(c if c.isalnum() or c.isspace() else f"&#{ord(c)};" for c in found[0])

    return _SPECIAL.sub(entities, text).replace("\n", "<br>")


def _command(kind: str, file: str, line: int, title: str, message: str) -> str:
    place = f"file={_property(file)},line={line}," if file else ""
    return f"::{kind} {place}title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
