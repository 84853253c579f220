"""`plantkit unseal`: put the truth of a sealed bundle back in the clear."""

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
    help="Write the opened bundle to this new directory.  [default: replace BUNDLE]",
)
def command(bundle: Path, key_file: Path | None, out: Path | None) -> None:
    """Put the truth of BUNDLE, a sealed directory, back in the clear, to publish it.

    Every file becomes what it was before it was sealed, byte for byte.

    \b
    Examples:
      plantkit unseal challenges/circle-5x100 --key contest.key --out published/circle-5x100
    """
    from plantkit.challenges.freezing import unseal_bundle
    from plantkit.challenges.sealing import find_secret_key, given

    key = given(find_secret_key(key_file), needed_for="unsealing")
    click.echo(f"{unseal_bundle(bundle, key, out)}: truth in the clear")
