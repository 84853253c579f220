"""`plantkit alternatives`: is the planted ticket the only one?"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import click

from plantkit.cli import options
from plantkit.cli.output import json_text, warn, write_output, write_record
from plantkit.cli.progress import ProgressBar, Verbosity
from plantkit.files import check_file


@click.command()
@click.argument("challenges", metavar="CHALLENGE...", nargs=-1, required=True)
@click.option(
    "--pruner",
    "pruners",
    multiple=True,
    help="A pruner that searches, a file or an installed one's name. Repeatable.  [default: gates]",
)
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, help="Runs of each.")
@click.option(
    "--tolerance",
    type=options.FiniteRange(min=0, max=1, min_open=True, max_open=True),
    default=0.01,
    help="Share of the ticket's gain over the constant predictor that an alternative may lose "
    "and still be as good.",
)
@click.option(
    "--entries",
    type=click.IntRange(min=1),
    help="Ticket entries to look at, at most.  [default: 4096; for images 200]",
)
@click.option(
    "--candidates",
    type=click.IntRange(min=1),
    help="Parameters to screen as a replacement of each of them, at most.  "
    "[default: 4096; for images 64]",
)
@click.option(
    "--measured",
    type=click.IntRange(min=1),
    help="The best of these, to measure on all data.  [default: 32; for images 8]",
)
@click.option("--write", is_flag=True, help="Write alternatives.json into each bundle's directory.")
@options.formats("table", "markdown", "json")
@options.output
@options.jobs
@options.limits()
@options.isolation
@options.progress
@options.key
@options.challenges
def command(
    challenges: tuple[str, ...],
    pruners: tuple[str, ...],
    write: bool,
    output_format: str,
    output: Path | None,
    key_file: Path | None,
    challenge_directories: tuple[Path, ...],
    verbosity: Verbosity,
    **values: Any,
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
    from plantkit.challenges import bundles
    from plantkit.challenges.frozen import ALTERNATIVES
    from plantkit.challenges.sealing import find_secret_key
    from plantkit.plugins import find_challenges
    from plantkit.research.alternatives.inquiry import DEFAULT_PRUNERS, Inquiry, inquire
    from plantkit.research.alternatives.report import render

    key = find_secret_key(key_file)
    found = find_challenges(challenge_directories)
    inquiry = Inquiry(
        pruners=pruners or DEFAULT_PRUNERS,
        **values,
    )
    # All are loaded before the first long search: what cannot be used fails at once.
    loaded = [bundles.load(found.bundle(name), key=key) for name in dict.fromkeys(challenges)]
    for challenge in loaded if write else []:
        options.tried(check_file, challenge.path / ALTERNATIVES, "--write")
    date = datetime.datetime.now(datetime.UTC).date()
    records = []
    with ProgressBar(verbosity) as bar:
        for challenge in loaded:
            record = inquire(challenge, inquiry, date=date, warn=warn, progress=bar.show)
            records.append(record)
            if write:
                write_record(challenge.path, ALTERNATIVES, record, option="--write")
    if output_format == "json":
        write_output(json_text(records), output)
    else:
        write_output(render(records, markdown=output_format == "markdown"), output)
