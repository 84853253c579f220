"""`plantkit report`: look at finished evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from plantkit.cli import options
from plantkit.cli.output import write_report
from plantkit.errors import UsageError


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=options.OutputFile(),
    help="Write the page to this file.",
)
@click.option(
    "--plots",
    type=options.OutputDirectory(),
    help="Write the charts to this directory, as SVG and PNG.",
)
@click.option(
    "--tickets",
    "ticket_directories",
    type=options.DIRECTORY,
    multiple=True,
    help="Show the tickets of the unsealed bundles in this directory, too, and the masks on "
    "them: for readers who may know them. Repeatable.",
)
def command(
    runs: Sequence[Path],
    output: Path | None,
    plots: Path | None,
    ticket_directories: Sequence[Path],
) -> None:
    """Make a page of finished evaluations RUN...: charts, tables, and what was found of tickets.

    RUN is a directory of evaluate --run-dir, or a file of evaluate --format json, which has no
    masks to draw. The page is one HTML file that opens without a network. It shows the tickets
    that ship with plantkit or a plugin; of sealed, fresh and secret challenges it holds nothing
    that tells the ticket.

    \b
    Examples:
      plantkit evaluate my_pruner.py --run-dir run
      plantkit report run -o report.html
      plantkit report run --plots figures
    """
    from plantkit.evaluation.run_directory import read_runs
    from plantkit.reports.page import check_plots, write_plots
    from plantkit.scoring.merging import merge

    if output is None and plots is None:
        raise UsageError("nothing to write; give -o FILE for the page, --plots DIR for the charts")
    for directory in ticket_directories:
        if not directory.is_dir():
            raise UsageError(f"--tickets: {directory} is not a directory; expected one of bundles")
    if plots is not None:
        check_plots()
    merged = merge(read_runs(runs))
    evaluation = merged.evaluation
    if plots is not None:
        written = write_plots(evaluation, plots)
        click.echo(f"{len(written)} files written to {plots}", err=True)
    if output is None:
        return
    write_report(
        evaluation,
        output,
        option="--output",
        notes=merged.notes,
        ticket_directories=ticket_directories,
    )
