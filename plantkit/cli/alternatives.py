"""`plantkit alternatives`: is the planted ticket the only one?"""

from __future__ import annotations

from pathlib import Path

import click

from plantkit.cli.options import (
    FiniteRange,
    challenges_option,
    isolation_option,
    jobs_option,
    key_option,
    memory_limit_option,
    result_file_option,
    time_limit_option,
)


@click.command()
@click.argument("challenges", metavar="CHALLENGE...", nargs=-1, required=True)
@click.option(
    "--pruner",
    "pruners",
    multiple=True,
    help="A pruner that searches, a file or an installed one's name. Repeatable.  [default: gates]",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="Runs of each."
)
@click.option(
    "--tolerance",
    type=FiniteRange(min=0, max=1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Share of the ticket's gain over the constant predictor that an alternative may lose "
    "and still be as good.",
)
@click.option(
    "--candidates",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    help="Parameters to screen as a replacement of each ticket entry, at most.",
)
@click.option(
    "--measured",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="The best of these, to measure on all data.",
)
@click.option("--write", is_flag=True, help="Write alternatives.json into each bundle's directory.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "markdown", "json"]),
    default="table",
    show_default=True,
)
@result_file_option
@jobs_option
@time_limit_option(300.0)
@memory_limit_option(4096)
@isolation_option
@key_option
@challenges_option
def command(
    challenges: tuple[str, ...],
    pruners: tuple[str, ...],
    seeds: int,
    tolerance: float,
    candidates: int,
    measured: int,
    write: bool,
    output_format: str,
    output: Path | None,
    jobs: int | None,
    time_limit: float,
    memory_limit: int,
    isolation: str,
    key_file: Path | None,
    challenge_directories: tuple[Path, ...],
) -> None:
    """Say what is known of other tickets of CHALLENGE..., as sparse and as good as the planted one.

    Pruners search at the planted density, as in an evaluation: without a look at the ticket.
    Then, with a look at it, every ticket entry is dropped, and exchanged for other parameters
    of its layer. For organisers: it takes the truth, and with --key opens a sealed one.

    \b
    Examples:
      plantkit alternatives circle-5x100
      plantkit alternatives circle-5x100 helix-5x100 --pruner gates --pruner supermask --seeds 3
      plantkit alternatives challenges/circle-5x100 --write
    """
    import datetime
    import json

    from plantkit.challenges import bundles, catalog
    from plantkit.challenges.sealing import find_secret_key
    from plantkit.cli import warn, write_output
    from plantkit.cli.progress import ProgressBar
    from plantkit.errors import UsageError
    from plantkit.plugins import load_installed
    from plantkit.research.alternatives.inquiry import DEFAULT_PRUNERS, Inquiry, inquire
    from plantkit.research.alternatives.neighbourhood import Effort
    from plantkit.research.alternatives.report import render
    from plantkit.research.records import ALTERNATIVES

    if output is not None and not output.parent.is_dir():
        raise UsageError(f"--output: {output.parent} is not a directory")
    key = find_secret_key(key_file)
    found = catalog.find(challenge_directories, plugins=load_installed().challenge_directories())
    inquiry = Inquiry(
        pruners=pruners or DEFAULT_PRUNERS,
        seeds=seeds,
        effort=Effort(tolerance=tolerance, candidates=candidates, measured=measured),
        jobs=jobs,
        time_seconds=time_limit,
        memory_mib=memory_limit,
        isolation=isolation,
    )
    # All are loaded before the first long search: what cannot be used fails at once.
    loaded = [bundles.load(found.bundle(name), key=key) for name in dict.fromkeys(challenges)]
    date = datetime.datetime.now(datetime.UTC).date()
    records = []
    with ProgressBar() as bar:
        for challenge in loaded:
            record = inquire(challenge, inquiry, date=date, warn=warn, progress=bar.show)
            records.append(record)
            if write:
                text = json.dumps(record, indent=2) + "\n"
                write_output(text, challenge.path / ALTERNATIVES, option="--write")
    if output_format == "json":
        write_output(json.dumps(records, indent=2) + "\n", output)
    else:
        write_output(render(records, markdown=output_format == "markdown"), output)
