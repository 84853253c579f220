"""`plantkit evaluate`: rank pruners on planted tickets."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plantkit.cli import options
from plantkit.cli.output import (
    complain,
    evaluation_text,
    print_tracebacks,
    warn,
    warnings,
    write_output,
    write_report,
)
from plantkit.cli.progress import ProgressBar, Verbosity
from plantkit.errors import PluginError

if TYPE_CHECKING:
    from plantkit.evaluation.requests import Request
    from plantkit.evaluation.run import EvaluationOutcome


@click.command()
@click.argument("pruners", metavar="PRUNER...", nargs=-1, required=True)
@click.option("--suite", metavar="NAME", help="Suite of challenges.  [default: starter]")
@click.option(
    "--challenge",
    "challenges",
    metavar="ID",
    multiple=True,
    help="A challenge, by id or path, instead of a suite. Repeatable.",
)
@options.densities("protocol")
@click.option("--seeds", type=click.IntRange(min=1), help="Runs of each pruner at each density.")
@click.option(
    "--baselines",
    default="suite",
    metavar="NAMES|suite|all|none",
    help="Installed pruners to rank with yours, separated by commas; the suite's own list, "
    "all that are installed, or none.",
)
@options.evaluation_format
@options.details
@options.output
@click.option(
    "--report",
    type=options.OutputFile(),
    help="Write a page with charts, tables and networks to this file as well; see: plantkit "
    "report.",
)
@click.option(
    "--run-dir",
    "run_directory",
    type=options.OutputDirectory(),
    help="Keep records and masks here, each saved as it is made.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --run-dir.")
@options.jobs
@options.device
@options.executor
@click.option(
    "--no-cache",
    "cached",
    flag_value=False,
    default=True,
    show_default=False,
    help="Compute everything anew, and keep nothing for later evaluations.",
)
@options.limits()
@options.isolation
@options.show_errors
@options.progress
@click.option(
    "--watch",
    is_flag=True,
    help="Stay, and evaluate again whenever a PRUNER's files have changed; what -o and --report "
    "name is written anew each time. Ctrl-C ends it.",
)
@click.option("--strict-plugins", is_flag=True, help="Fail if any installed plugin is broken.")
@click.option(
    "--fresh",
    type=click.IntRange(min=1, max=1000),
    metavar="N",
    help="Score on N new instances of each kind of challenge instead, planted now from secret "
    "seeds.",
)
@click.option(
    "--fresh-seed-env",
    metavar="NAME",
    help="Derive those seeds from the secret in this environment variable, so that everyone "
    "who is given it gets the same instances.",
)
@options.key
@options.challenges
@click.pass_context
def command(
    ctx: click.Context,
    /,
    output: Path | None,
    *,
    details: bool,
    report: Path | None,
    show_errors: bool,
    verbosity: Verbosity,
    **values: Any,
) -> None:
    """Run PRUNER... on planted tickets and rank them.

    PRUNER is a Python file, a notebook, a folder or zip that holds one, - for standard input, or
    the name of an installed pruner, with options after a colon where it has any. Each runs in a
    process of its own, which never sees the ticket, unless you ask for --isolation none. Results
    go to standard output, progress and messages to standard error. The exit code is 1 if any run
    of a PRUNER failed.

    \b
    Examples:
      plantkit evaluate submissions/my_pruner.py
      plantkit evaluate my_pruner.py --challenge circle-5x100 --density 10x --seeds 1
      plantkit evaluate synflow:iterations=10 synflow --baselines none
      plantkit evaluate my_pruner.py --format json -o results.json
      plantkit evaluate my_pruner.py --report report.html
      plantkit evaluate my_pruner.py --fresh 2
      plantkit evaluate my_pruner.py --watch
    """
    from plantkit.evaluation.requests import Request
    from plantkit.evaluation.run import run_evaluation

    is_drawn = report is not None or values["output_format"] == "html"
    request = Request(keeps_masks=is_drawn, **values)
    teller = ProgressBar(verbosity)

    def show(result: EvaluationOutcome) -> int:
        """Prints and writes what came of an evaluation, and returns the exit code."""
        if result.is_remembered:
            teller.tell(
                f"nothing has changed since {result.evaluation.started[:16].replace('T', ' ')} "
                "UTC: these are the results of then (--no-cache runs everything again)"
            )
        text = evaluation_text(
            result.evaluation, result.reporter, details=details, styled=output is None
        )
        write_output(text, output)
        if show_errors:
            print_tracebacks(
                (
                    f"{one.pruner} on {one.challenge} at density {one.target_density:.4g}, seed "
                    f"{one.seed}",
                    one.traceback,
                )
                for one in result.evaluation.records
            )
        if report is not None:
            teller.tell("writing the report")
            write_report(result.evaluation, report, option="--report")
        if output is not None:
            teller.tell(f"results written to {output}")
        return int(result.failed)

    if request.watch:
        code = _watch(request, show, verbosity, show_errors=show_errors)
    else:
        with warnings(show_errors=show_errors) as tell, ProgressBar(verbosity) as progress:
            result = run_evaluation(request, warn=tell, progress=progress.show)
        code = show(result)
    if code:
        ctx.exit(code)


def _watch(
    request: Request,
    show: Callable[[EvaluationOutcome], int],
    verbosity: Verbosity,
    *,
    show_errors: bool,
) -> int:
    """Shows an evaluation, and another whenever a submission has changed, until an interrupt.

    Returns the exit code of the last one.
    """
    from plantkit.evaluation import watching
    from plantkit.evaluation.remembered import check_code, note_code
    from plantkit.evaluation.run import run_evaluation, start_evaluation

    sources = watching.watched_sources(request)
    named = zip(request.pruners, sources, strict=True)
    files = ", ".join(text for text, source in named if source.path is not None)
    teller = ProgressBar(verbosity)
    code = None
    try:
        with start_evaluation(request, warn) as started:
            note_code()
            for read in watching.versions(sources):
                check_code()
                if code is not None:
                    teller.tell(f"--- {time.strftime('%H:%M:%S')} ---")
                try:
                    with warnings(show_errors=show_errors) as tell, ProgressBar(verbosity) as bar:
                        result = run_evaluation(
                            request, warn=tell, progress=bar.show, sources=read, started=started
                        )
                    code = show(result)
                except PluginError as error:  # of the submission, which is being written
                    complain(error)
                    code = error.exit_code
                teller.tell(f"watching {files}; Ctrl-C ends")
    except KeyboardInterrupt:
        if code is None:
            raise
        teller.tell("")  # below the ^C
    return code or 0
