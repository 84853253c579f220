"""`plantkit grade-class`: mark what a whole class handed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from plantkit.cli import options
from plantkit.cli.output import warn
from plantkit.cli.progress import ProgressBar, Verbosity
from plantkit.errors import UsageError
from plantkit.evaluation.requests import Request
from plantkit.grading.grade import clean


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option(
    "--rubric",
    "rubric_path",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The rubric of course staff; its format: plantkit schema rubric.",
)
@click.option(
    "-o",
    "--output",
    "out",
    required=True,
    type=options.OutputDirectory(),
    metavar="DIR",
    help="Where grades are kept. Started again with the same, grading goes on.",
)
@click.option("--host", metavar="NAME", help="Who made FOLDER.  [default: found out]")
@click.option(
    "--roster",
    type=click.Path(path_type=Path),
    metavar="CSV",
    help="Who takes the course, and perhaps whose each file is.",
)
@click.option("--due", metavar="TIME", help="Mark what came later, such as 2026-11-27T18:00.")
@click.option("--assignment", metavar="NAME", help="Which one, where FOLDER holds several.")
@click.option(
    "--given",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Code that was handed out, which is not compared. Repeatable.",
)
@click.option("--only", metavar="ID", multiple=True, help="Grade this one anew. Repeatable.")
@click.option("--anonymise", is_flag=True, help="Print pseudonyms instead of names.")
@options.jobs
@options.isolation
@options.progress
@options.key
@options.challenges
@click.pass_context
def command(
    ctx: click.Context,
    /,
    folder: Path,
    rubric_path: Path,
    out: Path,
    host: str | None,
    roster: Path | None,
    due: str | None,
    assignment: str | None,
    given: tuple[Path, ...],
    only: tuple[str, ...],
    *,
    anonymise: bool,
    verbosity: Verbosity,
    **values: Any,
) -> None:
    """Mark all hand-ins in FOLDER, a folder or zip that a course host exported.

    Hidden criteria are run. DIR gets a gradebook, a file of feedback for each student, and
    summary.html for staff; projector.html is the same without names. What has a grade already is
    not graded again, unless its files, the rubric or plantkit have changed.

    The exit code is 0 when every hand-in has its grade, however good or bad it is, and 1 where
    some could not be graded.

    \b
    Examples:
      plantkit grade-class submissions.zip --rubric rubric.toml -o grades
      plantkit grade-class export --rubric rubric.toml -o grades --roster class.csv
      plantkit grade-class export --rubric rubric.toml -o grades --only doe-jane
    """
    from plantkit.files import write_whole
    from plantkit.grading.classes.directory import ClassDirectory
    from plantkit.grading.classes.grading import grade_class
    from plantkit.grading.classes.job import ClassJob
    from plantkit.grading.classes.likenesses import find_likenesses
    from plantkit.grading.classes.reports import write_reports, write_rows
    from plantkit.grading.classes.secrets import pseudonyms
    from plantkit.grading.classes.shown import lines
    from plantkit.grading.copies.given import given_code
    from plantkit.grading.handins import read_handins
    from plantkit.grading.handins.reading import find_host
    from plantkit.grading.rubric import read_rubric

    rubric = read_rubric(rubric_path)
    _check_places(folder, out)
    handed_out = given_code(given)
    job = ClassJob.of(
        rubric,
        Request(pruners=[str(folder)], **values),
        only=only or None,
        may_lose=host is not None,
    )
    with ClassDirectory(out) as directory:
        handins = read_handins(
            folder,
            work=directory.hand_ins,
            host=host,
            roster=roster,
            due=due,
            assignment=assignment,
        )
        with ProgressBar(verbosity) as progress:
            graded = grade_class(
                job,
                handins,
                directory,
                warn=warn,
                progress=progress.show,
                on_graded=lambda some: write_rows(directory, some),
            )
        findings = find_likenesses(directory, graded, handed_out)
        write_whole(directory.path / "copies.csv", findings.csv())
        figures = write_reports(directory, graded, handins, rubric, copies=findings.html())
        shown = pseudonyms([one.handin.id for one in graded], directory.secret)
    click.echo(f"{folder}, read as {find_host(handins.host).TITLE}", err=True)
    for line in lines(
        rubric.title,
        figures,
        lambda one: shown[one.handin.id] if anonymise else one.handin.name,
        is_anonymous=anonymise,
    ):
        click.echo(line)
    if not anonymise:
        for line in findings.lines():
            click.echo(line)
        for note in handins.notes:
            warn(clean(note))
    if figures.graded and all(one.grade and one.grade.error for one in figures.graded):
        warn(
            f"none of the hand-ins can be loaded; is {folder} what the host exported, and read as "
            "that host's? --host says which it is"
        )
    click.echo(f"\ngradebooks, feedback and summary.html are in {out}", err=True)
    if figures.ungradable:
        click.echo("run the command again to grade what could not be graded", err=True)
        ctx.exit(1)


def _check_places(folder: Path, out: Path) -> None:
    """Checks that the two directories are what they should be, before anything is written.

    Raises:
        UsageError: there is nothing to grade, or what is written would be graded.
    """
    if not folder.exists():
        raise UsageError(f"{folder} does not exist; expected the folder or zip that a host made")
    if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"-o: {out} lies in {folder}, where it would be taken for a hand-in; expected another "
            "place, such as a directory next to it"
        )
