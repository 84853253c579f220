"""`plantkit study`: a paper's experiments, and what becomes of its claims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plantkit.cli import options
from plantkit.cli.output import json_text, warn, write_output
from plantkit.cli.progress import ProgressBar, Verbosity
from plantkit.files import about

if TYPE_CHECKING:
    from plantkit.research.studies.records import Coordinate
    from plantkit.research.studies.study import Study


class StudyGroup(click.Group):
    """Has a command for every registered study, made when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from plantkit.research.studies import STUDIES

        return sorted(STUDIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from plantkit.research.studies import find_study

        return _study_command(find_study(cmd_name))


@click.command(
    cls=StudyGroup, invoke_without_command=True, subcommand_metavar="[NAME] [OPTIONS]..."
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Repeat a paper's experiments and judge its claims by them; list the studies without NAME.

    A study says what it costs before it starts. With --run-dir every run is saved when it is
    done, and --resume goes on with what a killed run left. Exit code 1 if a run failed.

    \b
    Examples:
      plantkit study
      plantkit study plant-n-seek --quick --jobs 2 --run-dir pns --plots pns/plots
      plantkit study plant-n-seek --task circle --depth 5 --run-dir pns --resume
    """
    if ctx.invoked_subcommand is None:
        from plantkit.research.studies import STUDIES, find_study

        for name in STUDIES:
            study = find_study(name)
            click.echo(f"{name}: {study.title} ({study.reference})")


def _study_command(study: Study) -> click.Command:
    @click.option("--quick", is_flag=True, help="The small grid: minutes, not hours.")
    @click.option("--seeds", type=click.IntRange(min=1), help="Repetitions.  [default: the grid's]")
    @click.option(
        "--run-dir", type=options.OutputDirectory(), help="Directory that keeps every run."
    )
    @click.option("--resume", is_flag=True, help="Go on with what is in --run-dir.")
    @click.option("--jobs", type=click.IntRange(min=1), default=1, help="Processes.")
    @click.option("--cost", is_flag=True, help="Only say what it would cost.")
    @click.option(
        "--plots",
        type=options.OutputDirectory(),
        help='Directory to draw plots into; needs pip install "plantkit[studies]".',
    )
    @options.formats("markdown", "json")
    @options.output
    @options.progress
    @click.pass_context
    def run(
        ctx: click.Context,
        /,
        quick: bool,
        seeds: int | None,
        run_dir: Path | None,
        resume: bool,
        jobs: int,
        cost: bool,
        plots: Path | None,
        output_format: str,
        output: Path | None,
        verbosity: Verbosity,
        **chosen: tuple[str, ...],
    ) -> None:
        from plantkit.research.studies.plotting import check_extra
        from plantkit.research.studies.report import report_json, report_markdown
        from plantkit.research.studies.runner import estimate, run_study
        from plantkit.research.studies.study import Selection

        values = {name.removeprefix("choice_"): texts for name, texts in chosen.items() if texts}
        selection = Selection(quick=quick, seeds=seeds, chosen=values)
        if resume and run_dir is None:
            raise click.UsageError("--resume needs the --run-dir to go on with", ctx)
        if cost:
            click.echo(estimate(study, selection))
            return
        if plots is not None:
            check_extra()  # before hours of work, not after

        with ProgressBar(verbosity) as progress:

            def show(result: Any, done: int, total: int) -> None:
                progress.show(f"{result.unit} took {result.cpu_seconds:.1f} s", done, total)
                if result.error:
                    warn(result.error)

            outcome = run_study(
                study,
                selection,
                directory=run_dir,
                resume=resume,
                jobs=jobs,
                on_cost=lambda stated: progress.tell(str(stated)),
                on_result=show,
            )
        drawn = []
        try:
            if plots is not None:
                with about(plots):
                    drawn = study.draw(outcome.records, plots)
        finally:  # whatever becomes of the plots, the report is not lost
            if output_format == "json":
                write_output(json_text(report_json(outcome)), output)
            else:
                write_output(report_markdown(outcome, drawn), output)
        if outcome.failures:
            ctx.exit(1)

    for name, text in reversed(list(study.choices.items())):
        run = click.option(
            f"--{name}",
            f"choice_{name}",
            multiple=True,
            type=click.Choice([str(value) for value in sorted(study.values(name), key=_order)]),
            help=f"{text} Repeatable.  [default: all of the grid]",
        )(run)
    return click.command(study.name, help=f"{study.title} ({study.reference}).")(run)


def _order(value: Coordinate) -> tuple[float, str]:
    """Returns the place of a choice: numbers by size, words by letter."""
    return (0.0 if isinstance(value, str) else float(value)), str(value)
