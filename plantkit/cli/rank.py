"""`plantkit rank`: standings of evaluations that were made before."""

from __future__ import annotations

from pathlib import Path

import click

from plantkit.cli import options
from plantkit.cli.output import evaluation_text, warn, write_output


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.evaluation_format
@options.details
@click.option(
    "--statistics",
    is_flag=True,
    help="Before the standings, print how sure the differences are: a bootstrap, who beats whom, "
    "performance profiles, mean ranks with a critical difference.",
)
@options.output
def command(
    runs: tuple[Path, ...],
    output_format: str,
    *,
    details: bool,
    statistics: bool,
    output: Path | None,
) -> None:
    """Rank the pruners of RUN... together.

    RUN is the directory of an evaluation with --run-dir, or a file of --format json. The runs may
    be of different days and machines; notes say how they differ. Runs whose scores mean different
    things are refused: other bundles, another protocol or another way of scoring. A pruner that is
    in several runs takes part once, with the first run's records.

    \b
    Examples:
      plantkit rank runs/monday runs/tuesday
      plantkit rank runs/monday results.json --statistics
      plantkit rank runs/monday --format latex -o table.tex
    """
    if statistics and output_format != "table":
        raise click.UsageError("--statistics needs --format table")
    from plantkit.evaluation.run_directory import read_runs
    from plantkit.hookspecs import PROJECT
    from plantkit.plugins import load_installed
    from plantkit.reports import find_reporter
    from plantkit.reports.comparisons import comparison_tables
    from plantkit.scoring.merging import merge

    reporter = find_reporter(output_format, load_installed(without=PROJECT).reporters())
    merged = merge(read_runs(runs))
    if output_format != "table":
        for note in merged.notes:
            warn(note)
    text = evaluation_text(
        merged.evaluation,
        reporter,
        details=details,
        styled=output is None,
        tables=comparison_tables(merged.evaluation) if statistics else (),
        notes=merged.notes,
    )
    write_output(text, output)
