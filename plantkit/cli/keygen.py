"""`plantkit keygen`: make the key pair of a contest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("contest.key"),
    help="File of the secret key; the public key goes next to it, with the suffix .pub.",
)
def command(out: Path) -> None:
    """Make a key pair that seals the truths of challenges.

    The public key seals, on any machine. Only the secret key opens: keep it where challenges
    are scored, readable by you alone, and keep a copy. Without it what was sealed is lost.

    \b
    Examples:
      plantkit keygen --out contest.key
      plantkit plant circle --seal --key contest.key.pub
      plantkit evaluate my_pruner.py --key contest.key
    """
    from plantkit.challenges.sealing import SecretKey, write_keys

    key = SecretKey.generate()
    public = write_keys(key, out)
    click.echo(f"{out}: the secret key {key.public.id}, which opens; show it to nobody")
    click.echo(f"{public}: its public key, which only seals")
