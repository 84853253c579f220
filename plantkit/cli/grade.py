"""`plantkit grade`: mark a submission by a rubric."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from plantkit.cli import options
from plantkit.cli.output import print_tracebacks, warn, write_output
from plantkit.cli.progress import ProgressBar, Verbosity
from plantkit.evaluation.requests import Request
from plantkit.files import about
from plantkit.grading.outputs import FORMATS, STAFF_FORMAT, find_output

_SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


def _format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name in reversed(FORMATS):
        command = click.option(
            f"--{name}",
            f"file_{name}",
            type=options.OutputFile(),
            metavar="FILE",
            help=find_output(name).HELP,
        )(command)
    return command


@click.command()
@click.argument("pruner", metavar="PRUNER")
@click.option(
    "--rubric",
    "rubric_path",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The rubric; its format: plantkit schema rubric.",
)
@click.option(
    "--hidden",
    type=click.Choice(["skip", "run", "show"]),
    default="skip",
    help="Hidden criteria: leave out; run, with details in the staff's file only; or show.",
)
@_format_options
@click.option(
    "--github",
    is_flag=True,
    help=f"Annotate on standard output, and append to the file in {_SUMMARY_VARIABLE}.",
)
@options.jobs
@options.isolation
@options.show_errors
@options.progress
@options.key
@options.challenges
@click.pass_context
def command(
    ctx: click.Context,
    /,
    pruner: str,
    rubric_path: Path,
    hidden: str,
    *,
    github: bool,
    show_errors: bool,
    verbosity: Verbosity,
    **values: Any,
) -> None:
    """Mark PRUNER by a rubric: points for every criterion, and what each expected and got.

    PRUNER is a Python file, a notebook, a folder or zip that holds one, - for standard input, or
    the name of an installed pruner. The exit code is 1 below the rubric's pass share; with a file
    that a grading host reads it is 0 once the file is written. Such a file is there from the
    start, and says so if grading breaks off.

    \b
    Examples:
      plantkit grade submissions/my_pruner.py --rubric rubric.toml
      plantkit grade my_pruner.py --rubric rubric.toml --hidden run --json staff.json
      plantkit grade my_pruner.py --rubric rubric.toml --gradescope results.json
    """
    from plantkit.grading.grade import unfinished
    from plantkit.grading.outputs import write_grade

    paths = {name: values.pop(f"file_{name}") for name in FORMATS}
    files = {name: path for name, path in paths.items() if path is not None}
    is_for_host = any(name != STAFF_FORMAT for name in files)
    write_grade(files, unfinished(pruner))
    summary_path = os.environ.get(_SUMMARY_VARIABLE)
    if github and not summary_path:
        raise click.UsageError(
            f"--github needs the environment variable {_SUMMARY_VARIABLE}, which GitHub Actions "
            "sets; leave --github out elsewhere",
            ctx,
        )
    if github and summary_path:
        with about(summary_path), Path(summary_path).open("ab"):
            pass  # before the work: can it be written?
    from plantkit.grading.grader import grade_submission
    from plantkit.grading.outputs import github as actions
    from plantkit.grading.outputs import table
    from plantkit.grading.rubric import read_rubric

    def show(found: Iterable[tuple[str, str]]) -> None:
        print_tracebacks((where, table.without_commands(traceback)) for where, traceback in found)

    with ProgressBar(verbosity) as progress:
        grade = grade_submission(
            read_rubric(rubric_path),
            Request(pruners=[pruner], **values),
            with_hidden=hidden != "skip",
            missing_is_zero=is_for_host,
            warn=warn,
            progress=progress.show,
            on_errors=show if show_errors else lambda _: None,
        )
    try:
        write_grade(files, grade)
    finally:  # whatever cannot be written, the grade is shown
        write_output(table.render(grade if hidden == "show" else grade.for_students()))
    if github and summary_path:
        with (
            about(summary_path),
            Path(summary_path).open("a", encoding="utf-8", newline="\n") as file,
        ):
            file.write(actions.summary(grade))
        for line in actions.annotation_commands(grade):
            click.echo(line)
    for name, path in files.items():
        click.echo(f"{name} written to {path}", err=True)
    if not grade.passed and not is_for_host:
        ctx.exit(1)
