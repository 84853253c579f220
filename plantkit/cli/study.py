"""`plantkit study`: a paper's experiments, and what becomes of its claims."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from plantkit.cli import options
from plantkit.cli.output import json_text, warn, write_output
from plantkit.cli.progress import ProgressBar, Verbosity
from plantkit.files import about

if TYPE_CHECKING:
    from plantkit.research.studies.records import Coordinate
    from plantkit.research.studies.study import Study


#: Options that say what is to be run, and how.
_FOR_RUNNING = (
    *("run_dir", "resume", "part", "jobs", "executor", "scheduler", "cost", "data", "device"),
)


class PartType(click.ParamType[tuple[int, int]]):
    """K/N, the k-th of n parts."""

    name = "part"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        number, _, count = str(value).partition("/")
        if not (number.isascii() and number.isdigit() and count.isascii() and count.isdigit()):
            self.fail(f"{value!r} is not a part; expected K/N, such as 3/20", param, ctx)
        if not 1 <= int(number) <= int(count):
            self.fail(f"there is no part {number} of {count}; expected 1 to {count}", param, ctx)
        return int(number), int(count)


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
    done, and --resume goes on with what a killed run left. --part runs a share of the grid;
    given the directories of such runs, a study puts them together and runs nothing. Exit code 1
    if a run failed.

    \b
    Examples:
      plantkit study
      plantkit study plant-n-seek --quick --jobs 2 --run-dir pns --plots pns/plots
      plantkit study plant-n-seek --task circle --depth 5 --run-dir pns --resume
      plantkit study plant-n-seek --part 3/20 --run-dir pns-3
      plantkit study plant-n-seek pns-1 pns-2 pns-3 -o pns.md
    """
    if ctx.invoked_subcommand is None:
        from plantkit.research.studies import STUDIES, find_study

        for name in STUDIES:
            study = find_study(name)
            click.echo(f"{name}: {study.title} ({study.reference})")


def _study_command(study: Study) -> click.Command:
    @click.argument("runs", metavar="[RUN]...", nargs=-1, type=click.Path(path_type=Path))
    @click.option("--quick", is_flag=True, help="The small grid: minutes, not hours.")
    @click.option("--seeds", type=click.IntRange(min=1), help="Repetitions.  [default: the grid's]")
    @click.option(
        "--run-dir", type=options.OutputDirectory(), help="Directory that keeps every run."
    )
    @click.option("--resume", is_flag=True, help="Go on with what is in --run-dir.")
    @click.option(
        "--part", type=PartType(), metavar="K/N", help="Only the K-th of N parts that cost alike."
    )
    @click.option("--jobs", type=click.IntRange(min=1), default=1, help="Processes.")
    @options.executor
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
        runs: tuple[Path, ...],
        quick: bool,
        seeds: int | None,
        run_dir: Path | None,
        resume: bool,
        part: tuple[int, int] | None,
        jobs: int,
        executor: str,
        scheduler: str | None,
        cost: bool,
        plots: Path | None,
        output_format: str,
        output: Path | None,
        verbosity: Verbosity,
        data: Path | None = None,
        device: str = "cpu",
        **chosen: tuple[str, ...],
    ) -> None:
        from plantkit.evaluation.run import executor_called
        from plantkit.research.studies.plotting import check_extra
        from plantkit.research.studies.report import report_json, report_markdown
        from plantkit.research.studies.runner import estimate, merge_runs, run_study
        from plantkit.research.studies.study import Selection

        values = {name.removeprefix("choice_"): texts for name, texts in chosen.items() if texts}
        selection = Selection(
            quick=quick, seeds=seeds, chosen=values, part=part, data=data, device=device
        )
        if runs:
            _check_nothing_runs(ctx)
        if resume and run_dir is None:
            raise click.UsageError("--resume needs the --run-dir to go on with", ctx)
        if cost:
            click.echo(estimate(study, selection))
            return
        if plots is not None:
            check_extra()  # before hours of work, not after

        with contextlib.ExitStack() as stack:
            progress = stack.enter_context(ProgressBar(verbosity))

            def show(result: Any, done: int, total: int) -> None:
                progress.show(f"{result.unit} took {result.cpu_seconds:.1f} s", done, total)
                if result.error:
                    warn(result.error)

            if runs:
                outcome = merge_runs(study, selection, runs)
            else:
                working = executor_called(executor, scheduler=scheduler, jobs=jobs, device=device)
                outcome = run_study(
                    study,
                    selection,
                    directory=run_dir,
                    resume=resume,
                    executor=stack.enter_context(working),
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

    if study.on_images:
        run = options.image_files(options.device(run))
    for name, text in reversed(list(study.choices.items())):
        run = click.option(
            f"--{name}",
            f"choice_{name}",
            multiple=True,
            type=click.Choice([str(value) for value in sorted(study.values(name), key=_order)]),
            help=f"{text} Repeatable.  [default: all of the grid]",
        )(run)
    return click.command(study.name, help=f"{study.title} ({study.reference}).")(run)


def _check_nothing_runs(ctx: click.Context) -> None:
    """Checks that no option is given that says how to run what is only put together."""
    for name in _FOR_RUNNING:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name.replace('_', '-')} is for runs to be made; the runs given as RUN are "
                "only put together: leave it out",
                ctx,
            )


def _order(value: Coordinate) -> tuple[float, str]:
    """Returns the place of a choice: numbers by size, words by letter."""
    return (0.0 if isinstance(value, str) else float(value)), str(value)
