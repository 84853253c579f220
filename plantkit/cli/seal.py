"""`plantkit seal`: encrypt the truth of a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from plantkit.cli import options


@click.command()
@click.argument("bundle", type=options.DIRECTORY)
@options.key
@click.option(
    "--out",
    type=options.OutputDirectory(),
    help="Write the sealed bundle to this new directory.  [default: replace BUNDLE]",
)
def command(bundle: Path, key_file: Path | None, out: Path | None) -> None:
    """Encrypt the truth of BUNDLE, a directory, to a contest's key.

    Public and secret key both seal. The digest by which results name the challenge stays the
    same. Copies of the bundle made before hold the truth in the clear.

    \b
    Examples:
      plantkit seal challenges/circle-5x100 --key contest.key.pub
    """
    from plantkit.challenges.freezing import seal_bundle
    from plantkit.challenges.sealing import find_key, given

    key = given(find_key(key_file), needed_for="sealing")
    click.echo(f"{seal_bundle(bundle, key, out)}: truth sealed")
