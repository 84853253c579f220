"""`plantkit export`: a suite as a competition on another platform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from plantkit.cli import options


@click.group()
def command() -> None:
    """Write a suite as a competition of another platform.

    \b
    Examples:
      plantkit export codabench --suite starter --docker-image NAME:TAG -o bundle.zip
    """


@command.command()
@click.option("--suite", required=True, metavar="NAME", help="The suite of challenges.")
@click.option(
    "--docker-image",
    required=True,
    metavar="IMAGE",
    help="Image that Codabench runs: Python with this version of plantkit.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=options.OutputFile(),
    metavar="FILE",
    help="The zip to write. It holds the truth: for Codabench only.",
)
@click.option("--title", metavar="TEXT", help="Of the competition.  [default: the suite's]")
@click.option("--seeds", type=click.IntRange(min=1), help="Runs per density, not the suite's.")
@options.limits(seconds=60.0, mib=2048)
@click.option(
    "--total-time",
    "execution_seconds",
    type=click.IntRange(min=1),
    default=3600,
    metavar="SECONDS",
    help="Wall time of all runs of a submission.",
)
@click.option("--start", type=click.DateTime(), help="When submissions open, UTC.  [default: now]")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    help="Secret key of sealed challenges, to be put into the scoring program.  "
    "[default: not in the zip; organisers give it to the scoring container]",
)
@options.challenges
def codabench(
    output: Path, key_file: Path | None, challenge_directories: tuple[Path, ...], **values: Any
) -> None:
    """Write a competition bundle for Codabench.

    Sealed challenges stay sealed in it. The zip's ORGANISERS.md says where the key goes.

    \b
    Examples:
      plantkit export codabench --suite starter --docker-image NAME:TAG -o bundle.zip
    """
    from plantkit.challenges.sealing import find_secret_key
    from plantkit.exports.codabench.bundle import Competition, export

    # Never from the environment: a key goes into the zip only if it was named.
    key = None if key_file is None else find_secret_key(key_file)
    competition = Competition(key=key, **values)
    names = export(competition, output, challenge_directories)
    click.echo(f"{output}: {len(names)} challenges: {', '.join(names)}")
    click.echo(
        f"{output} holds the tickets: give it to Codabench, never to participants; its "
        "ORGANISERS.md says what to do",
        err=True,
    )
