"""Writes what is read of a class: gradebooks, feedback, the pages and the history."""

from __future__ import annotations

from collections.abc import Sequence

from plantkit.errors import MissingExtraError
from plantkit.files import write_whole
from plantkit.grading.classes.directory import ClassDirectory
from plantkit.grading.classes.figures import ClassFigures, class_figures
from plantkit.grading.classes.graded import GradedHandIn
from plantkit.grading.classes.secrets import pseudonyms
from plantkit.grading.classes.summary import render_summary
from plantkit.grading.gradebooks import FORMATS, find_gradebook, render_gradebook
from plantkit.grading.handins import HandIns
from plantkit.grading.rubric import Rubric
from plantkit.isolation.wire import Limits

SUMMARY, PROJECTOR = "summary.html", "projector.html"
_PLAIN = "plain"


def write_rows(directory: ClassDirectory, graded: Sequence[GradedHandIn]) -> None:
    """Writes the plain gradebook as far as it is known."""
    _write_gradebook(directory, _PLAIN, graded)


def write_reports(
    directory: ClassDirectory,
    graded: Sequence[GradedHandIn],
    handins: HandIns,
    rubric: Rubric,
    *,
    copies: str = "",
) -> ClassFigures:
    """Writes all gradebooks, feedback, the pages and the history, and returns the figures.

    A gradebook whose extra is not installed is left out.

    Args:
        copies: HTML on hand-ins that are alike.
    """
    notes = list(handins.notes)
    for name in FORMATS:
        try:
            notes += _write_gradebook(directory, name, graded, told=notes)
        except MissingExtraError as error:
            notes.append(f"{find_gradebook(name).FILE} was not written: {error}")
    directory.write_history()
    directory.write_feedback(graded)
    figures = class_figures(
        graded,
        {one.handin.id: directory.records_of(one.handin.id) for one in graded},
        Limits(time_seconds=rubric.run.time_seconds, memory_mib=rubric.run.memory_mib),
    )
    names = pseudonyms([one.handin.id for one in graded], directory.secret)
    for file, is_anonymous in ((SUMMARY, False), (PROJECTOR, True)):
        page = render_summary(
            rubric.title,
            figures,
            names,
            is_anonymous=is_anonymous,
            notes=list(dict.fromkeys(notes)),
            copies=copies,
        )
        write_whole(directory.path / file, page)
    return figures


def _write_gradebook(
    directory: ClassDirectory,
    name: str,
    graded: Sequence[GradedHandIn],
    *,
    told: Sequence[str] = (),
) -> list[str]:
    """Writes a gradebook, and returns the notes on it that are not yet `told`."""
    book = render_gradebook(name, graded)
    write_whole(directory.path / "gradebooks" / find_gradebook(name).FILE, book.content)
    notes = [note for note in book.notes if note not in told]
    return notes if name == _PLAIN else [f"{find_gradebook(name).FILE}: {note}" for note in notes]
